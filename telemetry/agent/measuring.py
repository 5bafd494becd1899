"""Asking the sources: quick ones in place, slow ones in threads, none able to stop the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from telemetry.agent.source import (
    Boot,
    Boots,
    MeasuredNode,
    Reports,
    Sample,
    Source,
    is_slow,
)
from telemetry.protocol import ReportedItem

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one source said; `items` and `boot` are None where it has none to give."""

    samples: list[Sample]
    items: list[ReportedItem] | None = None
    boot: Boot | None = None


#: Called with the node's name, the source and its answer, None when the source failed.
Receiver = Callable[[str, Source, Answer | None], None]


class Rounds:
    """Asks every source of every node, once a round."""

    def __init__(self, nodes: Sequence[MeasuredNode], receive: Receiver) -> None:
        self._nodes = nodes
        self._receive = receive
        self._failing: set[int] = set()
        self._asked: dict[int, asyncio.Task[None]] = {}

    def start(self, now: float) -> None:
        """Ask all sources; a slow one that still thinks about the last round is left alone."""
        for node in self._nodes:
            for source in node.sources:
                if not is_slow(source):
                    self._hear(node.name, source, _guarded(source, now))
                elif id(source) not in self._asked:
                    task = asyncio.create_task(self._ask_slowly(node.name, source, now))
                    self._asked[id(source)] = task

    async def finish(self) -> None:
        """Wait for the slow sources of this round."""
        await asyncio.gather(*self._asked.values())

    def abandon(self) -> None:
        """Wait for nobody any more."""
        for task in self._asked.values():
            task.cancel()

    async def _ask_slowly(self, node: str, source: Source, now: float) -> None:
        try:
            self._hear(node, source, await asyncio.to_thread(_guarded, source, now))
        finally:
            del self._asked[id(source)]

    def _hear(self, node: str, source: Source, answer: Answer | Exception) -> None:
        if isinstance(answer, Exception):
            if id(source) not in self._failing:
                self._failing.add(id(source))
                error = f"{type(answer).__name__}: {answer}"
                extra = {"node": node, "source": source.name, "error": error}
                logger.warning("source.failing", extra=extra)
            self._receive(node, source, None)
            return
        if id(source) in self._failing:
            self._failing.discard(id(source))
            logger.info("source.recovered", extra={"node": node, "source": source.name})
        self._receive(node, source, answer)


def ask(source: Source, now: float) -> Answer:
    """Return everything a source has to say at `now`; it raises whatever the source raises."""
    return Answer(
        # A value that is no number is a fault of the source and must not get further than here.
        samples=[sample._replace(value=float(sample.value)) for sample in source.sample(now)],
        items=list(source.report(now)) if isinstance(source, Reports) else None,
        boot=source.boot(now) if isinstance(source, Boots) else None,
    )


def _guarded(source: Source, now: float) -> Answer | Exception:
    try:
        return ask(source, now)
    except Exception as exc:  # a source may fail in any way; `Rounds` logs it
        return exc
