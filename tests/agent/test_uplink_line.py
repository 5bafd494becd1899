"""How the uplink connects, waits, falls silent and comes back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest

from telemetry.agent.config import AgentConfig
from telemetry.agent.spool import Spool
from telemetry.agent.uplink import BACKOFF_CAP_SECONDS, backoff_seconds
from telemetry.protocol import (
    Bye,
    Ping,
)
from tests.agent.clocks import FakeClock
from tests.agent.server import TOKEN, Act, ScriptedServer, hang_up
from tests.agent.uplinks import reconnect, talking
from tests.agent.worlds import (
    write_minutes,
)


async def test_the_token_goes_in_the_header_and_never_into_the_log(
    spool: Spool, clock: FakeClock, config: AgentConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="telemetry")
    server = ScriptedServer([Act(close_code=4401)])
    async with talking(server, spool, clock, config):
        await clock.until(lambda naps: bool(naps))
        assert max(clock.naps) >= BACKOFF_CAP_SECONDS
    assert server.headers == [f"Bearer {TOKEN}"]
    assert "uplink.refused" in caplog.messages
    assert all(TOKEN not in str(vars(record)) for record in caplog.records)
    assert TOKEN not in repr(config)


async def test_after_a_lost_connection_the_first_delay_is_spread(
    spool: Spool, clock: FakeClock, config: AgentConfig
) -> None:
    write_minutes(spool, [-1])
    server = ScriptedServer([Act()])
    async with talking(server, spool, clock, config) as uplink:
        await uplink.drained()
        await server.hang_up()
        await clock.until(lambda naps: naps == [config.reconnect_spread_seconds])


async def test_a_server_that_welcomes_and_commits_nothing_is_visited_less_and_less(
    spool: Spool, clock: FakeClock, config: AgentConfig
) -> None:
    write_minutes(spool, [-1])
    server = ScriptedServer([Act(answer=hang_up)])
    delays = []
    async with talking(server, spool, clock, config):
        for _ in range(4):
            await clock.until(lambda naps: bool(naps) and naps != [10.0])
            delays += clock.naps
            await reconnect(server, clock)
    spread = config.reconnect_spread_seconds
    assert delays == [spread + 1, spread + 2, spread + 4, spread + 8]


async def test_the_server_may_send_the_agent_away_for_a_while(
    spool: Spool, clock: FakeClock, config: AgentConfig
) -> None:
    bye = Bye(code="busy", message="Come back later.", after_ms=90_000)
    server = ScriptedServer([Act(after_welcome=[bye])])
    async with talking(server, spool, clock, config):
        await server.until(lambda known: len(known.hellos) == 1)
        await server.say(Ping(id=7, wall_ms=0))
        await server.until(lambda known: [pong.id for pong in known.pongs] == [7])
        await server.hang_up()
        await clock.until(lambda naps: bool(naps) and max(naps) >= 90)


async def test_a_server_that_falls_silent_is_left(
    spool: Spool, clock: FakeClock, config: AgentConfig
) -> None:
    server = ScriptedServer([Act(is_answering_pings=False), Act()])
    async with talking(server, spool, clock, config):
        await clock.until(lambda naps: naps == [10.0])
        for count in range(1, 4):
            await clock.advance(10)
            await server.until(lambda known, wanted=count: len(known.pings) == wanted)
        await clock.advance(10)
        await reconnect(server, clock)
        await server.until(lambda known: len(known.hellos) == 2)


async def test_a_server_that_answers_pings_is_kept(
    spool: Spool, clock: FakeClock, config: AgentConfig
) -> None:
    server = ScriptedServer([Act()])
    async with talking(server, spool, clock, config):
        await clock.until(lambda naps: naps == [10.0])
        for count in range(1, 8):
            await clock.advance(10)
            await server.until(lambda known, wanted=count: len(known.pings) == wanted)
            # A second exchange, so that the agent has surely read the answer to its ping.
            await server.say(Ping(id=count, wall_ms=0))
            await server.until(lambda known, wanted=count: len(known.pongs) == wanted)
    assert server.attempts == 1


async def test_words_of_a_newer_server_are_passed_over(
    spool: Spool, clock: FakeClock, config: AgentConfig, caplog: pytest.LogCaptureFixture
) -> None:
    write_minutes(spool, [-1])
    gate = asyncio.Event()
    server = ScriptedServer([Act(gate=gate)])
    async with talking(server, spool, clock, config) as uplink:
        await server.until(lambda known: len(known.batches) == 1)
        await server.say_bytes(b"\x81\xa4type\xa6future")
        gate.set()
        async with asyncio.timeout(20):
            await uplink.drained()
    assert "uplink.frame_not_understood" in caplog.messages


@pytest.mark.parametrize(
    ("failures", "ceiling"), [(1, 1.0), (2, 2.0), (6, 32.0), (7, 60.0), (50, 60.0), (5000, 60.0)]
)
def test_the_delay_is_capped_before_it_is_jittered(failures: int, ceiling: float) -> None:
    asked: list[float] = []

    def half(most: float) -> float:
        asked.append(most)
        return most / 2

    assert backoff_seconds(failures, jitter=half) == ceiling / 2
    assert asked == [ceiling]


def test_agents_that_fail_together_for_long_do_not_come_back_together() -> None:
    shares: Sequence[float] = (0.1, 0.5, 0.9)
    delays = [
        backoff_seconds(20, jitter=lambda ceiling, share=share: share * ceiling) for share in shares
    ]
    assert delays == [6.0, 30.0, 54.0]
