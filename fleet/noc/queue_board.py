"""What the alert queue shows: what must I do next. Its queries do not grow with its length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal
from urllib.parse import urlencode

from django.db.models import Max, Prefetch, Q, QuerySet
from django.http import QueryDict

from fleet.access import Action, AnyUser, sites_visible_to, sites_where
from fleet.models import Site
from fleet.noc.people import spell_people
from fleet.noc.row_links import RowLinks, links_of
from runbooks.alerts.selectors import alerts_visible_to, counts_for
from runbooks.escalation.services import next_moves
from runbooks.models import Alert, RunbookVersion, Suppression

Answer = Literal["", "waiting", "mine", "others", "held"]

#: More rows than anybody works through; the filters lead to the others.
MOST_ROWS: Final = 200
_RATE_SPAN: Final = timedelta(minutes=10)
#: EEMUA 191: an operator can deal with one alarm in ten minutes; ten and more are a flood.
RATE_TARGET, RATE_FLOOD = 1, 10
_CLOSED_SPAN: Final = timedelta(hours=24)
_ANSWERS: Final[tuple[tuple[Answer, str], ...]] = (
    ("", "All"),
    ("waiting", "Unanswered"),
    ("mine", "Yours"),
    ("others", "Others'"),
    ("held", "Held back"),
)


@dataclass(frozen=True, slots=True)
class Filters:
    """What the reader asked for; it stands in the address. Empty and 0 mean everything."""

    severity: int = 0
    site: str = ""
    answer: Answer = ""
    with_closed: bool = False

    @classmethod
    def read(cls, query: QueryDict) -> Filters:
        """Return the filters in an address; words it does not know count as not given."""
        severity = query.get("severity", "")
        answer = query.get("response", "")
        return cls(
            severity=int(severity) if severity in ("1", "2", "3") else 0,
            site=query.get("site", ""),
            answer=answer if answer in ("waiting", "mine", "others", "held") else "",  # type: ignore[arg-type]  # narrowed by the test
            with_closed=query.get("closed") == "1",
        )

    @property
    def query(self) -> str:
        """The filters as they stand in the address, with their question mark; empty for none."""
        pairs = {
            "severity": str(self.severity or ""),
            "site": self.site,
            "response": self.answer,
            "closed": "1" if self.with_closed else "",
        }
        told = {key: value for key, value in pairs.items() if value}
        return f"?{urlencode(told)}" if told else ""


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a filter: what it says, where it leads, and whether it is in force."""

    label: str
    query: str
    is_current: bool
    severity: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One alert of the queue; `next_names` are paged at `next_at` unless somebody answers."""

    alert: Alert
    links: RowLinks
    is_mine: bool
    can_respond: bool
    next_at: datetime | None
    next_names: str
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Band:
    """Rows of one standing, worst first, then oldest."""

    name: str
    title: str
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class QueueBoard:
    """The whole queue; `left_out` counts the open alerts beyond the rows shown."""

    filters: Filters
    bands: list[Band]
    open_count: int
    left_out: int
    recent: int
    severities: list[Choice]
    answers: list[Choice]
    closed: Choice
    sites: list[Site]

    @property
    def waiting(self) -> list[Row]:
        """The rows that nobody has."""
        return self.bands[0].rows

    @property
    def oldest(self) -> Row:
        """The row that has waited longest; only where some wait."""
        return min(self.waiting, key=lambda row: row.alert.opened_at)

    @property
    def rate_target(self) -> int:
        """How many alerts in ten minutes a person can well deal with."""
        return RATE_TARGET

    @property
    def is_flood(self) -> bool:
        """Whether alerts come faster than a person can take them in."""
        return self.recent >= RATE_FLOOD

    @property
    def is_empty(self) -> bool:
        """Whether there is no row at all."""
        return not any(band.rows for band in self.bands)


def queue_board(*, user: AnyUser, filters: Filters, now: datetime) -> QueueBoard:
    """Return the queue as `user` may see it, narrowed by the filters."""
    counts = counts_for(user)
    visible = alerts_visible_to(user)
    narrowed = _narrow(visible, filters, user)
    still_open = narrowed.exclude(response=Alert.Response.CLOSED)
    worst_first = _with_everything(still_open).order_by("severity", "opened_at", "id")
    # One more than is shown tells whether any are left out.
    alerts = list(worst_first[: MOST_ROWS + 1])
    closed: list[Alert] = []
    if filters.with_closed:
        lately = narrowed.filter(closed_at__gt=now - _CLOSED_SPAN)
        closed = list(_with_everything(lately).order_by("-closed_at")[:MOST_ROWS])
    rows = _rows([*alerts[:MOST_ROWS], *closed], user, now)
    return QueueBoard(
        filters=filters,
        bands=_bands(rows),
        open_count=sum(counts.values()),
        left_out=still_open.count() - MOST_ROWS if len(alerts) > MOST_ROWS else 0,
        recent=visible.filter(opened_at__gt=now - _RATE_SPAN).count(),
        severities=_severities(filters, counts),
        answers=[
            Choice(label, replace(filters, answer=answer).query, filters.answer == answer)
            for answer, label in _ANSWERS
        ],
        closed=Choice(
            "Closed in the last 24 h",
            replace(filters, with_closed=not filters.with_closed).query,
            filters.with_closed,
        ),
        sites=list(sites_visible_to(user).only("slug", "name").order_by("name")),
    )


def queue_row(*, user: AnyUser, alert: Alert, now: datetime) -> Row:
    """Return one alert as a row of the queue."""
    return _rows([alert], user, now)[0]


def _narrow(alerts: QuerySet[Alert], filters: Filters, user: AnyUser) -> QuerySet[Alert]:
    if filters.severity:
        alerts = alerts.filter(severity=filters.severity)
    if filters.site:
        alerts = alerts.filter(site__slug=filters.site)
    if filters.answer == "waiting":
        return alerts.filter(response=Alert.Response.UNACKNOWLEDGED, is_suppressed=False)
    if filters.answer == "held":
        return alerts.filter(is_suppressed=True)
    if filters.answer == "mine":
        return alerts.filter(acknowledged_by_id=user.pk)
    if filters.answer == "others":
        taken = alerts.filter(response=Alert.Response.ACKNOWLEDGED)
        # Spelt out: an exclude would drop those that an owner without an account took.
        return taken.filter(Q(acknowledged_by=None) | ~Q(acknowledged_by_id=user.pk))
    return alerts


def _with_everything(alerts: QuerySet[Alert]) -> QuerySet[Alert]:
    """Read what rows show; what many rows share is read once, where a join would repeat it."""
    editions = RunbookVersion.objects.select_related("runbook").defer("source", "document")
    return (
        alerts.select_related("escalation")
        .defer("evidence")
        .prefetch_related(
            Prefetch("site", Site.objects.select_related("owner")),
            Prefetch("runbook_version", editions),
            "escalation__policy_version",
            "node",
            "acknowledged_by",
            "acknowledged_owner",
            "closed_by",
            "closed_owner",
        )
    )


def _severities(filters: Filters, counts: dict[int, int]) -> list[Choice]:
    found = [(0, "Any", sum(counts.values()))]
    found += [(level, str(level), counts.get(level, 0)) for level in (1, 2, 3)]
    return [
        Choice(
            str(number), replace(filters, severity=level).query, filters.severity == level, level
        )
        for level, _, number in found
    ]


def _bands(rows: Sequence[Row]) -> list[Band]:
    waiting: list[Row] = []
    mine: list[Row] = []
    others: list[Row] = []
    held: list[Row] = []
    closed: list[Row] = []
    for row in rows:
        if row.alert.response == Alert.Response.CLOSED:
            closed.append(row)
        elif row.alert.is_suppressed:
            held.append(row)
        elif row.alert.response == Alert.Response.UNACKNOWLEDGED:
            waiting.append(row)
        else:
            (mine if row.is_mine else others).append(row)
    return [
        Band("waiting", "Unanswered", waiting),
        Band("mine", "Yours", mine),
        Band("others", "Others have these", others),
        Band("held", "Held back: silenced, in maintenance, shelved or explained by another", held),
        Band("closed", "Closed in the last 24 h", closed),
    ]


def _rows(alerts: Sequence[Alert], user: AnyUser, now: datetime) -> list[Row]:
    site_ids = {alert.site_id for alert in alerts}
    mine_to_answer = set(
        sites_where(user, Action.RESPOND).filter(pk__in=site_ids).values_list("pk", flat=True)
    )
    coming = next_moves(alerts=alerts, at=now)
    ends = _ends_of_holds(alerts)
    return [
        Row(
            alert=alert,
            links=links_of(alert),
            is_mine=alert.acknowledged_by_id == user.pk,
            can_respond=alert.site_id in mine_to_answer,
            next_at=move.at if (move := coming[alert.pk]) else None,
            next_names=spell_people(move.who) if move else "",
            held_until=ends.get(alert.pk),
        )
        for alert in alerts
    ]


def _ends_of_holds(alerts: Sequence[Alert]) -> dict[int, datetime]:
    """Return when the last hold of each alert that is held back ends, where it has an end."""
    held = [alert.pk for alert in alerts if alert.is_suppressed]
    if not held:
        return {}
    rows = Suppression.objects.filter(alert__in=held, ended_at__isnull=True, until__isnull=False)
    return dict(rows.order_by().values_list("alert_id").annotate(last=Max("until")))
