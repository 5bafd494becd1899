"""Is a batch true to its series set, its site and the clock: checked a whole batch at a time. Pure.

A batch with some bad windows is stored without them; each bad one gets its first fault with the
place of it. Good batches, the usual case, cost a handful of vector operations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from telemetry.ingest.intake import (
    HEAD_BYTES,
    CheckedWindows,
    KnownSet,
    LostWindows,
    Refusal,
    unknown_node,
)
from telemetry.protocol import (
    LANE_BACKFILL,
    MAX_FUTURE_SECONDS,
    MAX_WINDOWS_PER_BATCH,
    Batch,
    Column,
    RejectCode,
    Window,
)

MAX_WINDOW_SECONDS = 3600
#: Nothing was measured for us before this, in milliseconds since 1970: an unset clock says so.
EARLIEST_START_MS = 946_684_800_000
#: A window that ended so long before its receipt is late, or twice its length if that is more.
LATE_SECONDS = 60
#: How far apart two numbers may be that were the same before they became 4-byte floats.
FLOAT_TOLERANCE = 1e-5
MAX_SAMPLES = 1_000_000_000
#: The bit that belongs to the server, and the sign, are not the agent's to set.
_AGENT_FLAGS = 0x7FFE
_COLUMNS = ("n", "min", "max", "sum", "last")
#: Windows whose first bytes are copied; more than so many of one batch are never kept.
_COPIED_HEADS = 64

Mask = NDArray[np.bool_]
Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Checked:
    """What a batch came to: what may be stored, what was refused, and what is therefore lost."""

    windows: CheckedWindows | None
    refusals: list[Refusal]
    lost: list[LostWindows]


def check_batch(
    batch: Batch, *, known_set: KnownSet, nodes: Mapping[str, int], now: datetime
) -> Checked:
    """Check the batch's windows against its set, the site's nodes by name, and `now`."""
    if not batch.windows:
        return Checked(None, [], [])
    if len(batch.windows) > MAX_WINDOWS_PER_BATCH:
        return _too_many(batch, nodes, now)
    check = _Check(batch, known_set, nodes, now)
    good = check.run()
    bad = sorted(check.faults)
    return Checked(
        windows=good,
        refusals=[check.refusal(row, position) for position, row in enumerate(bad)],
        lost=_lost([batch.windows[row] for row in bad], nodes, now),
    )


def merged_losses(losses: Iterable[LostWindows]) -> list[LostWindows]:
    """Return one account a node, from its first lost window to its last."""
    merged: dict[int, LostWindows] = {}
    for loss in losses:
        before = merged.get(loss.node_id)
        if before is not None:
            loss = replace(
                loss,
                start=min(before.start, loss.start),
                end=max(before.end, loss.end),
                windows=before.windows + loss.windows,
            )
        merged[loss.node_id] = loss
    return list(merged.values())


def _too_many(batch: Batch, nodes: Mapping[str, int], now: datetime) -> Checked:
    message = (
        f"A batch has {MAX_WINDOWS_PER_BATCH} windows at most, not {len(batch.windows)}. "
        "Send smaller batches."
    )
    refusal = Refusal(RejectCode.TOO_LARGE, "$.windows", message, b"", 0)
    return Checked(None, [refusal], merged_losses(_lost(batch.windows, nodes, now)))


def _lost(windows: Iterable[Window], nodes: Mapping[str, int], now: datetime) -> list[LostWindows]:
    """Return the account of refused windows; one whose node is not known has no place in it."""
    return [
        _lost_window(window, nodes[window.node], now) for window in windows if window.node in nodes
    ]


def _lost_window(window: Window, node_id: int, now: datetime) -> LostWindows:
    # Where its own times cannot be believed it is booked at the moment of its receipt.
    now_ms = now.timestamp() * 1000
    start, seconds = now, 0.0
    if EARLIEST_START_MS <= window.start_ms <= now_ms + MAX_FUTURE_SECONDS * 1000:
        start = datetime.fromtimestamp(window.start_ms / 1000, UTC)
        seconds = window.seconds if 0 < window.seconds <= MAX_WINDOW_SECONDS else 0.0
    return LostWindows(node_id, start, start + timedelta(seconds=seconds), 1, "rejected")


class _Check:
    """The state of one check: the columns of the batch, and the first fault of each bad row."""

    def __init__(
        self, batch: Batch, known_set: KnownSet, nodes: Mapping[str, int], now: datetime
    ) -> None:
        self.batch = batch
        self.known_set = known_set
        self.nodes = nodes
        self.now_ms = int(now.timestamp() * 1000)
        self.faults: dict[int, tuple[RejectCode, str, str]] = {}

    def run(self) -> CheckedWindows | None:
        """Find every fault and return the windows without one."""
        windows, width = self.batch.windows, len(self.known_set.series)
        node_ids = np.array([self.nodes.get(window.node, 0) for window in windows], np.int64)
        # Clamped: a number from the wire may be larger than 64 bits, and is refused just below.
        start_ms = np.array([max(0, min(window.start_ms, 2**53)) for window in windows], np.int64)
        seconds = np.array([window.seconds for window in windows], np.float64)
        self._check_rows(node_ids, start_ms, seconds)
        columns = {
            name: self._column(name, [getattr(window, name) for window in windows], width)
            for name in _COLUMNS
        }
        self._check_numbers(columns)
        good = np.ones(len(windows), np.bool_)
        good[list(self.faults)] = False
        if not good.any():
            return None
        flags = np.array([window.flags & _AGENT_FLAGS for window in windows], np.int16)
        part = slice(None) if good.all() else good
        # Only now, of good windows alone: 1,000 times the length of a bad one may overflow.
        start_ms, seconds = start_ms[part], seconds[part]
        end_ms = start_ms + seconds * 1000
        patience = np.maximum(2 * seconds, LATE_SECONDS) * 1000
        is_late = (end_ms < self.now_ms - patience) | (self.batch.lane == LANE_BACKFILL)
        return CheckedWindows(
            known_set=self.known_set,
            node_ids=node_ids[part],
            start_ms=start_ms,
            seconds=seconds.astype(np.float32),
            flags=flags[part],
            is_late=is_late,
            n=columns["n"][part].astype(np.int32),
            **{name: columns[name][part] for name in _COLUMNS[1:]},
        )

    def refusal(self, row: int, position: int) -> Refusal:
        """Return the refusal of a bad row; `position` counts the bad rows before it."""
        code, path, message = self.faults[row]
        head = b""
        if position < _COPIED_HEADS:
            head = msgspec.json.encode(self.batch.windows[row])[:HEAD_BYTES]
        return Refusal(code, path, message, head, len(head))

    def _check_rows(
        self, node_ids: NDArray[np.int64], start_ms: NDArray[np.int64], seconds: NDArray[np.float64]
    ) -> None:
        windows = self.batch.windows
        for row in np.flatnonzero(node_ids == 0).tolist():
            error = unknown_node(windows[row].node, "node")
            self._fault(row, error.code, error.path, str(error))
        for row in np.flatnonzero(~((seconds > 0) & (seconds <= MAX_WINDOW_SECONDS))).tolist():
            message = (
                f"A window lasts more than 0 s and at most {MAX_WINDOW_SECONDS} s, "
                f"not {windows[row].seconds:g} s. Send shorter windows."
            )
            self._fault(row, RejectCode.OUT_OF_RANGE, "seconds", message)
        ahead_ms = start_ms - self.now_ms
        for row in np.flatnonzero(ahead_ms > MAX_FUTURE_SECONDS * 1000).tolist():
            message = (
                f"The window starts {ahead_ms[row] / 1000:.0f} s ahead of this server; "
                f"{MAX_FUTURE_SECONDS} s are allowed. Set the node's clock."
            )
            self._fault(row, RejectCode.FUTURE_START, "start_ms", message)
        for row in np.flatnonzero(start_ms < EARLIEST_START_MS).tolist():
            message = "The window starts before the year 2000. Set the node's clock."
            self._fault(row, RejectCode.TOO_OLD, "start_ms", message)

    def _column(self, name: str, columns: Sequence[Column], width: int) -> Matrix:
        """Return the windows' columns of one name as a matrix; a row of wrong length is zero."""
        if set(map(type, columns)) == {bytes} and set(map(len, columns)) == {4 * width}:
            packed = np.frombuffer(b"".join(columns), "<f4")  # type: ignore[arg-type]  # all are bytes
            return packed.reshape(-1, width).astype(np.float32, copy=False)
        matrix = np.zeros((len(columns), width), np.float32)
        for row, column in enumerate(columns):
            values = _numbers(column)
            if len(values) == width:
                matrix[row] = values
            else:
                message = (
                    f"The column has {len(values)} numbers and the series set {width}. "
                    "Send one number for each series."
                )
                self._fault(row, RejectCode.WRONG_LENGTH, name, message)
        return matrix

    def _check_numbers(self, columns: dict[str, Matrix]) -> None:
        """Check the numbers against each other and the catalogue; empty ones become zero."""
        empty = columns["n"] == 0
        if empty.any():
            for name in _COLUMNS[1:]:
                columns[name] = np.where(empty, np.float32(0), columns[name])
        for name in _COLUMNS:
            self._mark(
                ~np.isfinite(columns[name]),
                RejectCode.NOT_FINITE,
                name,
                "This is no finite number. Leave the reading out of the window.",
            )
        with np.errstate(invalid="ignore", over="ignore"):
            self._check_summaries(columns)
            self._check_bounds(columns, ~empty)

    def _check_summaries(self, columns: dict[str, Matrix]) -> None:
        n, low, high, last = (columns[name] for name in ("n", "min", "max", "last"))
        bad, inconsistent = self._mark, RejectCode.INCONSISTENT
        bad(n < 0, inconsistent, "n", "A number of samples is never negative.")
        bad(n != np.floor(n), inconsistent, "n", "A number of samples is a whole number.")
        bad(n > MAX_SAMPLES, RejectCode.OUT_OF_RANGE, "n", f"{MAX_SAMPLES} samples at most.")
        bad(low > high, inconsistent, "min", "The minimum is above the maximum.")
        slack = FLOAT_TOLERANCE * np.maximum(np.abs(low), np.abs(high))
        outside = (last < low - slack) | (last > high + slack)
        bad(outside, inconsistent, "last", "The last value is not between minimum and maximum.")

    def _check_bounds(self, columns: dict[str, Matrix], measured: Mask) -> None:
        known = self.known_set
        for name, outside in (
            ("min", columns["min"] < known.low),
            ("max", columns["max"] > known.high),
        ):
            outside &= measured
            for row in np.flatnonzero(outside.any(axis=1)).tolist():
                column = int(outside[row].argmax())
                metric, unit, _device = known.series[column]
                message = (
                    f"{columns[name][row, column]:g} {unit} is no believable {metric}. "
                    "Check the sensor and the unit."
                )
                self._fault(row, RejectCode.OUT_OF_RANGE, f"{name}[{column}]", message)

    def _mark(self, mask: Mask, code: RejectCode, name: str, message: str) -> None:
        if mask.any():
            for row in np.flatnonzero(mask.any(axis=1)).tolist():
                self._fault(row, code, f"{name}[{int(mask[row].argmax())}]", message)

    def _fault(self, row: int, code: RejectCode, place: str, message: str) -> None:
        self.faults.setdefault(row, (code, f"$.windows[{row}].{place}", message))


def _numbers(column: Column) -> Matrix:
    if isinstance(column, bytes):
        return np.frombuffer(column, "<f4", count=len(column) // 4).astype(np.float32)
    with np.errstate(over="ignore"):
        return np.array(column, np.float64).astype(np.float32)
