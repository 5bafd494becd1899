"""What the fleet page shows: is anything wrong, where, and has somebody got it.

A fixed number of queries whatever the size of the fleet; one pass in memory puts them together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from django.db.models import Count, Q, QuerySet

from fleet.access import Action, may_everywhere, sites_visible_to, sites_where
from fleet.models import Node, ReportedState, Site
from fleet.noc.fleet_answers import Answer, Facts, Trouble, four_answers
from fleet.noc.fleet_field import NodeRow, Region, SiteView, regions_of, site_view, tally_of
from fleet.noc.fleet_people import Answerer, Holder, answerers, holders_of
from fleet.noc.fleet_words import Tally, headline, standing
from runbooks.alerts.selectors import alerts_visible_to
from runbooks.auditor import open_promises
from runbooks.models import Alert, BrokenPromise
from telemetry.models import Finding
from telemetry.selectors import NodeState, node_states, open_findings

if TYPE_CHECKING:
    from fleet.access import AnyUser

#: Alerts that wait for an answer and are shown beside the field.
MOST_NEEDS = 5
#: A pager that is down breaks hundreds of promises at once; a few tell of it.
MOST_PROMISES = 3
RATE_SPAN = timedelta(minutes=10)
#: EEMUA 191: an operator can deal with one alarm in ten minutes; ten and more are a flood.
RATE_TARGET, RATE_FLOOD = 1, 10


@dataclass(frozen=True, slots=True)
class Need:
    """One alert that nobody has answered."""

    alert: Alert
    holder: Holder
    can_respond: bool


@dataclass(frozen=True, slots=True)
class FleetBoard:
    """The whole page. `promises` is empty for readers who do not answer alerts."""

    now: datetime
    tally: Tally
    answers: list[Answer]
    regions: list[Region]
    left_out: int
    needs: list[Need]
    open_count: int
    people: list[Answerer]
    people_left_out: int
    recent: int
    promises: Sequence[BrokenPromise]
    promises_left_out: int
    newest_at: datetime | None
    #: There is no site, and the reader will see those added later.
    awaits_sites: bool

    @property
    def headline(self) -> str:
        """The answer, in one sentence."""
        return headline(self.tally)

    @property
    def standing(self) -> str:
        """How many sites are well, and what is not known of the others."""
        return standing(self.tally)

    @property
    def oldest(self) -> Need | None:
        """What has waited longest for an answer: of the urgent and high ones, if there are any."""
        return min(
            self.needs,
            key=lambda need: (need.alert.severity > 2, need.alert.opened_at),
            default=None,
        )

    @property
    def is_flood(self) -> bool:
        """Whether alerts come faster than a person can take them in."""
        return self.recent >= RATE_FLOOD


def fleet_board(*, user: AnyUser, now: datetime) -> FleetBoard:
    """Return the fleet as `user` may see it."""
    visible = sites_visible_to(user).exclude(status=Site.Status.RETIRED)
    sites = list(visible.select_related("owner").order_by("region", "name"))
    watched = Node.objects.filter(site__in=visible, is_watched=True).order_by("site", "name")
    nodes = [NodeRow(*row) for row in watched.values_list(*NodeRow._fields)]
    # It reads of each node what a row has too.
    states = node_states(nodes=cast("list[Node]", nodes), now=now)
    troubles = _troubles(open_findings(sites=visible), nodes)
    alerts = _Alerts.read(user, now)
    views = _views(sites, nodes, states, troubles, alerts)
    in_service = [view for view in views if view.is_in_service]
    regions, left_out = regions_of(views)
    people = answerers([(view.site, view.is_tile) for view in views], now=now)
    answerable = set(sites_where(user, Action.RESPOND).values_list("pk", flat=True))
    promises = list(open_promises()) if answerable else []
    return FleetBoard(
        now=now,
        tally=tally_of(in_service),
        answers=four_answers(_facts(in_service, nodes, states, troubles)),
        regions=regions,
        left_out=left_out,
        needs=[
            Need(alert, alerts.holders[alert.pk], alert.site_id in answerable)
            for alert in alerts.needs
        ],
        open_count=alerts.open_count,
        people=people.shown,
        people_left_out=people.left_out,
        recent=alerts_visible_to(user).filter(opened_at__gt=now - RATE_SPAN).count(),
        promises=promises[:MOST_PROMISES],
        promises_left_out=max(len(promises) - MOST_PROMISES, 0),
        newest_at=max((n.last_received_at for n in nodes if n.last_received_at), default=None),
        awaits_sites=not sites and may_everywhere(user, Action.VIEW),
    )


@dataclass(frozen=True, slots=True)
class _Alerts:
    """The open alerts that the page needs: counts, the worst of each site, those unanswered."""

    counts: Mapping[int, tuple[int, int]]
    worst: Mapping[int, Alert]
    needs: list[Alert]
    holders: Mapping[int, Holder]
    open_count: int

    @classmethod
    def read(cls, user: AnyUser, now: datetime) -> _Alerts:
        still_open = alerts_visible_to(user).exclude(response=Alert.Response.CLOSED)
        # What is held back asks for nobody until it is let go.
        waits = Q(response=Alert.Response.UNACKNOWLEDGED, is_suppressed=False)
        firing = Q(condition=Alert.Condition.FIRING)
        rows = (
            still_open.order_by()
            .values("site_id")
            .annotate(
                open=Count("id"),
                firing=Count("id", filter=firing),
                urgent=Count("id", filter=waits & firing & Q(severity__lte=2)),
            )
        )
        # One alert a site, not all of them: a storm of 10,000 must not slow the page down.
        worst = (
            _with_people(still_open.filter(firing))
            .order_by("site_id", "severity", "-response", "opened_at")
            .distinct("site_id")
        )
        by_site = {alert.site_id: alert for alert in worst}
        waiting = _with_people(still_open.filter(waits))
        needs = list(waiting.order_by("-condition", "severity", "opened_at")[:MOST_NEEDS])
        return cls(
            counts={row["site_id"]: (row["firing"], row["urgent"]) for row in rows},
            worst=by_site,
            needs=needs,
            holders=holders_of([*by_site.values(), *needs], at=now),
            open_count=sum(row["open"] for row in rows),
        )


def _with_people(alerts: QuerySet[Alert]) -> QuerySet[Alert]:
    return alerts.select_related(
        "site__owner",
        "node",
        "acknowledged_by",
        "acknowledged_owner",
        "runbook_version__runbook",
        "escalation__policy_version",
    ).defer("evidence", "runbook_version__source", "runbook_version__document")


def _troubles(findings: QuerySet[Finding], nodes: Collection[NodeRow]) -> list[Trouble]:
    """Return the open findings; one about several nodes names them in its evidence."""
    ids = {(node.site_id, node.name): node.pk for node in nodes}
    rows = findings.select_related(None).values_list(
        "site_id", "node_id", "kind", "severity", "summary", "began_at", "evidence__nodes"
    )
    troubles = []
    for site_id, node_id, kind, severity, summary, began_at, named in rows:
        names = named if isinstance(named, list) else []
        found = {ids[site_id, name] for name in names if (site_id, name) in ids}
        node_ids = frozenset(found | ({node_id} if node_id else set()))
        troubles.append(Trouble(site_id, kind, severity, summary, began_at, node_ids))
    return troubles


def _views(
    sites: Sequence[Site],
    nodes: Sequence[NodeRow],
    states: Mapping[int, NodeState],
    troubles: Sequence[Trouble],
    alerts: _Alerts,
) -> list[SiteView]:
    nodes_of: dict[int, list[NodeRow]] = defaultdict(list)
    for node in nodes:
        nodes_of[node.site_id].append(node)
    troubles_of: dict[int, list[Trouble]] = defaultdict(list)
    for trouble in troubles:
        troubles_of[trouble.site_id].append(trouble)
    views = []
    for site in sites:
        firing, urgent = alerts.counts.get(site.pk, (0, 0))
        worst = alerts.worst.get(site.pk)
        views.append(
            site_view(
                site,
                nodes=nodes_of[site.pk],
                states=states,
                troubles=troubles_of[site.pk],
                alert=worst,
                holder=alerts.holders[worst.pk] if worst else None,
                firing=firing,
                needs_someone=urgent > 0,
            )
        )
    return views


def _facts(
    views: Sequence[SiteView],
    nodes: Sequence[NodeRow],
    states: Mapping[int, NodeState],
    troubles: Sequence[Trouble],
) -> Facts:
    names = {view.site.pk: view.site.name for view in views}
    ours = {node.pk: node.site_id for node in nodes if node.site_id in names}
    carrying: dict[str, set[int]] = defaultdict(set)
    reports = ReportedState.objects.filter(node__site__in=names).order_by()
    for kind, node_id in reports.values_list("kind", "node_id").distinct():
        carrying[kind].add(node_id)
    return Facts(
        nodes=ours,
        heard={node_id for node_id in ours if states[node_id] == "fresh"},
        carrying=carrying,
        names=names,
        dark={view.site.pk for view in views if view.is_dark or view.is_unheard},
        troubles=[trouble for trouble in troubles if trouble.site_id in names],
    )
