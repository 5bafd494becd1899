"""What proves an alert: the chart of its reading, or what is known where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from fleet.models import Node
from fleet.noc.alert_words import limit_words
from fleet.noc.chart_cards import ChartCard, Source, Span, chart_card
from fleet.noc.charts import LATE, LimitLine, Mark
from fleet.noc.contents import Content, contents_of
from fleet.noc.run_line_board import DoneStep
from runbooks.models import Alert
from runbooks.runs.values import STATE_METRICS, metric_of
from telemetry import selectors
from telemetry.models import BootRecord, Finding
from telemetry.selectors import NodeState

_SHORTEST: Final = timedelta(hours=2)
_LONGEST: Final = timedelta(hours=24)
_BEFORE: Final = timedelta(hours=1)
_AFTER: Final = timedelta(minutes=30)
#: Words of two marks nearer than this share of the chart would lie on each other.
_APART: Final = 0.14
#: The width of a letter as a share of a narrow chart's.
_LETTER: Final = 0.01
_SILENCE: Final = (Finding.Kind.SITE_DARK, Finding.Kind.NODE_SILENT)
_CONTENT: Final = (
    Finding.Kind.CONFIG_DRIFT,
    Finding.Kind.MODEL_MISMATCH,
    Finding.Kind.MODEL_FAILING,
)
_SHOWN_NODES: Final = 20
_SHOWN_BOOTS: Final = 6


@dataclass(frozen=True, slots=True)
class Contact:
    """When one node was last heard."""

    node: Node
    state: NodeState


@dataclass(frozen=True, slots=True)
class Proof:
    """What backs the alert's sentence; every part may be empty."""

    span: Span
    chart: ChartCard | None = None
    contacts: list[Contact] = field(default_factory=list)
    contents: list[Content] = field(default_factory=list)
    boots: list[BootRecord] = field(default_factory=list)


def proof_of(*, alert: Alert, now: datetime, done: Sequence[DoneStep] = ()) -> Proof:
    """Return what is known about the alert's trouble, by its kind.

    `done` are the steps of its runs that were done: marks on the chart.
    """
    span = span_of(alert, now)
    if alert.kind in _SILENCE:
        return Proof(span, contacts=_contacts(alert, now))
    if alert.kind in _CONTENT:
        return Proof(span, chart=_chart(alert, span, done), contents=_contents(alert))
    if alert.kind == Finding.Kind.NODE_REBOOT and alert.node:
        boots = BootRecord.objects.filter(node=alert.node).order_by("-reported_at")
        return Proof(span, boots=list(boots[:_SHOWN_BOOTS]))
    return Proof(span, chart=_chart(alert, span, done))


def span_of(alert: Alert, now: datetime) -> Span:
    """Return the time to draw: from before it began until now, or until it was over.

    At least two hours; of trouble that lasts for more than a day, the two hours around its start.
    """
    until = min(now, alert.closed_at + _AFTER) if alert.closed_at else now
    # Whole minutes, so that the points stay where they are from one refresh to the next.
    until = until.replace(second=0, microsecond=0) + timedelta(minutes=1)
    since = min(alert.began_at - _BEFORE, until - _SHORTEST).replace(second=0, microsecond=0)
    if until - since > _LONGEST:
        since = alert.began_at - _BEFORE
        until = since + _SHORTEST
    return Span(since, until, alert.site.time_zone, now)


def _chart(alert: Alert, span: Span, done: Sequence[DoneStep]) -> ChartCard | None:
    metric, node = metric_of(alert), alert.node
    if metric is None or node is None:
        return None
    device = str(alert.evidence.get("device") or "")
    limit = alert.evidence.get("limit")
    limits = []
    if isinstance(limit, int | float) and metric.name not in STATE_METRICS:
        limits.append(LimitLine(limit * metric.scale, limit_words(alert)))
    what = f"{metric.label} ({device})" if device else metric.label
    return chart_card(
        id="proof-chart",
        title=f"{what} of {node.name}",
        metric=metric,
        sources=[Source(node, metric.name, device, device or metric.label)],
        span=span,
        height=260,
        limits=limits,
        marks=[*_marks(alert, span), *_step_marks(alert, span, done)],
    )


def _marks(alert: Alert, span: Span) -> list[Mark]:
    """Return the turning points, the firing first; none whose words would lie on another's."""
    moments = (
        ("fired", alert.opened_at),
        ("cleared", alert.cleared_at),
        ("acknowledged", alert.acknowledged_at),
    )
    marks: list[Mark] = []
    for word, at in moments:
        if at is None:
            continue
        mark = Mark(at.timestamp(), f"{word} {span.local(at):%H:%M}")
        if all(abs(mark.at - other.at) > _APART * span.seconds for other in marks):
            marks.append(mark)
    return marks


def _step_marks(alert: Alert, span: Span, done: Sequence[DoneStep]) -> list[Mark]:
    """Return the steps done as marks, those near each other as one, with its words at the last.

    Where the words would lie on others the line alone is drawn.
    """
    taken = [_extent(mark, span) for mark in _marks(alert, span)]
    marks: list[Mark] = []
    for group in _near(sorted(done, key=lambda step: (step.at, step.number)), span):
        at = group[-1].at
        words = _step_words([step.number for step in group])
        mark = Mark(at.timestamp(), f"{words} done {span.local(at):%H:%M}")
        start, end = _extent(mark, span)
        if any(start < other_end and other_start < end for other_start, other_end in taken):
            mark = Mark(mark.at, "")
        else:
            taken.append((start, end))
        marks.append(mark)
    return marks


def _near(done: Sequence[DoneStep], span: Span) -> list[list[DoneStep]]:
    groups: list[list[DoneStep]] = []
    for step in done:
        since = (step.at - groups[-1][0].at).total_seconds() if groups else span.seconds
        if since <= _APART * span.seconds:
            groups[-1].append(step)
        else:
            groups.append([step])
    return groups


def _extent(mark: Mark, span: Span) -> tuple[float, float]:
    """Return from where to where a mark's words reach, as shares of the chart's width."""
    at = (mark.at - span.since.timestamp()) / span.seconds
    width = len(mark.text) * _LETTER
    return (at - width, at) if at > LATE else (at, at + width)


def _step_words(numbers: Sequence[int]) -> str:
    """Return `step 4`, `steps 1 to 4`, `3 steps`."""
    if len(numbers) == 1:
        return f"step {numbers[0]}"
    first, last = min(numbers), max(numbers)
    if last - first + 1 == len(set(numbers)) == len(numbers):
        return f"steps {first} to {last}"
    return f"{len(numbers)} steps"


def _contacts(alert: Alert, now: datetime) -> list[Contact]:
    """Return when each node concerned was last heard, the longest silent first."""
    nodes = alert.site.nodes.filter(is_watched=True)
    if alert.node_id:
        nodes = nodes.filter(pk=alert.node_id)
    found = sorted(nodes, key=lambda node: (node.last_received_at is not None, _heard(node)))
    states = selectors.node_states(nodes=found, now=now)
    return [Contact(node, states[node.pk]) for node in found[:_SHOWN_NODES]]


def _heard(node: Node) -> float:
    return node.last_received_at.timestamp() if node.last_received_at else 0.0


def _contents(alert: Alert) -> list[Content]:
    """Return the item of the alert on each node of the site, the wrong ones first."""
    name = alert.evidence.get("item") or alert.evidence.get("model")
    nodes = list(alert.site.nodes.filter(is_watched=True))
    rows = [row for row in contents_of(nodes) if row.name == name]
    return sorted(rows, key=lambda row: (not row.is_wrong, row.node.name))[:_SHOWN_NODES]
