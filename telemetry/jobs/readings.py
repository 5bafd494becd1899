"""Windows as they are stored become readings as the detectors want them; arrays throughout."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from telemetry.detectors.envelope import Readings
from telemetry.detectors.limits import Limit
from telemetry.store import WindowRecord

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """R windows of one series set. `node[R]` are node ids, `place[R]` counts a node's windows.

    Places go on through all blocks, so that windows of one node stand in order even where the
    node announced another set in between. `start[R]` and `seconds[R]` in seconds.
    """

    series: Sequence[Sequence[str]]
    records: Sequence[WindowRecord]
    node: Ints
    place: Ints
    start: Floats
    seconds: Floats
    _stacks: dict[str, NDArray[np.generic]] = field(default_factory=dict)

    def statistic(self, name: str, rows: Ints, columns: Sequence[int]) -> Floats:
        """Return `min`, `max`, `last` or `mean` of these windows and series, NaN for no sample."""
        n = self._stack("n", rows, columns)
        value = self._stack("sum" if name == "mean" else name, rows, columns)
        if name == "mean":
            value = value / np.maximum(n, 1.0)
        found: Floats = np.where(n > 0, value, np.nan)
        return found

    def _stack(self, name: str, rows: Ints, columns: Sequence[int]) -> Floats:
        # Kept, because every group of limits asks for the same few statistics.
        if name not in self._stacks:
            self._stacks[name] = np.stack([getattr(record, name) for record in self.records])
        stacked: Floats = self._stacks[name][rows][:, list(columns)].astype(np.float64)
        return stacked


def blocks_of(
    records: Sequence[WindowRecord], series: Mapping[int, Sequence[Sequence[str]]]
) -> list[Block]:
    """Return the windows by series set; `records` stand in the order of node and start.

    `series` maps a set's id to its `[metric, unit, device]` columns.
    """
    by_set: dict[int, list[int]] = {}
    places: dict[int, int] = {}
    place = np.zeros(len(records), np.int64)
    for index, record in enumerate(records):
        by_set.setdefault(record.series_set_id, []).append(index)
        place[index] = places.get(record.node_id, 0)
        places[record.node_id] = int(place[index]) + 1
    return [
        _block(series[set_id], [records[index] for index in indexes], place[indexes])
        for set_id, indexes in sorted(by_set.items())
    ]


def readings_of(
    blocks: Sequence[Block], limits: Sequence[Limit], names: Mapping[int, str]
) -> Readings | None:
    """Return all that one group of limits looks at, None when there is nothing.

    `names` maps the ids of the nodes that are judged by these limits to their names.
    """
    parts = [part for block in blocks if (part := _part(block, limits, names)) is not None]
    series = sorted({name for part in parts for name in part.series})
    if not series:
        return None
    index = {name: column for column, name in enumerate(series)}
    shape = (1 + max(int(part.place.max()) for part in parts), len(series))
    start, value = np.full(shape, np.nan), np.full(shape, np.nan)
    seconds = np.zeros(shape)
    for part in parts:
        columns = np.array([index[name] for name in part.series], np.int64)[part.column]
        start[part.place, columns] = part.start
        seconds[part.place, columns] = part.seconds
        value[part.place, columns] = part.value
    return Readings(limits[0].metric, start, seconds, value, tuple(series))


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One block's share: each array is one entry a window and series, `column` into `series`."""

    series: list[tuple[str, str]]
    place: Ints
    column: Ints
    start: Floats
    seconds: Floats
    value: Floats


def _part(block: Block, limits: Sequence[Limit], names: Mapping[int, str]) -> _Part | None:
    limit = limits[0]
    columns = [
        column
        for column, (metric, unit, _) in enumerate(block.series)
        if metric == limit.metric and unit == limit.unit
    ]
    rows = _rows_of(block, names)
    if not columns or not len(rows):
        return None
    nodes, node_index = np.unique(block.node[rows], return_inverse=True)
    series = [(names[int(node)], block.series[column][2]) for node in nodes for column in columns]
    grid = node_index[:, np.newaxis] * len(columns) + np.arange(len(columns))
    return _Part(
        series=series,
        place=np.repeat(block.place[rows], len(columns)),
        column=grid.ravel(),
        start=np.repeat(block.start[rows], len(columns)),
        seconds=np.repeat(block.seconds[rows], len(columns)),
        value=block.statistic(limit.statistic, rows, columns).ravel(),
    )


def _rows_of(block: Block, node_ids: Collection[int]) -> Ints:
    rows: Ints = np.flatnonzero(np.isin(block.node, list(node_ids)))
    return rows


def _block(series: Sequence[Sequence[str]], records: Sequence[WindowRecord], place: Ints) -> Block:
    return Block(
        series=series,
        records=records,
        node=np.array([record.node_id for record in records], np.int64),
        place=place,
        start=np.array([record.start.timestamp() for record in records], np.float64),
        seconds=np.array([record.seconds for record in records], np.float64),
    )
