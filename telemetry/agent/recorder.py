"""Readings to windows to spool, with an account of the windows that will never be."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from telemetry.agent.source import Sample
from telemetry.agent.spool import Spool
from telemetry.agent.spool_entries import GapCause
from telemetry.agent.spool_file import SpoolFullError
from telemetry.agent.window import ClosedSpan, Span, WindowBuilder

logger = logging.getLogger(__name__)

#: A hole longer than this is a clock that was never set, not an absence.
LONGEST_HOLE_MS = 366 * 86_400_000
#: Wall clock and steady clock may disagree so much between two ticks before it is a step.
_STEP_SECONDS = 2.0


class Recorder:
    """Writes the windows of all nodes of one agent into one spool."""

    def __init__(self, *, spool: Spool, nodes: Sequence[str], window_seconds: int) -> None:
        self._spool = spool
        self._nodes = list(nodes)
        self._window_ms = window_seconds * 1000
        self._builder = WindowBuilder(window_seconds=window_seconds, coverage=spool.coverage)
        self._last_tick: tuple[float, float] | None = None
        #: Windows the disk had no room for, per node, until they can be written down as gaps.
        self._owed: dict[str, tuple[Span, int]] = {}
        self._disbelieved: Span | None = None

    def move_to(self, *, now: float, monotonic: float) -> bool:
        """Take both clocks' word; write the span that is over; say whether one was written."""
        stepped = self._step_seconds(now, monotonic)
        last_end_ms = self._spool.coverage.latest_end_ms
        closed = self._builder.move_to(round(now * 1000))
        if closed is not None:
            last_end_ms = self._spool.coverage.latest_end_ms
            self._write(closed)
        span = self._builder.open_span
        if span is not None and last_end_ms is not None and span.start_ms > last_end_ms:
            self._account_for_hole(Span(last_end_ms, span.start_ms), stepped)
        return closed is not None

    def take(self, *, node: str, samples: Iterable[Sample]) -> None:
        """Take in readings of this moment."""
        self._builder.add(node=node, samples=samples)

    def flush(self, *, now: float) -> None:
        """Write the window that is still open, as far as it goes."""
        closed = self._builder.flush(round(now * 1000))
        if closed is not None:
            self._write(closed)

    def _step_seconds(self, now: float, monotonic: float) -> float:
        """Return by how much the wall clock was stepped since the last tick, about 0 mostly."""
        before, self._last_tick = self._last_tick, (now, monotonic)
        if before is None:
            return 0.0
        stepped = (now - before[0]) - (monotonic - before[1])
        if abs(stepped) < _STEP_SECONDS:
            return 0.0
        logger.warning("clock.stepped", extra={"seconds": round(stepped, 1)})
        return stepped

    def _account_for_hole(self, hole: Span, stepped: float) -> None:
        known = self._spool.known_hole
        if known is not None and known.start_ms == hole.start_ms:
            # Seen before, by an earlier tick or before a crash; only the rest is news.
            hole = Span(known.end_ms, hole.end_ms)
        length_ms = hole.end_ms - hole.start_ms
        if length_ms <= 0:
            return
        if length_ms > LONGEST_HOLE_MS:
            self._warn_of_clock(hole)
            return
        cause: GapCause = "clock" if stepped * 1000 > length_ms / 2 else "agent_down"
        windows = -(-length_ms // self._window_ms)
        try:
            self._spool.write_hole(nodes=self._nodes, hole=hole, windows=windows, cause=cause)
        except SpoolFullError as exc:
            # The next tick finds the same hole and tries again.
            logger.error("spool.full", extra={"error": str(exc)})
            return
        logger.warning("windows.missing", extra={"cause": cause, "windows": windows})

    def _warn_of_clock(self, hole: Span) -> None:
        if hole != self._disbelieved:
            self._disbelieved = hole
            logger.warning("clock.not_believed", extra={"hole_seconds": hole.seconds})

    def _write(self, closed: ClosedSpan) -> None:
        try:
            self._spool.write_span(closed)
        except SpoolFullError as exc:
            logger.error("spool.full", extra={"error": str(exc)})
            for group in closed.sets:
                for window in group.windows:
                    self._owe(window.node, closed.span, 1)
            return
        try:
            for node, (span, windows) in list(self._owed.items()):
                self._spool.write_gap(node=node, span=span, windows=windows, cause="evicted")
                del self._owed[node]
        except SpoolFullError as exc:
            logger.error("spool.full", extra={"error": str(exc)})

    def _owe(self, node: str, span: Span, windows: int) -> None:
        old_span, old_windows = self._owed.get(node, (span, 0))
        start_ms = min(old_span.start_ms, span.start_ms)
        end_ms = max(old_span.end_ms, span.end_ms)
        self._owed[node] = (Span(start_ms, end_ms), old_windows + windows)
