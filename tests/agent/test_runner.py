"""The whole agent, on a clock that a test moves, against a real server on this machine."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from telemetry.agent.runner import AgentRunner
from telemetry.agent.source import MeasuredNode, Sample, Source
from telemetry.protocol import ReportedItem, Series
from tests.agent.clocks import FakeClock
from tests.agent.server import Act, ScriptedServer
from tests.agent.worlds import (
    MINUTE_MS,
    NOON_MS,
    PlainSource,
    TalkingSource,
    closed_minute,
    make_config,
    make_spool,
)

MODEL = ReportedItem(kind="model", name="llama", version="1")


@dataclass
class World:
    """A server that acknowledges everything, a clock, and room for agents."""

    folder: Path
    server: ScriptedServer = field(default_factory=lambda: ScriptedServer([Act()]))
    clock: FakeClock = field(default_factory=FakeClock)

    @asynccontextmanager
    async def running(
        self, *, sources: Sequence[Source] = (), nodes: Sequence[MeasuredNode] = (), **given: Any
    ) -> AsyncIterator[AgentRunner]:
        """An agent at work; at the end it is stopped cleanly."""
        config = make_config(self.folder, server=self.server.url, **given)
        runner = AgentRunner(config, sources=sources, nodes=nodes, clock=self.clock, jitter=float)
        task = asyncio.create_task(runner.run())
        await self.server.until(lambda known: len(known.hellos) > 0)
        yield runner
        runner.stop()
        async with asyncio.timeout(20):
            await task

    async def run(self, seconds: int) -> None:
        """Let time pass in steps that leave room for the network."""
        for _ in range(seconds // 10):
            await self.clock.advance(10)

    async def run_until(self, condition: Callable[[], bool]) -> None:
        """Let time pass until something in another thread has had its effect."""
        async with asyncio.timeout(20):
            while not condition():
                await self.clock.advance(10)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    async with world.server.running():
        yield world


def minutes(server: ScriptedServer) -> list[tuple[str, float]]:
    return sorted(
        (node, (start_ms - NOON_MS) / MINUTE_MS) for node, start_ms in server.committed_windows
    )


async def test_one_window_a_minute_arrives_and_the_last_part_with_a_clean_stop(
    world: World,
) -> None:
    async with world.running(sources=[PlainSource()]):
        await world.run(150)
        await world.server.until(lambda known: len(known.batches) == 2)
    assert minutes(world.server) == [("edge-01", 0), ("edge-01", 1), ("edge-01", 2)]
    assert [batch.windows[0].seconds for batch in world.server.batches] == [60.0, 60.0, 30.0]
    assert world.server.gaps == []


async def test_the_hello_says_who_speaks_from_which_spool_for_which_boot(world: World) -> None:
    async with world.running(sources=[TalkingSource()]) as runner:
        assert runner.is_connected or world.server.hellos
    hello = world.server.hellos[0]
    assert (hello.version, hello.agent, hello.window_seconds) == (1, "edge-01", 60.0)
    assert hello.wall_ms == NOON_MS
    assert [(node.name, node.boot_id) for node in hello.nodes] == [("edge-01", "boot-1")]


async def test_a_gateway_speaks_for_many_nodes_in_one_batch(world: World) -> None:
    names = [f"node-{number}" for number in range(50)]
    nodes = [MeasuredNode(name, [PlainSource(value=20.0)]) for name in names]
    async with world.running(nodes=nodes):
        await world.run(60)
        await world.server.until(lambda known: len(known.batches) == 1)
    assert [node.name for node in world.server.hellos[0].nodes] == names
    assert minutes(world.server) == sorted((name, 0) for name in names)
    assert len(world.server.announcements) == 1


async def test_state_is_reported_at_start_on_change_and_every_quarter_of_an_hour(
    world: World,
) -> None:
    source = TalkingSource(items=[MODEL])
    async with world.running(sources=[source]):
        await world.server.until(lambda known: len(known.states) == 1)
        await world.run(300)
        source.items = [ReportedItem(kind="model", name="llama", version="2")]
        await world.run(10)
        await world.server.until(lambda known: len(known.states) == 2)
        source.boot_id = "boot-2"
        await world.run(10)
        await world.server.until(lambda known: len(known.states) == 3)
        await world.run(890)
        assert len(world.server.states) == 3
        await world.run(20)
        await world.server.until(lambda known: len(known.states) == 4)
    told = [(state.boot_id, state.items[0].version) for state in world.server.states]
    assert told == [("boot-1", "1"), ("boot-1", "2"), ("boot-2", "2"), ("boot-2", "2")]


async def test_a_source_that_fails_is_logged_once_and_harms_nobody(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    broken = PlainSource(name="broken", error=OSError("no such bus"))
    async with world.running(sources=[broken, PlainSource()]):
        await world.run(120)
        broken.error = None
        await world.run(60)
        await world.server.until(lambda known: len(known.batches) == 3)
    assert caplog.messages.count("source.failing") == 1
    assert caplog.messages.count("source.recovered") == 1
    assert minutes(world.server)[:3] == [("edge-01", 0), ("edge-01", 1), ("edge-01", 2)]


@dataclass
class WordySource(PlainSource):
    """A source with a bug: its value is a word."""

    name: str = "wordy"

    def sample(self, now: float) -> Iterable[Sample]:
        return [Sample("hw.temperature", "Cel", "inlet", "warm")]  # type: ignore[arg-type]  # the bug


async def test_a_value_that_is_no_number_fails_its_source_only(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with world.running(sources=[WordySource(), PlainSource()]):
        await world.run(60)
        await world.server.until(lambda known: len(known.batches) == 1)
    assert caplog.messages.count("source.failing") == 1


@dataclass
class StuckSource(PlainSource):
    """A slow source that answers when it is allowed to."""

    name: str = "stuck"
    is_slow: bool = True
    may_answer: threading.Event = field(default_factory=threading.Event)
    times_asked: int = 0

    def sample(self, now: float) -> Iterable[Sample]:
        self.times_asked += 1
        self.may_answer.wait(20)
        return []

    def report(self, now: float) -> Iterable[ReportedItem]:
        return [MODEL]


async def test_a_slow_source_holds_nobody_up_and_the_first_report_waits_for_it(
    world: World,
) -> None:
    stuck = StuckSource()
    async with world.running(sources=[stuck, PlainSource()]):
        await world.run(120)
        await world.server.until(lambda known: len(known.batches) == 2)
        assert world.server.states == []
        assert stuck.times_asked == 1
        stuck.may_answer.set()
        await world.run_until(lambda: len(world.server.states) > 0)
    assert world.server.states[0].items == [MODEL]


async def test_what_an_agent_kept_while_alone_arrives_after_its_restart_live_first(
    world: World,
) -> None:
    config = make_config(world.folder, server="ws://127.0.0.1:9/ws/ingest/")
    alone = AgentRunner(config, sources=[PlainSource()], clock=world.clock, jitter=float)
    task = asyncio.create_task(alone.run())
    await world.run(600)
    alone.stop()
    await task
    async with world.running(sources=[PlainSource()]):
        await world.server.until(lambda known: len(known.batches) == 10)
    lanes = [batch.lane for batch in world.server.batches]
    assert minutes(world.server) == [("edge-01", minute) for minute in range(10)]
    assert lanes == sorted(lanes)
    assert lanes.count(1) >= 2
    assert lanes.count(3) >= 7


async def test_measuring_once_sends_everything_and_says_so(world: World) -> None:
    config = make_config(world.folder, server=world.server.url)
    source = TalkingSource(items=[MODEL])
    runner = AgentRunner(config, sources=[source], clock=world.clock, jitter=float)
    once = asyncio.create_task(runner.run_once())
    await world.clock.until(lambda naps: 1.0 in naps)
    await world.clock.advance(1)
    async with asyncio.timeout(20):
        assert await once
    assert minutes(world.server) == [("edge-01", 0)]
    assert world.server.states[0].items == [MODEL]


async def test_a_spool_damaged_while_running_is_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = make_spool(tmp_path)
    wide = [Series("hw.temperature", "Cel", f"probe {number}") for number in range(1000)]
    nodes = [f"node-{number}" for number in range(200)]
    spool.write_span(closed_minute(-10, nodes=nodes, series=wide))
    spool.close()
    gate = asyncio.Event()
    world = World(tmp_path, ScriptedServer([Act(credit=1, gate=gate)]))
    async with world.server.running(), world.running(sources=[PlainSource()]):
        await world.server.until(lambda known: len(known.arrivals) == 1)
        with (tmp_path / "spool.sqlite3").open("r+b") as file:
            file.seek(8 * 4096)
            file.write(b"\xff" * 3_500_000)
        gate.set()
        await world.clock.until(lambda naps: naps == [5.0])
        await world.clock.advance(5)
        await world.server.until(lambda known: len(known.gaps) > 0)
    assert "spool.damaged" in caplog.messages
    assert len({hello.epoch for hello in world.server.hellos}) == 2
    assert {gap.cause for gap in world.server.gaps} == {"corrupt"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"sources": [PlainSource()], "nodes": [MeasuredNode("a", [PlainSource()])]},
        {"nodes": [MeasuredNode("a", []), MeasuredNode("a", [])]},
        {"nodes": [MeasuredNode(f"{number}", []) for number in range(4097)]},
    ],
)
def test_an_agent_without_clear_nodes_is_not_made(tmp_path: Path, given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Give"):
        AgentRunner(make_config(tmp_path), **given)


def test_the_agent_never_loads_django() -> None:
    code = """
import sys
import telemetry.agent.runner
import telemetry.agent.__main__
foreign = {"django", "channels", "celery", "redis", "psycopg", "numpy", "fleet"}
assert not foreign & set(sys.modules), foreign & set(sys.modules)
"""
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, cwd=Path(__file__).parents[2]
    )
