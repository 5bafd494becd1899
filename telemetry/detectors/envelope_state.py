"""What the envelope detector remembers of many series, as arrays.

S is the number of series, L the number of limits, K = `REMEMBERED`. Arrays are kept limit by
limit and slot by slot, so that one step over all series is a few passes over straight memory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telemetry.detectors.detection import Json

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
#: Node name and the device inside the node.
SeriesId = tuple[str, str]

#: How many readings of a series are kept for its rate of change.
REMEMBERED = 10
#: A slope through fewer readings says more about noise than about the room.
_FEWEST_FOR_RATE = 3


@dataclass(slots=True, eq=False)
class EnvelopeState:
    """The memory of one group of limits; `to_json` and `from_json` carry it through a database.

    `severity[S]` is what was last reported, 0 for nothing. `clock[L,S]` is the seconds held so
    far: beyond the limit while quiet, inside it while firing. `since[L,S]` is when the breach
    began, `worst[L,S]` its most extreme value; both mean nothing while the limit is quiet and
    its clock stands at 0. `recent_at[K,S]` and `recent_value[K,S]` are rings with the end and
    the value of the last readings; `count[S]` readings have passed through them.
    """

    series: tuple[SeriesId, ...]
    keys: tuple[str, ...]
    severity: NDArray[np.int8]
    last_start: Floats
    count: Ints
    recent_at: Floats
    recent_value: Floats
    is_firing: Bools
    clock: Floats
    since: Floats
    worst: Floats

    @classmethod
    def blank(cls, series: Sequence[SeriesId], keys: Sequence[str]) -> EnvelopeState:
        """Return the memory of series that were never read."""
        many, shape = len(series), (len(keys), len(series))
        return cls(
            series=tuple(series),
            keys=tuple(keys),
            severity=np.zeros(many, np.int8),
            last_start=np.full(many, np.nan),
            count=np.zeros(many, np.int64),
            recent_at=np.full((REMEMBERED, many), np.nan),
            recent_value=np.full((REMEMBERED, many), np.nan),
            is_firing=np.zeros(shape, np.bool_),
            clock=np.zeros(shape),
            since=np.full(shape, np.nan),
            worst=np.full(shape, np.nan),
        )

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> EnvelopeState:
        """Return the state that `to_json` described; `{}` is the state before the first reading."""
        entries = document.get("series", [])
        state = cls.blank(
            [(entry["node"], entry["device"]) for entry in entries], document.get("limits", [])
        )
        for column, entry in enumerate(entries):
            state.severity[column] = entry["severity"]
            state.last_start[column] = _to_float(entry["last_start"])
            state.count[column] = len(entry["recent"])
            for slot, (at, value) in enumerate(entry["recent"]):
                state.recent_at[slot, column] = at
                state.recent_value[slot, column] = value
            for row, (is_firing, clock, since, worst) in enumerate(entry["limits"]):
                state.is_firing[row, column] = is_firing
                state.clock[row, column] = clock
                state.since[row, column] = _to_float(since)
                state.worst[row, column] = _to_float(worst)
        return state

    def to_json(self) -> dict[str, Json]:
        """Return the state in plain lists and numbers; equal states give equal documents."""
        return {
            "limits": list(self.keys),
            "series": [self._entry(column) for column in range(len(self.series))],
        }

    def _entry(self, column: int) -> dict[str, Json]:
        node, device = self.series[column]
        slots = self.slots_of(column)
        return {
            "node": node,
            "device": device,
            "severity": int(self.severity[column]),
            "last_start": _to_json(self.last_start[column]),
            "recent": [
                [float(self.recent_at[slot, column]), float(self.recent_value[slot, column])]
                for slot in slots
            ],
            "limits": [
                [
                    bool(self.is_firing[row, column]),
                    float(self.clock[row, column]),
                    _to_json(self.since[row, column]),
                    _to_json(self.worst[row, column]),
                ]
                for row in range(len(self.keys))
            ],
        }

    def slots_of(self, column: int) -> list[int]:
        """Return the ring's filled slots of one series, oldest first."""
        count = int(self.count[column])
        return [index % REMEMBERED for index in range(max(0, count - REMEMBERED), count)]

    def fitted(
        self, series: tuple[SeriesId, ...], keys: tuple[str, ...]
    ) -> tuple[EnvelopeState, Ints | None]:
        """Return a copy that knows `series` and holds exactly `keys`, and the series' columns.

        Columns are None when `series` is the state's own order. A limit that is gone is forgotten;
        a new one starts quiet. Raises ValueError when a series is named twice.
        """
        if series == self.series and keys == self.keys:
            return self._copy_into(self.series, keys), None
        index = {name: column for column, name in enumerate(self.series)}
        for name in series:
            index.setdefault(name, len(index))
        columns = np.array([index[name] for name in series], np.int64)
        if len(set(series)) != len(series):
            raise ValueError("A series stands twice in the readings; name each series once.")
        return self._copy_into(tuple(index), keys), columns

    def _copy_into(self, series: tuple[SeriesId, ...], keys: tuple[str, ...]) -> EnvelopeState:
        copy = EnvelopeState.blank(series, keys)
        known = len(self.series)
        copy.severity[:known] = self.severity
        copy.last_start[:known] = self.last_start
        copy.count[:known] = self.count
        copy.recent_at[:, :known] = self.recent_at
        copy.recent_value[:, :known] = self.recent_value
        for row, key in enumerate(keys):
            if key in self.keys:
                old = self.keys.index(key)
                copy.is_firing[row, :known] = self.is_firing[old]
                copy.clock[row, :known] = self.clock[old]
                copy.since[row, :known] = self.since[old]
                copy.worst[row, :known] = self.worst[old]
        return copy

    def remember(self, fresh: Bools, start: Floats, seconds: Floats, value: Floats) -> None:
        """Put the readings of the `fresh` series into their rings; each argument is [S]."""
        columns = np.flatnonzero(fresh)
        slots = self.count[columns] % REMEMBERED
        self.recent_at[slots, columns] = start[columns] + seconds[columns]
        self.recent_value[slots, columns] = value[columns]
        self.count[columns] += 1
        self.last_start[columns] = start[columns]

    def newest(self, columns: Ints) -> tuple[Floats, Floats]:
        """Return `(end, value)` of the newest reading of each column, NaN where there is none."""
        slots = (self.count[columns] - 1) % REMEMBERED
        return self.recent_at[slots, columns], self.recent_value[slots, columns]

    def rates(self, columns: Ints) -> Floats:
        """Return the slope through each column's remembered readings, a minute; NaN if unknown.

        Sums run oldest to newest whatever slot a ring begins at, and column by column, so that
        the slope is the same to the last bit before and after a trip through JSON.
        """
        newest_at, _ = self.newest(columns)
        filled = np.minimum(self.count[columns], REMEMBERED)
        zero = np.zeros(len(columns))
        n, x, y, xx, xy = zero.copy(), zero.copy(), zero.copy(), zero.copy(), zero.copy()
        for step in range(REMEMBERED):
            slots = (self.count[columns] - filled + step) % REMEMBERED
            has_reading = step < filled
            at = np.where(has_reading, self.recent_at[slots, columns] - newest_at, 0.0) / 60.0
            value = np.where(has_reading, self.recent_value[slots, columns], 0.0)
            n += has_reading
            x += at
            y += value
            xx += at * at
            xy += at * value
        spread = n * xx - x * x
        is_known = (n >= _FEWEST_FOR_RATE) & (spread > 1e-12)
        slope: Floats = np.full(len(columns), np.nan)
        slope[is_known] = (n * xy - x * y)[is_known] / spread[is_known]
        return slope


def _to_json(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _to_float(value: float | None) -> float:
    return math.nan if value is None else value
