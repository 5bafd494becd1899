"""What the site page shows: is this site well, what changed, who answers for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from fleet.access import Action, AnyUser, may, sites_visible_to
from fleet.lengths import exact_words
from fleet.models import Contact, Node, Site
from fleet.noc.chart_cards import ChartCard, Source, Span, chart_card
from fleet.noc.charts import MOST_TRACES
from fleet.noc.contents import Item, contents_of, items_of
from fleet.noc.people import names_behind, people_meant
from fleet.noc.run_site_board import SiteRuns, site_runs
from fleet.services.phones import EmergencyNumber, emergency_numbers_of
from runbooks.alerts.selectors import open_alerts_for
from runbooks.escalation.plan import Step, read_steps
from runbooks.models import Alert, EscalationPolicyVersion
from telemetry import selectors
from telemetry.metrics import CATALOGUE
from telemetry.models import Finding
from telemetry.selectors import NodeState, Reading

_DAY: Final = timedelta(hours=24)
_PARTS: Final = 360
#: The key readings of a node's row: a heading, the metric, and the device it must be of.
KEY_READINGS: Final = (
    ("Inlet", "hw.temperature", "inlet"),
    ("CPU", "system.cpu.utilization", ""),
    ("Memory", "system.memory.utilization", ""),
    ("Disk", "system.filesystem.utilization", ""),
)
_LOST: Final = ("silent", "unknown")


@dataclass(frozen=True, slots=True)
class Cell:
    """One key reading of a node; `severity` is that of an open alert on it, 0 for none."""

    heading: str
    reading: Reading | None
    severity: int


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One node of the site in a line."""

    node: Node
    state: NodeState
    severity: int
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the escalation policy: after how long (`at once`, `+5 min`), who is paged."""

    after: str
    people: list[str]


@dataclass(frozen=True, slots=True)
class SiteBoard:
    """One site with its nodes, its people and what is wrong with it."""

    site: Site
    verdict: str
    rows: list[NodeRow]
    alerts: list[Alert]
    items: list[Item]
    chart: ChartCard | None
    contacts: list[Contact]
    policy: EscalationPolicyVersion | None
    rungs: list[Rung]
    may_change: bool
    numbers: list[EmergencyNumber]
    spurs: list[Site]
    hub: Site | None
    runs: SiteRuns

    @property
    def headings(self) -> list[str]:
        """What stands over the key readings."""
        return [heading for heading, _, _ in KEY_READINGS]

    @property
    def severity(self) -> int:
        """That of the most urgent open alert, 0 for none."""
        return self.alerts[0].severity if self.alerts else 0

    @property
    def lost(self) -> int:
        """How many nodes are not heard."""
        return sum(row.state in _LOST for row in self.rows)


def site_board(
    *, user: AnyUser, site: Site, now: datetime, wanted: Sequence[str] = ()
) -> SiteBoard:
    """Return the board of a site `user` may see; `wanted` are languages of runbooks."""
    nodes = list(site.nodes.filter(is_watched=True).select_related("site"))
    alerts = list(open_alerts_for(user).filter(site=site))
    readings = selectors.current_readings(nodes=nodes)
    states = selectors.node_states(nodes=nodes, now=now)
    rows = [_row(node, states[node.pk], readings[node.pk], alerts) for node in nodes]
    policy = _policy(site)
    visible = sites_visible_to(user)
    return SiteBoard(
        site=site,
        verdict=_verdict(site, rows, alerts),
        rows=sorted(rows, key=lambda row: (row.severity or 9, row.state not in _LOST)),
        alerts=alerts,
        items=items_of(contents_of(nodes)),
        chart=_chart(site, rows, now),
        contacts=list(site.owner.contacts.all()) if site.owner else [],
        policy=policy,
        rungs=_rungs(site, read_steps(policy.steps), now) if policy else [],
        may_change=may(user, Action.CHANGE, site),
        numbers=emergency_numbers_of(site=site),
        spurs=list(visible.filter(parent=site)),
        hub=visible.filter(pk=site.parent_id).first() if site.parent_id else None,
        runs=site_runs(user=user, site=site, now=now, wanted=wanted),
    )


def _row(
    node: Node, state: NodeState, readings: Sequence[Reading], alerts: Sequence[Alert]
) -> NodeRow:
    mine = [alert for alert in alerts if _is_about(alert, node)]
    return NodeRow(
        node=node,
        state=state,
        severity=min((alert.severity for alert in mine), default=0),
        cells=[_cell(key, readings, mine) for key in KEY_READINGS],
    )


def _is_about(alert: Alert, node: Node) -> bool:
    """Tell whether the alert is the node's own, or the site's and names it among others."""
    if alert.node_id is not None:
        return alert.node_id == node.pk
    # A dark site says nothing of its nodes: each is unknown.
    is_dark = alert.kind == Finding.Kind.SITE_DARK
    return not is_dark and node.name in alert.evidence.get("nodes", ())


def _cell(key: tuple[str, str, str], readings: Sequence[Reading], alerts: Sequence[Alert]) -> Cell:
    """Return the highest reading of the metric, and the worst alert that fired on it."""
    heading, metric, part = key
    found = [one for one in readings if one.metric == metric and part in one.device]
    fired = [alert.severity for alert in alerts if alert.evidence.get("metric") == metric]
    highest = max(found, key=lambda one: one.value, default=None)
    return Cell(heading, highest, min(fired, default=0))


def _verdict(site: Site, rows: Sequence[NodeRow], alerts: Sequence[Alert]) -> str:
    """Return the page's first sentence: how the site is."""
    waiting = sum(alert.response == Alert.Response.UNACKNOWLEDGED for alert in alerts)
    lost = sum(row.state in _LOST for row in rows)
    if rows and lost == len(rows):
        return f"{site.name} is out of contact"
    if waiting:
        return f"{site.name} needs someone now"
    if alerts:
        return f"{site.name} has trouble, and somebody has it"
    if lost:
        return f"{site.name} is well, but {lost} of {len(rows)} nodes are not heard"
    if not rows:
        return f"{site.name} has no nodes yet"
    if all(row.state == "expected" for row in rows):
        return f"{site.name} waits for its first reading"
    return f"{site.name} is well"


def _chart(site: Site, rows: Sequence[NodeRow], now: datetime) -> ChartCard | None:
    """Return the inlet air of the last day: of the hottest nodes where there are many."""
    inlets = [(row.cells[0].reading, row.node) for row in rows]
    known = [(reading, node) for reading, node in inlets if reading is not None]
    hottest = sorted(known, key=lambda pair: -pair[0].value)[:MOST_TRACES]
    if not hottest:
        return None
    part = _DAY.total_seconds() / _PARTS
    until = datetime.fromtimestamp((now.timestamp() // part + 1) * part, UTC)
    return chart_card(
        id="site-chart",
        title="Inlet air, the hottest nodes" if len(known) > MOST_TRACES else "Inlet air",
        metric=CATALOGUE["hw.temperature"],
        sources=[
            Source(node, reading.metric, reading.device, node.name)
            for reading, node in sorted(hottest, key=lambda pair: pair[1].name)
        ],
        span=Span(until - _DAY, until, site.time_zone, now),
        height=180,
    )


def _policy(site: Site) -> EscalationPolicyVersion | None:
    """Return the edition that the site's next alert will follow."""
    versions = EscalationPolicyVersion.objects.filter(policy__sites__site=site)
    return versions.select_related("policy").order_by("-number").first()


def _rungs(site: Site, steps: Sequence[Step], now: datetime) -> list[Rung]:
    names = names_behind({word for step in steps for word in step.notify}, at=now)
    after, rungs = timedelta(0), []
    for step in steps:
        words = f"+{exact_words(after.total_seconds())}" if after else "at once"
        rungs.append(Rung(words, people_meant(step.notify, site=site, names=names)))
        after += step.delay
    return rungs
