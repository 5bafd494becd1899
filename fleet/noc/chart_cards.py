"""Charts ready to show: a figure, its words, its table, and how much of the span was heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db.models import Sum

from fleet.lengths import exact_words
from fleet.models import Node
from fleet.noc.charts import MOST_TRACES, Frame, LimitLine, Mark, Trace, figure_of
from fleet.noc.readouts import Readout, read_out, table_of
from telemetry import selectors
from telemetry.metrics import Metric
from telemetry.models import WindowRow

#: A stretch without readings this many windows long is a gap in the line.
_GAP_WINDOWS: Final = 2.5
#: A reading whose window began this many windows ago is the present one.
_PRESENT_WINDOWS: Final = 4
#: A point that stands for no longer than this is the present one, too.
_PRESENT_SECONDS: Final = 60.0
#: As many points as `read_points` gives at most.
_MOST_POINTS: Final = 360


@dataclass(frozen=True, slots=True)
class Source:
    """One series to draw, and what to call it beside the others of its chart."""

    node: Node
    metric: str
    device: str
    label: str


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, on whose clock, and when it is looked at."""

    since: datetime
    until: datetime
    time_zone: str
    now: datetime

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.until - self.since).total_seconds()

    @property
    def words(self) -> str:
        """`12:00 to 14:00`, with the days where it is longer than one."""
        since, until = self.local(self.since), self.local(self.until)
        if since.date() == until.date():
            return f"{since:%H:%M} to {until:%H:%M}"
        return f"{since.day} {since:%b %H:%M} to {until.day} {until:%b %H:%M}"

    @property
    def utc_offset(self) -> timedelta:
        """How far the site's clock is ahead of UTC at the end of the span."""
        return self.until.astimezone(ZoneInfo(self.time_zone)).utcoffset() or timedelta(0)

    @property
    def zone_words(self) -> str:
        """`UTC+9`, `UTC-3:30`, `UTC`."""
        minutes = round(self.utc_offset.total_seconds() / 60)
        hours, rest = divmod(abs(minutes), 60)
        if not minutes:
            return "UTC"
        return f"UTC{'+' if minutes > 0 else '-'}{hours}" + (f":{rest:02}" if rest else "")

    def local(self, at: float | datetime) -> datetime:
        """Return the moment on the site's clock, at the span's one offset from UTC."""
        moment = at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)
        return moment.astimezone(timezone(self.utc_offset))


@dataclass(frozen=True, slots=True)
class ChartCard:
    """One chart with everything that says the same without the picture.

    `figure` is plotly's, as JSON types. `columns` heads the table's rows, each of which begins
    with its moment on the site's clock. `readouts` is empty when there is nothing to draw.
    `last` is when the newest reading was, on the site's clock; empty where that is just now.
    `mean_of` is how long a time the newest point stands for, empty where that is short:
    a mean of 4 min beside a headline of 10 s must not call itself the present reading.
    """

    id: str
    title: str
    unit: str
    span: Span
    figure: dict[str, Any]
    readouts: list[Readout]
    last: str
    mean_of: str
    columns: list[str]
    rows: list[tuple[str, list[str]]] = field(repr=False)

    @property
    def data_id(self) -> str:
        """The id of the element that holds the figure."""
        return f"{self.id}-data"


def chart_card(
    *,
    id: str,
    title: str,
    metric: Metric,
    sources: Sequence[Source],
    span: Span,
    height: int = 240,
    limits: Sequence[LimitLine] = (),
    marks: Sequence[Mark] = (),
) -> ChartCard:
    """Read up to four series that share a unit, and make their chart.

    `metric` says how values are written and drawn; the same number of queries for each series.
    """
    chosen = list(sources)[:MOST_TRACES]
    window = max((source.node.window_seconds for source in chosen), default=60.0)
    traces = [_trace(source, span) for source in chosen]
    frame = _frame(metric, span, window, height=height, limits=limits, marks=marks)
    found = [read_out(trace, metric, stroke=number) for number, trace in enumerate(traces)]
    readouts = [readout for readout in found if readout is not None]
    columns, rows = _table(traces, frame, span)
    return ChartCard(
        id=id,
        title=title,
        unit=metric.shown_unit,
        span=span,
        figure=figure_of(traces, frame),
        readouts=readouts,
        last=_last_words(readouts, span, window),
        mean_of=_mean_words(span, window),
        columns=columns,
        rows=rows,
    )


def coverage_words(*, node: Node, span: Span, span_words: str) -> str:
    """Return how much of the span was heard of the node: `97 % of the last 6 h`."""
    heard = WindowRow.objects.filter(node=node, start__gte=span.since, start__lt=span.until)
    seconds = heard.aggregate(seconds=Sum("seconds"))["seconds"] or 0.0
    share = min(1.0, seconds / span.seconds)
    # 99.6 % is not all of it: round towards what is missing.
    return f"{int(share * 100)} % of {span_words}"


def _frame(
    metric: Metric,
    span: Span,
    window: float,
    *,
    height: int,
    limits: Sequence[LimitLine],
    marks: Sequence[Mark],
) -> Frame:
    return Frame(
        metric=metric,
        since=span.since.timestamp(),
        until=span.until.timestamp(),
        gap_seconds=_GAP_WINDOWS * max(window, span.seconds / _MOST_POINTS),
        utc_offset=span.utc_offset.total_seconds(),
        height=height,
        limits=limits,
        marks=marks,
    )


def _trace(source: Source, span: Span) -> Trace:
    points = selectors.chart_points(
        node=source.node,
        metric=source.metric,
        device=source.device,
        since=span.since,
        until=span.until,
    )
    return Trace(source.label, points.start, points.mean, points.min, points.max)


def _last_words(readouts: Sequence[Readout], span: Span, window: float) -> str:
    """Return when the newest reading of all was, empty while it can be called present."""
    if not readouts:
        return ""
    newest_at = max(readout.newest_at for readout in readouts)
    # A point stands at the start of its share of the span; its window had to end and to arrive.
    present = span.seconds / _MOST_POINTS + _PRESENT_WINDOWS * window
    if span.now.timestamp() - newest_at <= present:
        return ""
    return f"{span.local(newest_at):%H:%M}"


def _mean_words(span: Span, window: float) -> str:
    point = span.seconds / _MOST_POINTS
    return exact_words(point) if point > max(window, _PRESENT_SECONDS) else ""


def _table(
    traces: Sequence[Trace], frame: Frame, span: Span
) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Return head and rows: least, mean and most of one series, the means of several."""
    tables = [table_of(trace, frame) for trace in traces]
    if not tables:
        return [], []
    moments = [f"{span.local(row[0]):%H:%M}" for row in tables[0]]
    if len(tables) == 1:
        cells = [list(row[1:]) for row in tables[0]]
        return ["Least", "Mean", "Most"], list(zip(moments, cells, strict=True))
    cells = [[row[2] for row in together] for together in zip(*tables, strict=True)]
    return [trace.label for trace in traces], list(zip(moments, cells, strict=True))
