"""Readings to plotly figures. Pure.

Colours are names of custom properties (`var(--chart-1)`); `chart.js` puts the page's own in their
place, so that one figure serves light and dark. Texts hold no markup: plotly would turn it into
inline styles, which the content security policy refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import plotly.graph_objects as go  # type: ignore[import-untyped]  # plotly ships no types

from telemetry.metrics import Metric

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

#: Line of each trace in order; the legend's swatches in the style sheet say the same.
STROKES = (
    ("var(--chart-1)", "solid"),
    ("var(--chart-2)", "solid"),
    ("var(--chart-1)", "dot"),
    ("var(--chart-2)", "dash"),
)
MOST_TRACES = len(STROKES)

_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif'
#: A share of the values' spread that stays free above and below the line.
_HEADROOM = 0.08


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """One series: `start` in epoch seconds, ascending; the values in the metric's own unit.

    `mean`, `low` and `high` are of the span that begins at `start`; NaN is no reading.
    """

    label: str
    start: Floats
    mean: Floats
    low: Floats
    high: Floats


#: From this share of the width on, a mark's words stand to the left of its line.
LATE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Mark:
    """One moment worth a line: epoch seconds, and what to write beside it; empty: nothing."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class LimitLine:
    """One bound, as it is shown (scaled), and what to write beside it."""

    value: float
    text: str


@dataclass(frozen=True, slots=True)
class Frame:
    """What all traces of a figure share.

    `since` and `until` are epoch seconds, `utc_offset` seconds east of Greenwich. Two points
    further apart than `gap_seconds` are not joined. `height` is in CSS pixels.
    """

    metric: Metric
    since: float
    until: float
    gap_seconds: float
    utc_offset: float
    height: int = 240
    limits: Sequence[LimitLine] = field(default=())
    marks: Sequence[Mark] = field(default=())


def figure_of(traces: Sequence[Trace], frame: Frame) -> dict[str, Any]:
    """Return the plotly figure as JSON types; one trace also gets the band of least and most."""
    drawn = [_line(trace, number, frame) for number, trace in enumerate(traces)]
    if len(traces) == 1:
        drawn.insert(0, _band(traces[0], frame))
    figure = go.Figure(data=drawn, layout=_layout(traces, frame))
    answer: dict[str, Any] = _plain(figure.to_plotly_json())
    # Plotly's own template would be 7 kB of colours that no chart here uses.
    answer["layout"].pop("template", None)
    return answer


def _line(trace: Trace, number: int, frame: Frame) -> go.Scatter:
    color, dash = STROKES[number % MOST_TRACES]
    start, mean = _broken(trace.start, trace.mean, frame.gap_seconds)
    line = {"color": color, "width": 2, "dash": dash}
    unit = frame.metric.shown_unit
    return go.Scatter(
        x=_shifted(start, frame),
        y=_scaled(mean, frame.metric),
        mode="lines",
        name=trace.label or frame.metric.label,
        line=line,
        connectgaps=False,
        hovertemplate=f"%{{y:,.{frame.metric.decimals}f}} {unit}".rstrip(),
    )


def _band(trace: Trace, frame: Frame) -> go.Scatter:
    """Return the area between least and most: one outline for each run without a gap."""
    xs: list[Floats] = []
    ys: list[Floats] = []
    hole = np.array([np.nan])
    for run in _runs(trace.start, trace.mean, frame.gap_seconds):
        start = trace.start[run]
        xs += [start, start[::-1], hole]
        ys += [trace.high[run], trace.low[run][::-1], hole]
    return go.Scatter(
        x=_shifted(np.concatenate(xs), frame) if xs else [],
        y=_scaled(np.concatenate(ys), frame.metric) if ys else [],
        mode="lines",
        line={"width": 0, "color": "var(--chart-band)"},
        fill="toself",
        fillcolor="var(--chart-band)",
        hoverinfo="skip",
        name="least to most",
    )


def _runs(start: Floats, mean: Floats, gap_seconds: float) -> list[np.ndarray[Any, Any]]:
    """Return the indices of each stretch of readings in which no gap lies."""
    read = np.flatnonzero(~np.isnan(mean))
    if not len(read):
        return []
    return np.split(read, np.flatnonzero(np.diff(start[read]) > gap_seconds) + 1)


def _broken(start: Floats, values: Floats, gap_seconds: float) -> tuple[Floats, Floats]:
    """Return the points with a hole after each stretch, so that no line crosses a gap."""
    xs: list[Floats] = []
    ys: list[Floats] = []
    for run in _runs(start, values, gap_seconds):
        # A lone point has no line of its own: draw it as wide as a quarter of a gap.
        ends = [start[run][-1] + gap_seconds / 4] if len(run) == 1 else []
        xs += [start[run], np.array([*ends, start[run][-1]])]
        ys += [values[run], np.array([*values[run][: len(ends)], np.nan])]
    if not xs:
        return np.empty(0), np.empty(0)
    return np.concatenate(xs), np.concatenate(ys)


def _shifted(start: Floats, frame: Frame) -> list[int | None]:
    # Whole numbers as a list: shorter than base64 doubles once the page is compressed.
    return [None if np.isnan(at) else _moment(at, frame) for at in start]


def _scaled(values: Floats, metric: Metric) -> list[float | None]:
    # One decimal more than is shown keeps the line smooth and the page short.
    scaled = np.round(values * metric.scale, metric.decimals + 1)
    return [None if np.isnan(value) else float(value) for value in scaled]


def _layout(traces: Sequence[Trace], frame: Frame) -> dict[str, Any]:
    tick = {"size": 12, "color": "var(--ink-3)"}
    return {
        "height": frame.height,
        "margin": {"l": 44, "r": 12, "t": 16 if not frame.marks else 24, "b": 26},
        "paper_bgcolor": "var(--raised)",
        "plot_bgcolor": "var(--raised)",
        "font": {"family": _FONT, "size": 12, "color": "var(--ink-2)"},
        "showlegend": False,
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": "var(--raised)", "bordercolor": "var(--line-strong)"},
        "dragmode": False,
        "xaxis": {
            "type": "date",
            "range": [_moment(frame.since, frame), _moment(frame.until, frame)],
            "tickformat": "%H:%M",
            "hoverformat": "%H:%M:%S",
            "tickfont": tick,
            "nticks": 7,
            "ticks": "outside",
            "ticklen": 5,
            "tickcolor": "var(--line)",
            "showgrid": False,
            "zeroline": False,
            "fixedrange": True,
        },
        "yaxis": {
            "range": _bounds(traces, frame),
            "tickfont": tick,
            "nticks": 6,
            "gridcolor": "var(--line)",
            "zeroline": False,
            "fixedrange": True,
        },
        "shapes": [_limit_shape(limit) for limit in frame.limits]
        + [_mark_shape(mark, frame) for mark in _inside(frame)],
        "annotations": [_limit_label(limit) for limit in frame.limits]
        + [_mark_label(mark, frame) for mark in _inside(frame) if mark.text],
    }


def _bounds(traces: Sequence[Trace], frame: Frame) -> list[float]:
    """Return the least and most of the value axis, limits included."""
    # Part of a whole is drawn on the whole: half a per cent of noise must not look like a storm.
    if frame.metric.shown_unit == "%" and frame.metric.high <= 100:
        return [0.0, 100.0]
    edges = [edge * frame.metric.scale for trace in traces for edge in (trace.low, trace.high)]
    found = np.concatenate([*edges, np.array([limit.value for limit in frame.limits])])
    found = found[~np.isnan(found)]
    if not len(found):
        return [0.0, 1.0]
    low, high = float(found.min()), float(found.max())
    # A line that does not move gets room of its own, a twentieth of its height or one step.
    spread = max(high - low, abs(high) * 0.05, 10.0**-frame.metric.decimals)
    return [low - spread * _HEADROOM, high + spread * _HEADROOM]


def _inside(frame: Frame) -> list[Mark]:
    return [mark for mark in frame.marks if frame.since <= mark.at <= frame.until]


def _limit_shape(limit: LimitLine) -> dict[str, Any]:
    line = {"color": "var(--limit)", "width": 1.5, "dash": "dash"}
    y = limit.value
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": line}


def _limit_label(limit: LimitLine) -> dict[str, Any]:
    at = {"xref": "paper", "x": 0, "y": limit.value, "xanchor": "left", "yanchor": "bottom"}
    font = {"size": 12, "color": "var(--ink)", "weight": 600}
    return {**at, "text": limit.text, "showarrow": False, "xshift": 4, "font": font}


def _mark_shape(mark: Mark, frame: Frame) -> dict[str, Any]:
    line = {"color": "var(--ink-2)", "width": 1, "dash": "dot"}
    x = _moment(mark.at, frame)
    return {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": x, "x1": x, "line": line}


def _mark_label(mark: Mark, frame: Frame) -> dict[str, Any]:
    # Near the right edge the words go to the left of their line, or they would be cut.
    is_late = mark.at > frame.since + (frame.until - frame.since) * LATE
    at = {"x": _moment(mark.at, frame), "y": 1, "yref": "paper", "yanchor": "bottom"}
    font = {"size": 12, "color": "var(--ink-2)"}
    side = "right" if is_late else "left"
    return {**at, "xanchor": side, "text": mark.text, "showarrow": False, "font": font}


def _moment(at: float, frame: Frame) -> int:
    """Return milliseconds on the site's own clock: plotly knows no time zones."""
    return int((at + frame.utc_offset) * 1000)


def _plain(value: Any) -> Any:
    """Return tuples as lists and NumPy's numbers as Python's, so that any JSON writer will do."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
