"""A day of windows before the demo began, from the same rooms, so that charts have a past."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from django.db import connection

from fleet.management.demo import world
from fleet.management.demo.room import NodeReading, Room, read_node
from fleet.models import Node
from telemetry.models import SeriesSet, WindowRow
from telemetry.protocol import Series, series_hash
from telemetry.store import WINDOW_LATE, WindowBlock, copy_windows

#: Hours before the start: from, to, and how long a window is, in seconds. The last hours are
#: finer, as a chart of them looks closer.
STRETCHES = ((24, 3, 120), (3, 0, 20))
#: How long the nodes had been up when the demo began, in seconds.
UPTIME_SECONDS = 9 * 86_400.0


def write_history(*, now: datetime) -> int:
    """Write the past of every site that has none; return how many windows were written."""
    nodes = {(node.site.slug, node.name): node for node in Node.objects.select_related("site")}
    known = set(WindowRow.objects.values_list("node_id", flat=True).distinct())
    blocks = []
    for number, site in enumerate(world.SITES):
        for index in range(site.nodes):
            node = nodes[site.slug, f"node-{index + 1}"]
            if node.pk not in known:
                room = Room(site.inlet, seed=number)
                blocks += [_past_of(node, room, index, now, part) for part in STRETCHES]
    with connection.cursor() as cursor:
        copy_windows(cursor, blocks)
    return sum(len(block) for block in blocks)


def _past_of(
    node: Node, room: Room, index: int, now: datetime, stretch: tuple[int, int, int]
) -> WindowBlock:
    first_hour, last_hour, seconds = stretch
    end = int(now.timestamp()) // 120 * 120
    starts = range(end - first_hour * 3600, end - last_hour * 3600, seconds)
    rows = [
        read_node(
            room,
            node=node.name,
            index=index,
            now=float(start),
            uptime=UPTIME_SECONDS - (end - start),
        )
        for start in starts
    ]
    values = np.array([[reading.value for reading in row] for row in rows], dtype=np.float32)
    start_ms = np.array(starts, dtype=np.int64) * 1000
    return WindowBlock(
        series_set_id=_series_set_of(rows[0]).pk,
        node_ids=np.full(len(rows), node.pk, dtype=np.int64),
        start_ms=start_ms,
        seconds=np.full(len(rows), seconds, dtype=np.float32),
        flags=np.full(len(rows), WINDOW_LATE, dtype=np.int16),
        received_ms=np.full(len(rows), int(now.timestamp() * 1000), dtype=np.int64),
        n=np.ones(values.shape, dtype=np.int32),
        min=values,
        max=values,
        sum=values,
        last=values,
    )


def _series_set_of(row: list[NodeReading]) -> SeriesSet:
    series = [Series(reading.metric, reading.unit, reading.device) for reading in row]
    made, _ = SeriesSet.objects.get_or_create(
        hash=series_hash(series),
        defaults={"series": [[item.metric, item.unit, item.device] for item in series]},
    )
    return made
