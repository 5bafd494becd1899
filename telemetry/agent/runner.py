"""The agent itself: sample, close windows, keep them, send them, until told to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from telemetry.agent.clock import Clock, SystemClock
from telemetry.agent.config import AgentConfig
from telemetry.agent.measuring import Answer, Rounds
from telemetry.agent.recorder import Recorder
from telemetry.agent.reports import StateReports
from telemetry.agent.source import MeasuredNode, Source
from telemetry.agent.spool import Spool
from telemetry.agent.spool_file import SpoolDamagedError, SpoolFullError
from telemetry.agent.uplink import Uplink, uniform
from telemetry.agent.window import seconds_to_next_tick
from telemetry.protocol import MAX_NODES_PER_HELLO

logger = logging.getLogger(__name__)

#: What a clean stop waits at most for the last window to be committed.
DRAIN_SECONDS = 3.0
#: What `run_once` waits at most.
ONCE_SECONDS = 30.0
#: Between the two readings of `run_once`: rates need two.
_BETWEEN_READINGS_SECONDS = 1.0
#: Before a damaged spool is replaced while running: a dying disk may damage the next one too.
_AFTER_DAMAGE_SECONDS = 5.0


class AgentRunner:
    """One agent: any number of nodes, one spool, one uplink.

    Give `sources` for the configuration's own node, or `nodes` for a gateway that speaks for
    several. A simulator brings its own sources and, where it wants, its own clock.
    """

    def __init__(
        self,
        config: AgentConfig,
        *,
        sources: Sequence[Source] = (),
        nodes: Sequence[MeasuredNode] = (),
        clock: Clock | None = None,
        jitter: Callable[[float], float] = uniform,
    ) -> None:
        if bool(sources) == bool(nodes):
            raise ValueError("Give the sources of one node, or several nodes, not both.")
        self._config = config
        self._nodes = list(nodes) or [MeasuredNode(config.node, sources)]
        names = [node.name for node in self._nodes]
        if len(names) > MAX_NODES_PER_HELLO or len(set(names)) < len(names):
            raise ValueError(f"Give at most {MAX_NODES_PER_HELLO} nodes, each its own name.")
        self._clock: Clock = clock or SystemClock()
        self._stopping = asyncio.Event()
        self._reports = StateReports(self._nodes)
        self._rounds = Rounds(self._nodes, self._receive)
        self._uplink = Uplink(
            config,
            clock=self._clock,
            describe_nodes=lambda: self._reports.hello_nodes(monotonic=self._clock.monotonic()),
            jitter=jitter,
        )

    @property
    def is_connected(self) -> bool:
        """Whether the server has welcomed this agent and the line is up."""
        return self._uplink.is_connected

    def stop(self) -> None:
        """Make `run` end: the open window is kept, and sent if that is quick."""
        self._stopping.set()

    async def run(self) -> None:
        """Measure and send until `stop`; raises `SpoolError` when the spool cannot be used."""
        try:
            while not self._stopping.is_set():
                self._open()
                await self._work_until_damaged()
        finally:
            self._rounds.abandon()

    async def run_once(self) -> bool:
        """Measure once, send everything that waits; say whether all of it was committed."""
        self._open()
        uplink = asyncio.create_task(self._uplink.run(self._spool))
        try:
            self._measure()
            await self._rounds.finish()
            await self._clock.sleep(_BETWEEN_READINGS_SECONDS)
            self._measure()
            await self._rounds.finish()
            self._write_reports()
            self._recorder.flush(now=self._clock.time())
            self._uplink.wake()
            return await self._drain(uplink, ONCE_SECONDS)
        finally:
            await _end(uplink)
            self._spool.close()

    def _open(self) -> None:
        names = [node.name for node in self._nodes]
        now_ms = round(self._clock.time() * 1000)
        self._spool = Spool(self._config.spool, nodes=names, now_ms=now_ms)
        self._recorder = Recorder(
            spool=self._spool, nodes=names, window_seconds=self._config.window_seconds
        )

    async def _work_until_damaged(self) -> None:
        try:
            await self._work()
        except SpoolDamagedError as exc:
            logger.error("spool.damaged", extra={"error": str(exc)})
            await self._clock.sleep(_AFTER_DAMAGE_SECONDS)
        finally:
            self._spool.close()

    async def _work(self) -> None:
        stopping = asyncio.create_task(self._stopping.wait())
        sampling = asyncio.create_task(self._sample_for_ever())
        uplink = asyncio.create_task(self._uplink.run(self._spool))
        try:
            parts = {stopping, sampling, uplink}
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in done - {stopping}:
                part.result()
            await _end(sampling)
            self._recorder.flush(now=self._clock.time())
            self._uplink.wake()
            if self._uplink.is_connected:
                await self._drain(uplink, DRAIN_SECONDS)
        finally:
            await _end(stopping, sampling, uplink)

    async def _sample_for_ever(self) -> None:
        while True:
            self._measure()
            await self._clock.sleep(
                seconds_to_next_tick(
                    self._clock.time(),
                    window_seconds=self._config.window_seconds,
                    sample_seconds=self._config.sample_seconds,
                )
            )

    def _measure(self) -> None:
        """One tick: close the window that is over, ask the sources, write reports that are due."""
        now = self._clock.time()
        if self._recorder.move_to(now=now, monotonic=self._clock.monotonic()):
            self._uplink.wake()
        self._rounds.start(now)
        self._write_reports()

    def _receive(self, node: str, source: Source, answer: Answer | None) -> None:
        if answer is None:
            self._reports.take_items(node, source, None)
            return
        if answer.items is not None:
            self._reports.take_items(node, source, answer.items)
        if answer.boot is not None:
            self._reports.take_boot(node, answer.boot, monotonic=self._clock.monotonic())
        self._recorder.take(node=node, samples=answer.samples)

    def _write_reports(self) -> None:
        now_ms = round(self._clock.time() * 1000)
        for report in self._reports.due(now_ms=now_ms, monotonic=self._clock.monotonic()):
            try:
                self._spool.write_state(report)
            except SpoolFullError as exc:
                logger.error("spool.full", extra={"error": str(exc)})
            self._uplink.wake()

    async def _drain(self, uplink: asyncio.Task[None], seconds: float) -> bool:
        """Wait until everything is committed; False when that takes too long."""
        drained = asyncio.create_task(self._uplink.drained())
        try:
            await asyncio.wait(
                {drained, uplink}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            return drained.done()
        finally:
            await _end(drained)


async def _end(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
