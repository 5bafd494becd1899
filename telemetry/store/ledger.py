"""What the ingest door writes beside the windows: the ledger, the sets, the nodes' progress."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from telemetry.models import SeriesSet


class LedgerKey(NamedTuple):
    """The name of a batch for ever; `source_id` stands for one spool of one agent."""

    source_id: int
    lane: int
    seq: int


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One batch as the ledger knows it; `windows` is how many of its windows were stored."""

    key: LedgerKey
    checksum: int
    windows: int
    received_at: datetime


# One statement for a whole group: the conflict is the answer, so nobody has to look first, and
# two doors that take the same batch at once cannot both store it.
ENTER = """
    INSERT INTO telemetry_ledgerentry (source_id, lane, seq, checksum, windows, received_at)
    SELECT * FROM unnest(%s::bigint[], %s::smallint[], %s::bigint[], %s::bigint[], %s::int[],
                         %s::timestamptz[])
    ON CONFLICT DO NOTHING
    RETURNING source_id, lane, seq
"""

KNOWN = """
    SELECT source_id, lane, seq, checksum, windows, received_at
    FROM telemetry_ledgerentry
    JOIN unnest(%s::bigint[], %s::smallint[], %s::bigint[]) AS asked (source_id, lane, seq)
      USING (source_id, lane, seq)
"""

# Only forward: groups of two doors may commit in the other order, and GREATEST leaves NULL out.
# The usual length of a window only grows here: an agent that stops sends a shorter one last, and
# silence must not be judged by that. The hello says when it really became shorter.
ADVANCE = """
    UPDATE fleet_node AS node
    SET last_received_at = greatest(node.last_received_at, fresh.received_at),
        last_window_end = greatest(node.last_window_end, fresh.window_end),
        window_seconds = greatest(node.window_seconds, fresh.seconds)
    FROM (
        SELECT node_id, seconds, to_timestamp(received_ms / 1e3::float8) AS received_at,
               to_timestamp(end_ms / 1e3::float8) AS window_end
        FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::float8[])
          AS given (node_id, received_ms, end_ms, seconds)
    ) AS fresh
    WHERE node.id = fresh.node_id
"""

# What a newer report no longer lists is no longer there.
FORGET_OLDER_REPORTS = """
    DELETE FROM fleet_reportedstate AS old
    USING unnest(%s::bigint[], %s::timestamptz[]) AS fresh (node_id, at)
    WHERE old.node_id = fresh.node_id AND old.observed_at < fresh.at
"""

# A row whose boot is the same already is not touched, so that a hello costs no write.
NOTE_BOOTS = """
    UPDATE fleet_node AS node SET boot_id = fresh.boot_id
    FROM unnest(%s::bigint[], %s::text[]) AS fresh (node_id, boot_id)
    WHERE node.id = fresh.node_id AND node.boot_id <> fresh.boot_id
"""


def enter_ledger(cursor: Any, lines: Iterable[LedgerLine]) -> set[LedgerKey]:
    """Enter the batches that are new and return their keys; no key may come twice in `lines`."""
    # In one order everywhere: two doors that were sent the same batches then wait for each
    # other instead of both being turned away by the deadlock detector.
    ordered = sorted(lines, key=lambda line: line.key)
    columns = [
        [line.key.source_id for line in ordered],
        [line.key.lane for line in ordered],
        [line.key.seq for line in ordered],
        [line.checksum for line in ordered],
        [line.windows for line in ordered],
        [line.received_at for line in ordered],
    ]
    cursor.execute(ENTER, columns)
    return {LedgerKey(*row) for row in cursor.fetchall()}


def known_lines(cursor: Any, keys: Sequence[LedgerKey]) -> dict[LedgerKey, LedgerLine]:
    """Return what the ledger holds of `keys`."""
    cursor.execute(KNOWN, [list(column) for column in zip(*keys, strict=True)])
    lines = [LedgerLine(LedgerKey(*row[:3]), *row[3:]) for row in cursor.fetchall()]
    return {line.key: line for line in lines}


def series_set_ids(sets: Mapping[str, list[list[str]]]) -> dict[str, int]:
    """Return the id of each set by its hash, making the rows that are missing.

    `sets` gives the ordered `[metric, unit, device]` of each hash.
    """
    rows = [SeriesSet(hash=address, series=series) for address, series in sorted(sets.items())]
    SeriesSet.objects.bulk_create(rows, ignore_conflicts=True)
    return dict(SeriesSet.objects.filter(hash__in=sets).values_list("hash", "id"))


def advance_nodes(
    cursor: Any,
    *,
    node_ids: NDArray[np.int64],
    received_ms: NDArray[np.int64],
    end_ms: NDArray[np.int64],
    seconds: NDArray[np.float32],
) -> None:
    """Move the nodes' last live window forward; one element a window, times in ms since 1970."""
    if not len(node_ids):
        return
    order = np.lexsort((end_ms, node_ids))
    ordered = node_ids[order]
    firsts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    newest = order[np.r_[firsts[1:], len(order)] - 1]
    latest_receipt = np.maximum.reduceat(received_ms[order], firsts)
    columns = (node_ids[newest], latest_receipt, end_ms[newest], seconds[newest])
    # As text literals: making them from lists of Python numbers costs four times as much.
    cursor.execute(ADVANCE, ["{" + ",".join(map(str, column.tolist())) + "}" for column in columns])


def forget_older_reports(cursor: Any, newest: Mapping[int, datetime]) -> None:
    """Remove what was reported of the nodes before the given times."""
    cursor.execute(FORGET_OLDER_REPORTS, [list(newest), list(newest.values())])


def note_boots(cursor: Any, boots: Mapping[int, str]) -> None:
    """Write down which boot each node is in now, by node id."""
    cursor.execute(NOTE_BOOTS, [list(boots), list(boots.values())])
