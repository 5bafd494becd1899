"""Windows in and out of the partitioned table, and thinned for charts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from telemetry.models import SeriesSet
from telemetry.store.wire import COLUMNS, WindowBlock, WindowRecord, pack_blocks, parse_rows

#: Set by the server on windows that came late: stored and shown, never current, never paged.
WINDOW_LATE = 1

# One COPY for all blocks of a transaction: measured 0.3 us a window here and 0.3 us a number in
# the server, where a multi-row INSERT of arrays costs ten times that.
COPY_IN = f"COPY telemetry_window ({COLUMNS}) FROM STDIN (FORMAT BINARY)"

# Unordered on purpose: sorting rows of a kilobyte costs the server more than sorting their keys
# costs us. `= ANY` with both bounds walks `windows_by_node_and_start` in the touched partitions.
READ_WINDOWS = f"""
    SELECT {COLUMNS} FROM telemetry_window
    WHERE node_id = ANY(%(node_ids)s::bigint[])
      AND start >= %(since)s::timestamptz AND start < %(until)s::timestamptz
"""  # noqa: S608 - the columns are ours

# One index probe a node. No window is longer than an hour, so none that starts an hour before
# the end of the newest live one can be newer; that bound spares the older partitions.
LATEST_WINDOWS = f"""
    SELECT {", ".join(f"newest.{name.strip()}" for name in COLUMNS.split(","))}
    FROM fleet_node AS node CROSS JOIN LATERAL (
        SELECT {COLUMNS} FROM telemetry_window
        WHERE node_id = node.id
          AND start >= coalesce(node.last_window_end - interval '1 hour', '-infinity')
          AND flags & 1 = 0
        ORDER BY start DESC LIMIT 1
    ) AS newest
    WHERE node.id = ANY(%(node_ids)s::bigint[])
"""  # noqa: S608 - the columns are ours

# The sets a node used between two times; the same index range as READ_POINTS, so it is warm.
SETS_OF_NODE = """
    SELECT DISTINCT series_set_id FROM telemetry_window
    WHERE node_id = %(node_id)s
      AND start >= %(since)s::timestamptz AND start < %(until)s::timestamptz
"""

# Thinned where the rows are: a month of 10 s windows is 260,000 rows of a kilobyte, a chart has
# 360 points. min, max, sum and n merge exactly, so a thinned point hides no extreme.
READ_POINTS = """
    SELECT extract(epoch FROM min(w.start))::float8,
           sum(w.sum[place.i]::float8) / sum(w.n[place.i]),
           min(w.min[place.i])::float8,
           max(w.max[place.i])::float8
    FROM telemetry_window AS w
    JOIN unnest(%(sets)s::bigint[], %(places)s::int[]) AS place (series_set_id, i)
      USING (series_set_id)
    WHERE w.node_id = %(node_id)s
      AND w.start >= %(since)s::timestamptz AND w.start < %(until)s::timestamptz
      AND w.n[place.i] > 0
    GROUP BY floor(extract(epoch FROM w.start - %(since)s::timestamptz) / %(width)s)
    ORDER BY 1
"""


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """One series for a chart: `start` in seconds since 1970, the rest in the series' unit.

    All four arrays have one number a point, in order of time; where nothing was measured there
    is no point.
    """

    start: NDArray[np.float64]
    mean: NDArray[np.float64]
    min: NDArray[np.float64]
    max: NDArray[np.float64]


def copy_windows(cursor: Any, blocks: Iterable[WindowBlock]) -> None:
    """Write the blocks' windows in the open transaction of `cursor`, Django's or psycopg's."""
    # Errors inside the COPY would otherwise come as psycopg's and not as Django's.
    with connection.wrap_database_errors, cursor.copy(COPY_IN) as copy:
        for data in pack_blocks(blocks):
            copy.write(data)


def read_windows(
    *, node_ids: Sequence[int], since: datetime, until: datetime | None = None
) -> list[WindowRecord]:
    """Return the nodes' windows that start at or after `since` and before `until`.

    Ordered by node and start; `until` None means all there are. Late windows are among them.
    """
    end = "infinity" if until is None else until
    return _copy_out(READ_WINDOWS, {"node_ids": list(node_ids), "since": since, "until": end})


def latest_windows(*, node_ids: Sequence[int]) -> dict[int, WindowRecord]:
    """Return each node's window with the latest start, by node id; nodes without one are absent."""
    records = _copy_out(LATEST_WINDOWS, {"node_ids": list(node_ids)})
    return {record.node_id: record for record in records}


def read_points(
    *,
    node_id: int,
    metric: str,
    device: str,
    since: datetime,
    until: datetime,
    max_points: int = 360,
) -> Points:
    """Return one series of a node between two event times in at most `max_points` points.

    A point is the merged summary of the windows that start in its share of the time; `start` is
    that of the first of them.
    """
    width = max((until - since) / max_points, timedelta(milliseconds=1))
    values: dict[str, Any] = {"node_id": node_id, "since": since, "until": until}
    with connection.cursor() as cursor:
        cursor.execute(SETS_OF_NODE, values)
        used = SeriesSet.objects.in_bulk([set_id for (set_id,) in cursor.fetchall()])
        places = {
            set_id: place
            for set_id, announced in used.items()
            for place, (name, _unit, part) in enumerate(announced.series, start=1)
            if (name, part) == (metric, device)
        }
        values |= {"sets": list(places), "places": list(places.values())}
        cursor.execute(READ_POINTS, values | {"width": width.total_seconds()})
        rows = np.array(cursor.fetchall(), np.float64).reshape(-1, 4)
    return Points(*np.ascontiguousarray(rows.T))


def _copy_out(query: str, values: dict[str, Any]) -> list[WindowRecord]:
    # COPY rather than a SELECT: it hands out the arrays as bytes, which NumPy reads in place,
    # and not as lists of Python numbers.
    statement = f"COPY ({query}) TO STDOUT (FORMAT BINARY)"
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        # Django's debugging cursor takes no parameters here, psycopg's own does.
        cursor.cursor.copy(statement, values) as copy,
    ):
        return parse_rows([bytes(row) for row in copy])
