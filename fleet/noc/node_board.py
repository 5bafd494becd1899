"""What the node page shows: what is this machine doing now, and since when can we say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db.models import Q

from fleet.access import AnyUser
from fleet.models import Node
from fleet.noc.chart_cards import ChartCard, Source, Span, chart_card, coverage_words
from fleet.noc.charts import MOST_TRACES, LimitLine
from fleet.noc.contents import Content, contents_of
from runbooks.alerts.selectors import open_alerts_for
from runbooks.models import Alert
from telemetry import selectors
from telemetry.detectors.limits import ALLOWABLE
from telemetry.metrics import CATALOGUE
from telemetry.models import AgentSource, BootRecord, Gap
from telemetry.selectors import NodeState, Reading

#: The spans to choose from, by their word in the address.
WINDOWS: Final = {"1h": timedelta(hours=1), "6h": timedelta(hours=6), "24h": timedelta(hours=24)}
DEFAULT_WINDOW: Final = "6h"
MOST_CHARTS: Final = 6
#: As many parts as `read_points` cuts a span into.
_PARTS: Final = 360
_SHOWN_GAPS: Final = 5
_INLET: Final = "inlet"


_VERDICTS: Final[dict[NodeState, str]] = {
    "fresh": "well",
    "stale": "its newest window is late",
    "silent": "not heard any more",
    "unknown": "unknown, its whole site is out of contact",
    "expected": "waits for its first reading",
}


@dataclass(frozen=True, slots=True)
class _Plan:
    """One chart that a node may have: its metrics share a unit, the words tell them apart."""

    title: str
    metrics: dict[str, str]


#: In order of importance; a node gets the first six for which it has readings.
_PLANS: Final = (
    _Plan("Temperatures inside", {"hw.temperature": ""}),
    _Plan("CPU in use", {"system.cpu.utilization": ""}),
    _Plan("Memory in use", {"system.memory.utilization": ""}),
    _Plan("GPU in use", {"hw.gpu.utilization": ""}),
    _Plan("Disk in use", {"system.filesystem.utilization": ""}),
    _Plan(
        "Waiting for a resource",
        {"mdc.psi.cpu.some": "CPU", "mdc.psi.io.full": "disk", "mdc.psi.memory.full": "memory"},
    ),
    _Plan("Network", {"system.network.receive": "in", "system.network.transmit": "out"}),
    _Plan("Power", {"hw.power": ""}),
    _Plan("Model latency", {"mdc.model.latency": ""}),
)


@dataclass(frozen=True, slots=True)
class NodeBoard:
    """One node with its identity, its readings and what is wrong with it."""

    node: Node
    state: NodeState
    span: Span
    window: str
    coverage: str
    gaps: list[Gap]
    charts: list[ChartCard]
    readings: list[Reading]
    alerts: list[Alert]
    contents: list[Content]
    booted_at: datetime | None
    agent: AgentSource | None

    @property
    def is_lost(self) -> bool:
        """Whether it was heard before and is not any more."""
        return self.state in ("silent", "unknown")

    @property
    def verdict(self) -> str:
        """The page's first sentence: how the node is."""
        if self.alerts:
            return self.alerts[0].summary
        return _VERDICTS[self.state]

    @property
    def worst(self) -> Alert | None:
        """The most urgent open alert, None when nothing is wrong."""
        return self.alerts[0] if self.alerts else None


def node_board(*, user: AnyUser, node: Node, window: str, now: datetime) -> NodeBoard:
    """Return the board of a node `user` may see, over one of WINDOWS."""
    span = _span(node, WINDOWS[window], now)
    readings = selectors.current_readings(nodes=[node])[node.pk]
    gaps = node.gaps.filter(start__lt=span.until, end__gt=span.since)
    return NodeBoard(
        node=node,
        state=selectors.node_states(nodes=[node], now=now)[node.pk],
        span=span,
        window=window,
        coverage=coverage_words(node=node, span=span, span_words=f"the last {_spell(window)}"),
        gaps=list(gaps[:_SHOWN_GAPS]),
        charts=_charts(node, readings, span),
        readings=readings,
        alerts=list(open_alerts_for(user).filter(_about(node))),
        contents=contents_of([node]),
        booted_at=_booted_at(node),
        agent=_agent(node),
    )


def _about(node: Node) -> Q:
    """The node's own alerts, and the site's that name it among others."""
    named = Q(node=None, site=node.site_id, evidence__nodes__contains=[node.name])
    return Q(node=node) | named


def _spell(window: str) -> str:
    """Return `6 h` for `6h`."""
    return f"{window.removesuffix('h')} h"


def _span(node: Node, length: timedelta, now: datetime) -> Span:
    # Ends on a whole part, so that the points stay where they are from one refresh to the next.
    part = length.total_seconds() / _PARTS
    until = datetime.fromtimestamp((now.timestamp() // part + 1) * part, UTC)
    return Span(until - length, until, node.site.time_zone, now)


def _charts(node: Node, readings: Sequence[Reading], span: Span) -> list[ChartCard]:
    charts = []
    inlet = [reading for reading in readings if _is_inlet(reading)]
    if inlet:
        charts.append(_inlet_chart(node, inlet, span))
    for plan in _PLANS:
        chosen = [
            reading
            for metric in plan.metrics
            for reading in readings
            if reading.metric == metric and not _is_inlet(reading)
        ]
        if chosen and len(charts) < MOST_CHARTS:
            charts.append(_planned_chart(node, plan, chosen, span))
    return charts


def _is_inlet(reading: Reading) -> bool:
    return reading.metric == "hw.temperature" and _INLET in reading.device


def _inlet_chart(node: Node, inlet: Sequence[Reading], span: Span) -> ChartCard:
    most = ALLOWABLE[node.ashrae_class][1]
    assumed = ", assumed" if node.is_ashrae_class_assumed else ""
    return chart_card(
        id="chart-inlet",
        title="Inlet air",
        metric=CATALOGUE["hw.temperature"],
        sources=[Source(node, one.metric, one.device, one.device) for one in inlet],
        span=span,
        height=200,
        limits=[LimitLine(most, f"limit {most:.1f} °C, class {node.ashrae_class}{assumed}")],
    )


def _planned_chart(node: Node, plan: _Plan, chosen: Sequence[Reading], span: Span) -> ChartCard:
    # Of more devices than a chart can tell apart, those that are highest now.
    highest = sorted(chosen, key=lambda reading: -reading.value)[:MOST_TRACES]
    metric = CATALOGUE[highest[0].metric]
    return chart_card(
        id=f"chart-{highest[0].metric.replace('.', '-').replace('_', '-')}",
        title=plan.title,
        metric=metric,
        sources=[
            Source(node, one.metric, one.device, _label(plan, one)) for one in _in_order(highest)
        ],
        span=span,
        height=200,
    )


def _in_order(readings: Sequence[Reading]) -> list[Reading]:
    """Return the readings by name, so that a line keeps its stroke when values change places."""
    return sorted(readings, key=lambda reading: (reading.metric, reading.device))


def _label(plan: _Plan, reading: Reading) -> str:
    words = (plan.metrics[reading.metric], reading.device)
    return " ".join(word for word in words if word) or reading.label


def _booted_at(node: Node) -> datetime | None:
    """Return since when the node has been up, as its present boot was first reported."""
    boot = BootRecord.objects.filter(node=node, boot_id=node.boot_id).first()
    return boot.reported_at - timedelta(seconds=boot.uptime_seconds) if boot else None


def _agent(node: Node) -> AgentSource | None:
    """Return the agent that speaks for the node: its own, else the site's newest."""
    sources = AgentSource.objects.filter(site=node.site).order_by("-last_hello_at")
    return sources.filter(agent=node.name).first() or sources.first()
