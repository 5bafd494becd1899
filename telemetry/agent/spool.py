"""The spool: every batch is on the disk before it is offered, and stays until it is committed.

Batches, state reports and gaps wait as entries. An entry gets its lane and its number when it is
first offered, in the same transaction that stores the numbered frame; from then on it is sent
byte for byte the same until the server acknowledges it.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Collection, Iterable, Sequence

import msgspec

from telemetry.agent import spool_limits
from telemetry.agent.config import SpoolConfig
from telemetry.agent.spool_entries import Entries, GapCause, Offer
from telemetry.agent.spool_file import forget_damage, open_file
from telemetry.agent.window import ClosedSpan, Coverage, Span
from telemetry.protocol import MAX_FRAME_BYTES, Reject, Series, StateReport

logger = logging.getLogger(__name__)


class Spool:
    """What waits to be sent, on disk. Not for use by two threads at once."""

    def __init__(self, config: SpoolConfig, *, nodes: Sequence[str], now_ms: int) -> None:
        """Open the spool at `config.path`; a damaged one is moved aside and reported as gaps.

        `nodes` are the nodes whose windows it may hold. Raises `SpoolError` when the place cannot
        be used at all.
        """
        self.config = config
        self._file, damage = open_file(config.path, nodes=nodes, now_ms=now_ms)
        self._entries = Entries(self._file)
        with self._file.transaction():
            meta = dict(self._file.rows("SELECT key, value FROM meta"))
            spans = self._file.rows("SELECT start_ms, end_ms FROM coverage")
            self._file.run("DELETE FROM series_set WHERE hash NOT IN (SELECT set_hash FROM entry)")
            for loss in damage:
                span = Span(loss.start_ms, loss.end_ms)
                self._entries.add_gap(loss.node, span, loss.windows, "corrupt")
            forget_damage(self._file)
        self.epoch = str(meta["epoch"])
        #: The newest stretch without windows that was recorded as a gap.
        self.known_hole: Span | None = None
        if "hole" in meta:
            start, end = meta["hole"].split()
            self.known_hole = Span(int(start), int(end))
        self.coverage = Coverage(Span(start, end) for start, end in spans)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    # What comes in.

    def write_span(self, closed: ClosedSpan) -> None:
        """Keep the windows of a span; when this returns they are on the disk.

        The oldest batches make room, as gaps, when the spool is full. Raises `SpoolFullError` when
        the disk itself is.
        """
        with self._file.transaction():
            for group in closed.sets:
                self._entries.add_windows(group)
            self._file.run("DELETE FROM coverage")
            for span in self.coverage.spans:
                self._file.run("INSERT INTO coverage VALUES (?, ?)", (span.start_ms, span.end_ms))
            evicted = spool_limits.make_room(
                self._file, self._entries, max_bytes=self.config.max_mb << 20
            )
        if evicted:
            logger.warning("spool.evicted", extra={"entries": evicted, "why": "max_mb"})

    def write_gap(self, *, node: str, span: Span, windows: int, cause: GapCause) -> None:
        """Record windows that will never come; touching gaps of one cause become one."""
        with self._file.transaction():
            self._entries.add_gap(node, span, windows, cause)

    def write_hole(
        self, *, nodes: Sequence[str], hole: Span, windows: int, cause: GapCause
    ) -> None:
        """Record, once, the time in front of a new window in which there were none."""
        first = hole
        if self.known_hole is not None and self.known_hole.end_ms == hole.start_ms:
            first = self.known_hole
        noted = Span(first.start_ms, hole.end_ms)
        with self._file.transaction():
            for node in nodes:
                self._entries.add_gap(node, hole, windows, cause)
            value = f"{noted.start_ms} {noted.end_ms}"
            self._file.run("INSERT OR REPLACE INTO meta VALUES ('hole', ?)", (value,))
        self.known_hole = noted

    def write_state(self, report: StateReport) -> None:
        """Keep a state report; it takes the place of an unsent one that says the same."""
        with self._file.transaction():
            self._entries.add_state(report)

    # What goes out.

    def offer(
        self,
        *,
        limit: int,
        live_from_ms: int,
        excluding: Collection[int] = (),
        max_bytes: int = MAX_FRAME_BYTES,
    ) -> list[Offer]:
        """Return up to `limit` frames to send, most urgent first, numbered on the disk.

        Live batches come first, then reports, then what waited, its newest hour first. A batch
        that ended before `live_from_ms` and was never offered goes to the backfill lane.
        `excluding` are entries that are under way. A frame above `max_bytes` is split, or refused
        here when it cannot be.
        """
        offers: list[Offer] = []
        busy = json.dumps(list(excluding))
        with self._file.transaction():
            is_settled = False
            while not offers and not is_settled:
                is_settled = True
                picks = self._entries.picks(limit=limit, live_from_ms=live_from_ms, busy=busy)
                for entry, lane in picks:
                    offer = self._entries.number(entry, lane=lane, max_bytes=max_bytes)
                    if offer is None:
                        # What came of it, two halves or a gap, may be the next to send.
                        is_settled = False
                    else:
                        offers.append(offer)
        return offers

    def forget(self, *, lane: int, seqs: Iterable[int]) -> int:
        """Drop what the server has committed; return how many entries that were."""
        with self._file.transaction():
            return sum(
                self._file.run("DELETE FROM entry WHERE lane = ? AND seq = ?", (lane, seq))
                for seq in seqs
            )

    def take_back(self, *, lane: int, seq: int) -> None:
        """Take an entry's number from it: it was used before for something else."""
        with self._file.transaction():
            self._entries.take_back(lane=lane, seq=seq)

    def start_new_epoch(self) -> None:
        """Begin numbering anew, under a new epoch, for all that waits."""
        epoch = str(uuid.uuid4())
        with self._file.transaction():
            for lane, seq in self._file.rows("SELECT lane, seq FROM entry WHERE seq IS NOT NULL"):
                self._entries.take_back(lane=lane, seq=seq)
            self._file.run("DELETE FROM meta WHERE key LIKE 'next_seq_%'")
            self._file.run("UPDATE meta SET value = ? WHERE key = 'epoch'", (epoch,))
        self.epoch = epoch

    def keep_rejected(self, reject: Reject, *, now_ms: int) -> None:
        """Keep what the server said of a refused frame, and the frame's first bytes."""
        with self._file.transaction():
            self._entries.keep_rejected(reject, now_ms=now_ms)

    def drop_older_than(self, oldest_ms: int) -> int:
        """Evict batches and state reports that ended before `oldest_ms`; return how many."""
        with self._file.transaction():
            evicted = spool_limits.drop_older_than(self._entries, oldest_ms=oldest_ms)
        if evicted:
            logger.warning("spool.evicted", extra={"entries": evicted, "why": "max_days"})
        return evicted

    # What is there.

    def series_of(self, set_hash: str) -> list[Series]:
        """Return the series of a set that a waiting batch uses."""
        with self._file.transaction():
            rows = self._file.rows("SELECT series FROM series_set WHERE hash = ?", (set_hash,))
        return msgspec.json.decode(rows[0][0], type=list[Series])

    def waiting(self) -> int:
        """Return how many entries are not committed yet."""
        with self._file.transaction():
            return int(self._file.rows("SELECT count(*) FROM entry")[0][0])

    def rejected(self) -> list[Reject]:
        """Return what the server refused, oldest first."""
        with self._file.transaction():
            rows = self._file.rows(
                "SELECT code, message, path, lane, seq FROM rejected ORDER BY id"
            )
        return [
            Reject(code=code, message=message, path=path, lane=lane, seq=seq)
            for code, message, path, lane, seq in rows
        ]
