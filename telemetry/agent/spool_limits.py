"""Keeping the spool within its bounds: the oldest goes first, and every loss leaves a gap."""

from __future__ import annotations

from collections.abc import Iterator

from telemetry.agent.spool_entries import Entries, Entry
from telemetry.agent.spool_file import SpoolFile

#: Entries given up between two looks at the size.
_AT_ONCE = 8
# What was never offered goes first: of the rest nobody knows whether the server has it. Gaps
# stay, they are the account of everything else.
_OLDEST_FIRST = (
    "kind = 'batch' AND seq IS NULL ORDER BY start_ms LIMIT ?",
    "kind = 'batch' ORDER BY start_ms LIMIT ?",
    "kind = 'state' ORDER BY id LIMIT ?",
)


def make_room(file: SpoolFile, entries: Entries, *, max_bytes: int) -> int:
    """Evict the oldest entries until the file uses at most `max_bytes`; return how many."""
    evicted = 0
    while file.used_bytes > max_bytes:
        oldest = next(_candidates(entries), None)
        if oldest is None:
            break
        for entry in oldest:
            entries.give_up(entry, "evicted")
        evicted += len(oldest)
    return evicted


def drop_older_than(entries: Entries, *, oldest_ms: int) -> int:
    """Evict the batches and state reports that ended before `oldest_ms`; return how many."""
    old = entries.select("kind != 'gap' AND end_ms < ? ORDER BY start_ms", (oldest_ms,))
    for entry in old:
        entries.give_up(entry, "evicted")
    return len(old)


def _candidates(entries: Entries) -> Iterator[list[Entry]]:
    for where in _OLDEST_FIRST:
        oldest = entries.select(where, (_AT_ONCE,))
        if oldest:
            yield oldest
