"""Readings against limits, for any number of series at once.

A limit is passed beyond `set_at` and left again inside `clear_at`; between the two nothing
changes. Holds are counted in event time and only over windows that were read: a gap pauses the
clock, it neither satisfies a hold nor resets it. A reading that does not follow the newest one of
its series is late and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from telemetry.detectors.detection import Detection
from telemetry.detectors.envelope_state import Bools, EnvelopeState, Floats, Ints, SeriesId
from telemetry.detectors.envelope_words import Words
from telemetry.detectors.limits import ANY_DEVICE, Limit

__all__ = ["EnvelopeState", "Limit", "Readings", "detect_envelope"]

#: A number past this is no reading but a broken sensor; it also keeps sums of squares finite.
_LARGEST = 1e30


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """T windows of S series of one metric; `start`, `seconds` and `value` are [T,S], float64.

    `start` is epoch seconds, `value` the limits' statistic over the window, NaN for no reading.
    Windows of one series stand in the order of their start.
    """

    metric: str
    start: Floats
    seconds: Floats
    value: Floats
    series: tuple[SeriesId, ...]


def detect_envelope(
    readings: Readings, limits: Sequence[Limit], state: EnvelopeState
) -> tuple[EnvelopeState, list[Detection]]:
    """Judge the readings by one group of limits (one kind, one metric, see `group_limits`).

    A series has one finding, as urgent as the most urgent limit it has passed; it ends when it
    has left them all. Detections come in event order: begin, change of severity, end; a finding
    that goes on is told again at most once a call, when what people would read has changed.
    Raises ValueError when readings and limits do not belong together.
    """
    _require_one_group(readings, limits)
    series, chosen = _watched(readings.series, limits)
    after, columns = state.fitted(series, tuple(limit.key for limit in limits))
    applies = _applies(after.series, limits)
    words = Words(after, limits)
    detections = words.changes(after.is_firing)
    for tick in range(readings.value.shape[0]):
        parts = (readings.start[tick], readings.seconds[tick], readings.value[tick])
        start, seconds, value = (
            _spread(part, chosen, columns, len(after.series)) for part in parts
        )
        was_firing = after.is_firing.copy()
        _step(after, limits, applies, start, seconds, value)
        detections += words.changes(was_firing)
    return after, detections + words.refreshes()


def _require_one_group(readings: Readings, limits: Sequence[Limit]) -> None:
    groups = {(limit.kind, limit.metric, limit.statistic) for limit in limits}
    if len(groups) != 1 or {limit.metric for limit in limits} != {readings.metric}:
        raise ValueError(
            f"Readings of {readings.metric} cannot be judged by {sorted(groups)}; pass limits of "
            "one kind and one statistic on that metric."
        )
    if len({limit.key for limit in limits}) != len(limits):
        raise ValueError(
            f"Two limits on {readings.metric} share direction, device and severity; merge them."
        )
    shape = readings.value.shape
    if shape[1:] != (len(readings.series),) or {readings.start.shape, readings.seconds.shape} != {
        shape
    }:
        raise ValueError(
            f"Readings of {readings.metric} for {len(readings.series)} series have shapes "
            f"{readings.start.shape}, {readings.seconds.shape}, {shape}; all must be (T, series)."
        )


def _watched(
    series: tuple[SeriesId, ...], limits: Sequence[Limit]
) -> tuple[tuple[SeriesId, ...], Ints | None]:
    """Return the series some limit watches, and where they stand; None for all of them."""
    devices = {limit.device for limit in limits}
    if ANY_DEVICE in devices:
        return series, None
    chosen = [column for column, (_, device) in enumerate(series) if device in devices]
    if len(chosen) == len(series):
        return series, None
    return tuple(series[column] for column in chosen), np.array(chosen, np.int64)


def _applies(series: tuple[SeriesId, ...], limits: Sequence[Limit]) -> list[Bools | None]:
    """Return for each limit which series it watches; None for every one that is read."""
    if len({limit.device for limit in limits}) == 1:
        return [None] * len(limits)
    return [
        None
        if limit.device == ANY_DEVICE
        else np.array([device == limit.device for _, device in series], np.bool_)
        for limit in limits
    ]


def _spread(part: Floats, chosen: Ints | None, columns: Ints | None, many: int) -> Floats:
    """Return one row of the readings in the state's order, NaN for series that were not read."""
    picked = part if chosen is None else part[chosen]
    if columns is None:
        return picked
    spread: Floats = np.full(many, np.nan)
    spread[columns] = picked
    return spread


def _step(
    state: EnvelopeState,
    limits: Sequence[Limit],
    applies: Sequence[Bools | None],
    start: Floats,
    seconds: Floats,
    value: Floats,
) -> None:
    """Move the state on by one window of every series; arguments are [S], NaN for no reading."""
    is_read = (np.abs(value) <= _LARGEST) & (np.abs(start) <= _LARGEST)
    is_read &= (seconds >= 0) & (seconds <= _LARGEST)
    # Not "greater than": the first reading of a series has a NaN before it.
    fresh = is_read & ~(start <= state.last_start)
    for row, limit in enumerate(limits):
        mask = applies[row]
        watched = fresh if mask is None else fresh & mask
        is_firing, clock = state.is_firing[row], state.clock[row]
        passed = watched & limit.passed_by(value)
        begins = passed & ~is_firing & (clock == 0)
        extreme = np.maximum if limit.is_upper else np.minimum
        state.since[row] = np.where(begins, start, state.since[row])
        beyond = extreme(state.worst[row], value)
        kept = np.where(passed & ~begins, beyond, state.worst[row])
        state.worst[row] = np.where(begins, value, kept)
        counts = np.where(is_firing, watched & limit.cleared_by(value), passed)
        held = np.where(counts, clock + seconds, np.where(watched, 0.0, clock))
        needed = np.where(is_firing, limit.clear_hold_seconds, limit.hold_seconds)
        turns = counts & (held >= needed)
        state.is_firing[row] = is_firing ^ turns
        state.clock[row] = np.where(turns, 0.0, held)
    state.remember(fresh, start, seconds, value)
