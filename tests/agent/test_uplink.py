"""What waits in the spool reaches a real server once, in order, within its credit."""

from __future__ import annotations

import asyncio
from pathlib import Path

from telemetry.agent.config import AgentConfig
from telemetry.agent.spool import Spool
from telemetry.protocol import (
    Ack,
    Reject,
    RejectCode,
    Retry,
    ServerFrame,
    StateReport,
)
from tests.agent.clocks import FakeClock
from tests.agent.server import Act, Numbered, ScriptedServer, ack, hang_up, say_nothing
from tests.agent.uplinks import reconnect, talking
from tests.agent.worlds import (
    MINUTE_MS,
    NOON_MS,
    closed_minute,
    make_config,
    make_spool,
    write_minutes,
)


async def test_every_window_arrives_once_from_a_server_that_is_away_and_breaks_off(
    spool: Spool, clock: FakeClock, config: AgentConfig
) -> None:
    write_minutes(spool, range(-30, 0))
    acts = [Act(is_refusing=True), Act(answer=hang_up), Act(is_refusing=True), Act()]
    server = ScriptedServer(acts)
    async with talking(server, spool, clock, config) as uplink:
        for _ in range(3):
            await reconnect(server, clock)
        await server.until(lambda known: len(known.committed_windows) >= 30)
        async with asyncio.timeout(20):
            await uplink.drained()
    generated = [("edge-01", NOON_MS + minute * MINUTE_MS) for minute in range(-30, 0)]
    assert sorted(server.committed_windows) == generated
    assert spool.waiting() == 0


async def test_what_was_under_way_when_the_line_broke_comes_again_byte_for_byte(
    spool: Spool, clock: FakeClock, config: AgentConfig
) -> None:
    write_minutes(spool, [-1])
    server = ScriptedServer([Act(answer=say_nothing), Act()])
    async with talking(server, spool, clock, config) as uplink:
        await server.until(lambda known: len(known.batches) == 1)
        await server.hang_up()
        await reconnect(server, clock)
        async with asyncio.timeout(20):
            await uplink.drained()
    first, second = server.batches
    assert first == second
    assert {hello.epoch for hello in server.hellos} == {spool.epoch}


async def test_a_batch_committed_before_the_line_broke_comes_again_under_its_old_number(
    spool: Spool, clock: FakeClock, config: AgentConfig
) -> None:
    write_minutes(spool, [-1])
    server = ScriptedServer([Act(is_losing_acks=True), Act()])
    async with talking(server, spool, clock, config) as uplink:
        await reconnect(server, clock)
        async with asyncio.timeout(20):
            await uplink.drained()
    (copies,) = server.ledger.values()
    assert len(copies) == 2
    assert copies[0] == copies[1]
    assert spool.waiting() == 0


async def test_numbers_go_on_without_holes_and_are_never_used_twice(
    spool: Spool, clock: FakeClock, config: AgentConfig
) -> None:
    write_minutes(spool, [-1])
    server = ScriptedServer([Act()])
    async with talking(server, spool, clock, config) as uplink:
        await uplink.drained()
        write_minutes(spool, [0, 1])
        uplink.wake()
        async with asyncio.timeout(20):
            await uplink.drained()
    assert [(batch.lane, batch.seq) for batch in server.batches] == [(1, 1), (1, 2), (1, 3)]


async def test_live_goes_first_then_reports_then_the_newest_hour_of_what_waited(
    spool: Spool, clock: FakeClock, config: AgentConfig
) -> None:
    # Noon starts an hour, so the hours of what waited are cleanly apart.
    write_minutes(spool, [-130, -129, -70, -69, -10, -9, -1])
    spool.write_state(
        StateReport(seq=0, node="edge-01", at_ms=NOON_MS, boot_id="b", uptime_seconds=1.0, items=[])
    )
    server = ScriptedServer([Act(credit=1)])
    async with talking(server, spool, clock, config) as uplink:
        await uplink.drained()
    lanes = [frame.lane for _, frame in server.arrivals]
    minutes = [(batch.windows[0].start_ms - NOON_MS) // MINUTE_MS for batch in server.batches]
    assert lanes == [1, 2, 3, 3, 3, 3, 3, 3]
    assert minutes == [-1, -10, -9, -70, -69, -130, -129]


async def test_a_fresh_window_overtakes_the_backlog(
    spool: Spool, clock: FakeClock, config: AgentConfig
) -> None:
    gate = asyncio.Event()
    write_minutes(spool, range(-90, -60))
    server = ScriptedServer([Act(credit=2, gate=gate)])
    async with talking(server, spool, clock, config) as uplink:
        await server.until(lambda known: len(known.batches) == 2)
        write_minutes(spool, [0])
        uplink.wake()
        gate.set()
        await uplink.drained()
    lanes = [batch.lane for batch in server.batches]
    assert lanes.index(1) == 2
    assert lanes.count(3) == 30


async def test_credit_is_never_exceeded(
    spool: Spool, clock: FakeClock, config: AgentConfig
) -> None:
    gate = asyncio.Event()
    write_minutes(spool, range(-40, 0))
    server = ScriptedServer([Act(credit=3, gate=gate)])
    async with talking(server, spool, clock, config) as uplink:
        await server.until(lambda known: len(known.batches) == 3)
        await clock.advance(9)
        assert len(server.batches) == 3
        gate.set()
        await uplink.drained()
    assert server.most_unacknowledged == 3
    assert len(server.committed_windows) == 40


async def test_a_batch_that_was_not_taken_comes_again_after_the_time_asked_for(
    spool: Spool, clock: FakeClock, config: AgentConfig
) -> None:
    def ask_to_wait_once(frame: Numbered, before: int) -> list[ServerFrame]:
        answers.append(frame.seq)
        if len(answers) > 1:
            return ack(frame, before)
        return [Retry(lane=frame.lane, seqs=[frame.seq], after_ms=4000, why="full")]

    answers: list[int] = []
    write_minutes(spool, [-1])
    server = ScriptedServer([Act(answer=ask_to_wait_once)])
    async with talking(server, spool, clock, config) as uplink:
        await clock.until(lambda naps: 4.0 in naps)
        await clock.advance(3.9)
        assert len(server.batches) == 1
        await clock.advance(0.2)
        async with asyncio.timeout(20):
            await uplink.drained()
    assert server.batches[0] == server.batches[1]
    assert len(server.batches) == 2


async def test_a_refused_batch_is_kept_as_rejected_and_forgotten_with_its_acknowledgement(
    spool: Spool, clock: FakeClock, config: AgentConfig
) -> None:
    def refuse(frame: Numbered, before: int) -> list[ServerFrame]:
        reject = Reject(
            code=RejectCode.UNKNOWN_NODE,
            message="There is no such node.",
            path="$.windows[0].node",
            lane=frame.lane,
            seq=frame.seq,
        )
        return [reject, Ack(lane=frame.lane, seqs=[frame.seq], stored=0)]

    write_minutes(spool, [-1])
    server = ScriptedServer([Act(answer=refuse)])
    async with talking(server, spool, clock, config) as uplink:
        await uplink.drained()
    assert spool.waiting() == 0
    kept = [(reject.code, reject.lane, reject.seq) for reject in spool.rejected()]
    assert kept == [("unknown_node", 1, 1)]


async def test_a_set_the_server_does_not_know_is_announced_again(
    spool: Spool, clock: FakeClock, config: AgentConfig
) -> None:
    def forget_the_set_once(frame: Numbered, before: int) -> list[ServerFrame]:
        asked.append(frame.seq)
        if len(asked) > 1:
            return ack(frame, before)
        reject = Reject(
            code=RejectCode.UNKNOWN_SET, message="Which set?", lane=frame.lane, seq=frame.seq
        )
        return [reject, Retry(lane=frame.lane, seqs=[frame.seq], after_ms=2000, why="Which set?")]

    asked: list[int] = []
    write_minutes(spool, [-1])
    server = ScriptedServer([Act(answer=forget_the_set_once)])
    async with talking(server, spool, clock, config) as uplink:
        # Doubled with each refusal, so that a set nobody wants does not fill the line.
        await clock.until(lambda naps: 4.0 in naps)
        await clock.advance(4.0)
        async with asyncio.timeout(20):
            await uplink.drained()
    assert len(server.announcements) == 2
    assert len(server.committed_windows) == 1
    assert spool.rejected() == []


async def test_a_restored_spool_goes_on_under_a_new_epoch_and_loses_nothing(
    tmp_path: Path, spool: Spool, clock: FakeClock, config: AgentConfig
) -> None:
    def refuse_old_numbers(frame: Numbered, before: int) -> list[ServerFrame]:
        number = Ack(lane=frame.lane, seqs=[frame.seq], stored=1)
        if len(server.hellos) > 1 or frame.seq > 2:
            return [number]
        reused = Reject(
            code=RejectCode.SEQUENCE_REUSED, message="Used.", lane=frame.lane, seq=frame.seq
        )
        return [reused, number]

    write_minutes(spool, range(-6, 0))
    first_epoch = spool.epoch
    server = ScriptedServer([Act(answer=refuse_old_numbers)])
    async with talking(server, spool, clock, config) as uplink:
        await reconnect(server, clock)
        await uplink.drained()
    old = {seq for (epoch, _, seq) in server.ledger if epoch == first_epoch and seq > 2}
    new = [seq for (epoch, _, seq) in server.ledger if epoch == spool.epoch]
    assert spool.epoch != first_epoch
    assert len(old) + len(new) == 6
    assert spool.waiting() == 0


async def test_a_series_set_is_announced_once_a_connection(
    spool: Spool, clock: FakeClock, config: AgentConfig
) -> None:
    write_minutes(spool, [-3, -2, -1])
    server = ScriptedServer([Act(), Act()])
    async with talking(server, spool, clock, config) as uplink:
        await uplink.drained()
        await server.hang_up()
        write_minutes(spool, [0])
        uplink.wake()
        await reconnect(server, clock)
        async with asyncio.timeout(20):
            await uplink.drained()
    assert [number for number, _ in server.announcements] == [1, 2]


async def test_a_way_that_takes_only_small_frames_gets_small_frames(
    spool: Spool, clock: FakeClock, config: AgentConfig
) -> None:
    spool.write_span(closed_minute(-1, nodes=[f"node-{number:03}" for number in range(500)]))
    server = ScriptedServer([Act(max_frame_bytes=20_000)])
    async with talking(server, spool, clock, config) as uplink:
        await uplink.drained()
    assert len(server.batches) > 1
    assert all(len(copies[0]) <= 20_000 for copies in server.ledger.values())
    assert len(set(server.committed_windows)) == 500


async def test_a_frame_that_breaks_the_line_by_its_size_comes_again_in_parts(
    spool: Spool, clock: FakeClock, config: AgentConfig
) -> None:
    nodes = [f"node-with-a-rather-long-name-that-fills-frames-{number:05}" for number in range(512)]
    spool.write_span(closed_minute(-1, nodes=nodes))
    # It promises 1 MiB, as a server behind a stricter proxy does; 4 halvings come to 64 kiB.
    server = ScriptedServer([Act()], max_size=70_000)
    async with talking(server, spool, clock, config) as uplink:
        for _ in range(4):
            await reconnect(server, clock)
        async with asyncio.timeout(20):
            await uplink.drained()
    assert len(server.batches) > 1
    assert sorted(server.committed_windows) == [(node, NOON_MS - MINUTE_MS) for node in nodes]


async def test_batches_too_old_by_the_servers_clock_are_given_up_as_a_gap(
    tmp_path: Path, clock: FakeClock
) -> None:
    spool = make_spool(tmp_path, max_days=1)
    config = make_config(tmp_path)
    write_minutes(spool, [-2000, -1999, -1])
    server = ScriptedServer([Act()])
    short = AgentConfig(**{**vars(config), "spool": spool.config})
    async with talking(server, spool, clock, short) as uplink:
        await uplink.drained()
    assert [(gap.cause, gap.windows) for gap in server.gaps] == [("evicted", 2)]
    assert len(server.batches) == 1
