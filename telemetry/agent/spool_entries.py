"""The rows of the spool: adding, numbering, splitting and giving up entries.

Everything here runs inside a transaction that `Spool` opened.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from telemetry.agent.spool_file import SpoolFile
from telemetry.agent.window import SetWindows, Span
from telemetry.codec import Codec
from telemetry.protocol import (
    LANE_BACKFILL,
    LANE_LIVE,
    LANE_REPORTS,
    MAX_FRAME_BYTES,
    MAX_WINDOWS_PER_BATCH,
    SUBPROTOCOL_MSGPACK,
    Batch,
    GapReport,
    ProtocolError,
    Reject,
    RejectCode,
    StateReport,
    Window,
)

logger = logging.getLogger(__name__)

GapCause = Literal["evicted", "corrupt", "agent_down", "clock"]
Report = StateReport | GapReport

#: Room for names and lengths around the packed columns of one window, in bytes.
_WINDOW_OVERHEAD_BYTES = 300
#: How much of a refused frame is kept, and how many of them.
_HEAD_BYTES = 4096
_MAX_REJECTED = 500

_COLUMNS = "id, kind, nodes, lane, seq, set_hash, start_ms, end_ms, checksum, payload"
_NOT_BUSY = "id NOT IN (SELECT value FROM json_each(?))"
# The indexes are named so that a change which loses one fails loudly instead of slowly.
_PICK_NUMBERED = (
    f"SELECT {_COLUMNS} FROM entry INDEXED BY one_entry_per_number"  # noqa: S608
    f" WHERE lane = ? AND seq IS NOT NULL AND {_NOT_BUSY} ORDER BY seq LIMIT ?"
)
_PICK_LIVE = (
    f"SELECT {_COLUMNS} FROM entry INDEXED BY waiting_by_end"  # noqa: S608
    " WHERE lane IS NULL AND end_ms >= ? ORDER BY end_ms, id LIMIT ?"
)
_PICK_REPORTS = (
    f"SELECT {_COLUMNS} FROM entry INDEXED BY reports_by_age"  # noqa: S608
    f" WHERE lane = 2 AND {_NOT_BUSY} ORDER BY id LIMIT ?"
)
_PICK_BACKFILL = (
    f"SELECT {_COLUMNS} FROM entry INDEXED BY waiting_by_hour"  # noqa: S608
    " WHERE lane IS NULL AND end_ms < ?"
    " ORDER BY start_ms / 3600000 DESC, start_ms, id LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Offer:
    """One numbered frame that may be sent now; `set_hash` is empty for state reports and gaps."""

    entry_id: int
    lane: int
    seq: int
    set_hash: str
    frame: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the table, in the order the queries select it."""

    id: int
    kind: str
    nodes: str
    lane: int | None
    seq: int | None
    set_hash: str
    start_ms: int
    end_ms: int
    checksum: int
    payload: bytes


class Entries:
    """The table of entries in an open spool file."""

    def __init__(self, file: SpoolFile) -> None:
        self._file = file
        self._codec = Codec(SUBPROTOCOL_MSGPACK)

    def add_windows(self, group: SetWindows) -> None:
        """Add the windows of one series set in frames that any server takes."""
        series = msgspec.json.encode(group.series).decode()
        self._file.run("INSERT OR IGNORE INTO series_set VALUES (?, ?)", (group.hash, series))
        size = 20 * len(group.series) + _WINDOW_OVERHEAD_BYTES
        fitting = max(1, min(MAX_WINDOWS_PER_BATCH, MAX_FRAME_BYTES * 3 // 4 // size))
        for first in range(0, len(group.windows), fitting):
            self._add_batch(group.hash, group.windows[first : first + fitting])

    def add_state(self, report: StateReport) -> None:
        """Add a state report in place of an unsent one that says the same."""
        old = self._newest_unsent("state", report.node)
        said = self._decode(old) if old else None
        is_same = isinstance(said, StateReport) and (
            (said.boot_id, said.items) == (report.boot_id, report.items)
        )
        if old and is_same:
            self._file.run("DELETE FROM entry WHERE id = ?", (old.id,))
        at = Span(report.at_ms, report.at_ms)
        self._add("state", [report.node], LANE_REPORTS, "", at, report)

    def add_gap(self, node: str, span: Span, windows: int, cause: GapCause) -> None:
        """Add lost windows; touching gaps of one cause become one as long as they are unsent."""
        old = self._newest_unsent("gap", node)
        gap = self._decode(old) if old else None
        if old and isinstance(gap, GapReport):
            touches = gap.start_ms <= span.end_ms and span.start_ms <= gap.end_ms
            if touches and gap.cause == cause:
                self._file.run("DELETE FROM entry WHERE id = ?", (old.id,))
                span = Span(min(gap.start_ms, span.start_ms), max(gap.end_ms, span.end_ms))
                windows += gap.windows
        frame = GapReport(
            seq=0,
            node=node,
            start_ms=span.start_ms,
            end_ms=span.end_ms,
            windows=windows,
            cause=cause,
        )
        self._add("gap", [node], LANE_REPORTS, "", span, frame)

    def picks(self, *, limit: int, live_from_ms: int, busy: str) -> Iterator[tuple[Entry, int]]:
        """Yield up to `limit` entries to send and their lanes, most urgent first.

        `busy` is a JSON list of entry ids that are under way.
        """
        queries = (
            (_PICK_NUMBERED, (LANE_LIVE, busy), LANE_LIVE),
            (_PICK_LIVE, (live_from_ms,), LANE_LIVE),
            (_PICK_REPORTS, (busy,), LANE_REPORTS),
            (_PICK_NUMBERED, (LANE_BACKFILL, busy), LANE_BACKFILL),
            (_PICK_BACKFILL, (live_from_ms,), LANE_BACKFILL),
        )
        for sql, parameters, lane in queries:
            if limit <= 0:
                return
            rows = self._file.rows(sql, (*parameters, limit))
            limit -= len(rows)
            for row in rows:
                yield Entry(*row), lane

    def number(self, entry: Entry, *, lane: int, max_bytes: int) -> Offer | None:
        """Return the entry's frame with its number for ever; None when it cannot be sent.

        One that is damaged becomes a gap, one that is too large is split.
        """
        frame = self._decode(entry)
        if frame is None:
            self.give_up(entry, "corrupt")
            return None
        payload, seq = entry.payload, entry.seq
        if seq is None:
            seq = self._next_seq(lane)
            payload = self._codec.encode(_numbered(frame, lane=lane, seq=seq))
        if len(payload) > max_bytes:
            self._shrink(entry, frame, size=len(payload), max_bytes=max_bytes)
            return None
        if entry.seq is None:
            self._file.run(
                "UPDATE entry SET lane = ?, seq = ?, checksum = ?, payload = ? WHERE id = ?",
                (lane, seq, zlib.crc32(payload), payload, entry.id),
            )
            counter = (f"next_seq_{lane}", str(seq + 1))
            self._file.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", counter)
        return Offer(entry.id, lane, seq, entry.set_hash, payload)

    def take_back(self, *, lane: int, seq: int) -> None:
        """Take an entry's number from it; it gets another one when it is offered again."""
        self._file.run(
            "UPDATE entry SET seq = NULL, lane = CASE kind WHEN 'batch' THEN NULL ELSE 2 END"
            " WHERE lane = ? AND seq = ?",
            (lane, seq),
        )

    def keep_rejected(self, reject: Reject, *, now_ms: int, payload: bytes = b"") -> None:
        """Keep a refusal with the first bytes of its frame; the oldest refusals make room."""
        rows = self._file.rows(
            "SELECT payload FROM entry WHERE lane = ? AND seq = ?", (reject.lane, reject.seq)
        )
        head = (rows[0][0] if rows else payload)[:_HEAD_BYTES]
        said = (reject.lane, reject.seq, reject.code, reject.path, reject.message)
        self._file.run(
            "INSERT INTO rejected (at_ms, lane, seq, code, path, message, head)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (now_ms, *said, head),
        )
        self._file.run(
            "DELETE FROM rejected WHERE id <= (SELECT max(id) FROM rejected) - ?", (_MAX_REJECTED,)
        )

    def give_up(self, entry: Entry, cause: GapCause) -> None:
        """Delete an entry that cannot be sent; its windows become gaps."""
        if cause != "evicted":
            logger.error("spool.entry_lost", extra={"entry": entry.id, "cause": cause})
        self._file.run("DELETE FROM entry WHERE id = ?", (entry.id,))
        if entry.kind == "batch":
            for node in json.loads(entry.nodes):
                self.add_gap(node, Span(entry.start_ms, entry.end_ms), 1, cause)

    def select(self, where: str, parameters: Sequence[int | str]) -> list[Entry]:
        """Return the entries that a condition written in this package picks."""
        sql = f"SELECT {_COLUMNS} FROM entry WHERE {where}"  # noqa: S608
        return [Entry(*row) for row in self._file.rows(sql, parameters)]

    def _add_batch(self, set_hash: str, windows: list[Window]) -> None:
        start_ms = windows[0].start_ms
        span = Span(start_ms, start_ms + round(windows[0].seconds * 1000))
        frame = Batch(lane=1, seq=0, set=set_hash, windows=windows)
        self._add("batch", [window.node for window in windows], None, set_hash, span, frame)

    def _add(
        self,
        kind: str,
        nodes: list[str],
        lane: int | None,
        set_hash: str,
        span: Span,
        frame: Batch | Report,
    ) -> None:
        payload = self._codec.encode(frame)
        self._file.run(
            "INSERT INTO entry (kind, nodes, lane, set_hash, start_ms, end_ms, checksum, payload)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(kind, json.dumps(nodes), lane, set_hash),
                *(span.start_ms, span.end_ms, zlib.crc32(payload), payload),
            ),
        )

    def _newest_unsent(self, kind: str, node: str) -> Entry | None:
        rows = self.select(
            "lane = 2 AND seq IS NULL AND kind = ? AND nodes = ? ORDER BY id DESC LIMIT 1",
            (kind, json.dumps([node])),
        )
        return rows[0] if rows else None

    def _next_seq(self, lane: int) -> int:
        rows = self._file.rows("SELECT value FROM meta WHERE key = ?", (f"next_seq_{lane}",))
        return int(rows[0][0]) if rows else 1

    def _decode(self, entry: Entry) -> Batch | Report | None:
        if zlib.crc32(entry.payload) != entry.checksum:
            return None
        try:
            frame = self._codec.decode_from_agent(entry.payload)
        except ProtocolError:
            return None
        return frame if isinstance(frame, Batch | StateReport | GapReport) else None

    def _shrink(self, entry: Entry, frame: Batch | Report, *, size: int, max_bytes: int) -> None:
        if isinstance(frame, Batch) and len(frame.windows) > 1:
            self._file.run("DELETE FROM entry WHERE id = ?", (entry.id,))
            half = len(frame.windows) // 2
            self._add_batch(frame.set, frame.windows[:half])
            self._add_batch(frame.set, frame.windows[half:])
            return
        message = f"The frame has {size} bytes, the server takes {max_bytes}; it stays here."
        reject = Reject(code=RejectCode.TOO_LARGE, message=message, lane=entry.lane, seq=entry.seq)
        self.keep_rejected(reject, now_ms=entry.end_ms, payload=entry.payload)
        self.give_up(entry, "evicted")


def _numbered(frame: Batch | Report, *, lane: int, seq: int) -> Batch | Report:
    if isinstance(frame, Batch):
        return msgspec.structs.replace(frame, lane=lane, seq=seq)
    return msgspec.structs.replace(frame, seq=seq)
