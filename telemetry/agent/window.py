"""Samples become windows: aligned to the wall clock, and never made twice.

A window belongs to a slot `[k * window_seconds, (k + 1) * window_seconds)` of the wall clock. The
spans for which windows exist are remembered, also across restarts; a slot that is already covered
in part yields a window over the rest, one that is covered wholly yields none.
"""

from __future__ import annotations

import logging
import math
import struct
from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from telemetry.agent.source import Sample
from telemetry.metrics import describe
from telemetry.protocol import MAX_SERIES_PER_SET, Series, Window, series_hash
from telemetry.summary import Summary

logger = logging.getLogger(__name__)

#: Beyond this a sum of readings might not fit float32.
LARGEST_READING = 1e30
#: A series without a reading for this many windows is no longer announced.
FORGET_SERIES_AFTER = 60
#: Spans kept apart at most; a healthy agent has one, each clock step or stop adds one.
MAX_SPANS = 256

_SeriesKey = tuple[str, str]
#: The longest names a server takes: metric, unit, device.
_LONGEST = (200, 40, 200)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of wall-clock time, in milliseconds since 1970, without its end."""

    start_ms: int
    end_ms: int

    @property
    def seconds(self) -> float:
        """The length in seconds."""
        return (self.end_ms - self.start_ms) / 1000


class Coverage:
    """The wall-clock time for which windows exist, as spans that do not touch."""

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._spans: list[Span] = []
        for span in spans:
            self.add(span)

    @property
    def spans(self) -> Sequence[Span]:
        """The spans, oldest first."""
        return self._spans

    @property
    def latest_end_ms(self) -> int | None:
        """The end of the newest span."""
        return self._spans[-1].end_ms if self._spans else None

    def add(self, span: Span) -> None:
        """Cover `span`, joining what it touches."""
        apart: list[Span] = []
        start, end = span.start_ms, span.end_ms
        for other in self._spans:
            if other.end_ms < start or other.start_ms > end:
                apart.append(other)
            else:
                start, end = min(start, other.start_ms), max(end, other.end_ms)
        insort(apart, Span(start, end))
        self._spans = apart[-MAX_SPANS:]

    def free_part(self, slot: Span, at_ms: int) -> Span | None:
        """Return the uncovered part of `slot` around `at_ms`; None when that instant is covered."""
        start, end = slot.start_ms, slot.end_ms
        for span in self._spans:
            if span.start_ms <= at_ms < span.end_ms:
                return None
            if span.end_ms <= at_ms:
                start = max(start, span.end_ms)
            else:
                end = min(end, span.start_ms)
        return Span(start, end)


@dataclass(frozen=True, slots=True)
class SetWindows:
    """Windows of one span that share a series set."""

    hash: str
    series: list[Series]
    windows: list[Window]


@dataclass(frozen=True, slots=True)
class ClosedSpan:
    """A span that is over, with the windows made of it; none when nothing was read in it."""

    span: Span
    sets: list[SetWindows]


@dataclass(slots=True)
class _Column:
    """One series of one node: what it is called, what is believable, and the open summary."""

    series: Series
    bounds: tuple[float, float]
    summary: Summary = field(default_factory=Summary)
    windows_unseen: int = 0


class _NodeTable:
    """The columns of one node."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._columns: dict[_SeriesKey, _Column] = {}
        self._warned: set[_SeriesKey] = set()

    def add(self, sample: Sample) -> None:
        """Take in a reading; one that no server would believe is left out."""
        key = (sample.metric, sample.device)
        column = self._columns.get(key) or self._new_column(key, sample)
        if column is None:
            return
        low, high = column.bounds
        if low <= sample.value <= high:
            column.summary.add(sample.value)
        elif not math.isnan(sample.value):
            self._warn(key, f"{sample.value:g} is not between {low:g} and {high:g}")

    def close(self) -> list[_Column]:
        """Return the columns in order, empty when nothing was read, and start anew."""
        columns = dict(sorted(self._columns.items()))
        self._columns = {}
        for key, column in columns.items():
            unseen = 0 if column.summary.n else column.windows_unseen + 1
            if unseen < FORGET_SERIES_AFTER:
                fresh = _Column(column.series, column.bounds, windows_unseen=unseen)
                self._columns[key] = fresh
        has_readings = any(column.summary.n for column in columns.values())
        return list(columns.values()) if has_readings else []

    def _new_column(self, key: _SeriesKey, sample: Sample) -> _Column | None:
        names = (sample.metric, sample.unit, sample.device)
        metric = describe(sample.metric, sample.unit)
        fault = ""
        if not sample.metric or not all(map(str.isprintable, names)):
            fault = "its names are not printable"
        elif any(len(name) > most for name, most in zip(names, _LONGEST, strict=True)):
            fault = "its names are too long"
        elif metric.unit != sample.unit:
            fault = f"it must come in {metric.unit!r}"
        elif len(self._columns) >= MAX_SERIES_PER_SET:
            fault = f"the node has {MAX_SERIES_PER_SET} series already"
        if fault:
            self._warn(key, fault)
            return None
        bounds = (max(metric.low, -LARGEST_READING), min(metric.high, LARGEST_READING))
        column = self._columns[key] = _Column(Series(*names), bounds)
        return column

    def _warn(self, key: _SeriesKey, why: str) -> None:
        # Once a series: a broken sensor talks every few seconds.
        if key not in self._warned and len(self._warned) < MAX_SERIES_PER_SET:
            self._warned.add(key)
            said = {"node": self._node, "metric": key[0], "device": key[1], "why": why}
            logger.warning("reading.left_out", extra=said)


class WindowBuilder:
    """Collects samples of any number of nodes into the windows of one wall clock."""

    def __init__(self, *, window_seconds: int, coverage: Coverage) -> None:
        self._window_ms = window_seconds * 1000
        self._coverage = coverage
        self._nodes: dict[str, _NodeTable] = {}
        self._hashes: dict[tuple[Series, ...], str] = {}
        self.open_span: Span | None = None

    def move_to(self, now_ms: int) -> ClosedSpan | None:
        """Take the wall clock's word; return the span that is thereby over.

        Afterwards `open_span` is where samples of `now_ms` belong, None when that instant already
        has its window because the clock went back.
        """
        slot_start = now_ms - now_ms % self._window_ms
        slot = Span(slot_start, slot_start + self._window_ms)
        span = self.open_span
        if span is not None and span.start_ms <= now_ms < span.end_ms:
            return None
        closed = self._close(span) if span is not None else None
        self.open_span = self._coverage.free_part(slot, now_ms)
        return closed

    def add(self, *, node: str, samples: Iterable[Sample]) -> None:
        """Take in readings of the open span; without one they are left out."""
        if self.open_span is None:
            return
        table = self._nodes.get(node)
        if table is None:
            table = self._nodes[node] = _NodeTable(node)
        for sample in samples:
            table.add(sample)

    def flush(self, now_ms: int) -> ClosedSpan | None:
        """Close the open span early, at `now_ms`; the next one starts there."""
        span = self.open_span
        self.open_span = None
        if span is None or not span.start_ms < now_ms:
            return None
        return self._close(Span(span.start_ms, min(now_ms, span.end_ms)))

    def _close(self, span: Span) -> ClosedSpan:
        self._coverage.add(span)
        grouped: dict[str, SetWindows] = {}
        for node, table in self._nodes.items():
            columns = table.close()
            if not columns:
                continue
            series = [column.series for column in columns]
            address = self._hash(series)
            group = grouped.setdefault(address, SetWindows(address, series, []))
            group.windows.append(_window(node, span, [column.summary for column in columns]))
        return ClosedSpan(span, list(grouped.values()))

    def _hash(self, series: list[Series]) -> str:
        key = tuple(series)
        if key not in self._hashes:
            self._hashes[key] = series_hash(series)
        return self._hashes[key]


def _window(node: str, span: Span, summaries: Sequence[Summary]) -> Window:
    return Window(
        node=node,
        start_ms=span.start_ms,
        seconds=span.seconds,
        n=pack_column([summary.n for summary in summaries]),
        min=pack_column([summary.min for summary in summaries]),
        max=pack_column([summary.max for summary in summaries]),
        sum=pack_column([summary.sum for summary in summaries]),
        last=pack_column([summary.last for summary in summaries]),
    )


def pack_column(values: Sequence[float]) -> bytes:
    """Return the values as little-endian float32, four bytes each."""
    return struct.pack(f"<{len(values)}f", *values)


def seconds_to_next_tick(now: float, *, window_seconds: int, sample_seconds: float) -> float:
    """Return how long to wait for the next sample: every `sample_seconds` from a window's start.

    The start of the next window is always a tick, so that windows close on time.
    """
    into_window = now % window_seconds
    next_tick = (math.floor(into_window / sample_seconds) + 1) * sample_seconds
    return max(min(next_tick, window_seconds) - into_window, 0.001)
