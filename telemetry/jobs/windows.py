"""What is new: the windows of a site's nodes that came in time and were not judged yet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fleet.models import Node
from telemetry import store
from telemetry.jobs.memory import Memory
from telemetry.jobs.readings import Block, blocks_of
from telemetry.models import SeriesSet

#: Evaluation never looks back further, however long it was away.
_HORIZON = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class NewWindows:
    """The new windows of one site by series set, and how many they are."""

    blocks: Sequence[Block]
    count: int


def load_windows(*, nodes: Collection[Node], memory: Memory, now: datetime) -> NewWindows:
    """Load what is new and move each node's mark in `memory`; no query when nothing is.

    A window that is flagged late changes nothing, nor does one from before the mark.
    """
    fresh = [node for node in nodes if _has_news(node, memory)]
    if not fresh:
        return NewWindows((), 0)
    marks = {node.pk: memory.read.get(node.pk, (0.0, 0.0))[0] for node in fresh}
    oldest = datetime.fromtimestamp(min(marks.values()), UTC)
    records = [
        record
        for record in store.read_windows(node_ids=list(marks), since=max(oldest, now - _HORIZON))
        if not record.flags & store.WINDOW_LATE and record.start.timestamp() > marks[record.node_id]
    ]
    for record in records:
        start = record.start.timestamp()
        memory.read[record.node_id] = (start, start + record.seconds)
    sets = SeriesSet.objects.in_bulk({record.series_set_id for record in records})
    return NewWindows(
        blocks_of(records, {pk: one.series for pk, one in sets.items()}), len(records)
    )


def _has_news(node: Node, memory: Memory) -> bool:
    if node.last_window_end is None:
        return False
    mark = memory.read.get(node.pk)
    # Ends are sums of seconds: a millisecond is no news.
    return mark is None or node.last_window_end.timestamp() > mark[1] + 0.001
