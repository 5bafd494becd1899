"""Every window that will never come is counted once, with its cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.agent.recorder import Recorder
from telemetry.agent.source import Sample
from telemetry.agent.spool import Spool
from telemetry.codec import Codec
from telemetry.protocol import SUBPROTOCOL_MSGPACK, Batch, GapReport
from tests.agent.clocks import NOON
from tests.agent.worlds import MINUTE_MS, NOON_MS, make_spool

READING = Sample("hw.temperature", "Cel", "inlet", 20.0)


class World:
    """A recorder, its spool, and two clocks that usually run together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wall = NOON
        self.steady = 500.0
        self.open()

    def open(self) -> None:
        self.spool: Spool = make_spool(self.folder)
        nodes = ["edge-01", "edge-02"]
        self.recorder = Recorder(spool=self.spool, nodes=nodes, window_seconds=60)

    def die_and_restart(self) -> None:
        """What is only in memory is gone."""
        self.spool.close()
        self.open()

    def run(self, seconds: int) -> None:
        for _ in range(seconds // 10):
            self.tick()
            self.wall += 10
            self.steady += 10
        self.tick()

    def tick(self) -> None:
        self.recorder.move_to(now=self.wall, monotonic=self.steady)
        self.recorder.take(node="edge-01", samples=[READING])

    @property
    def frames(self) -> list[object]:
        codec = Codec(SUBPROTOCOL_MSGPACK)
        offers = self.spool.offer(limit=1000, live_from_ms=0)
        return [codec.decode_from_agent(offer.frame) for offer in offers]

    @property
    def starts(self) -> list[float]:
        """Minutes after noon at which windows start."""
        batches = [frame for frame in self.frames if isinstance(frame, Batch)]
        return [(batch.windows[0].start_ms - NOON_MS) / MINUTE_MS for batch in batches]

    @property
    def gaps(self) -> list[tuple[str, str, float, float, int]]:
        return [
            (
                gap.node,
                gap.cause,
                (gap.start_ms - NOON_MS) / MINUTE_MS,
                (gap.end_ms - NOON_MS) / MINUTE_MS,
                gap.windows,
            )
            for gap in self.frames
            if isinstance(gap, GapReport)
        ]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_agent_that_runs_has_no_gap(world: World) -> None:
    world.run(300)
    assert world.starts == [0, 1, 2, 3, 4]
    assert world.gaps == []


def test_an_agent_that_was_down_says_for_how_many_windows_of_each_node(world: World) -> None:
    world.run(150)
    world.wall += 300
    world.steady = 10.0
    world.die_and_restart()
    world.run(60)
    assert world.starts == [0, 1, 7]
    assert world.gaps == [
        ("edge-01", "agent_down", 2, 7, 5),
        ("edge-02", "agent_down", 2, 7, 5),
    ]


def test_an_agent_that_dies_again_and_again_counts_each_window_once(world: World) -> None:
    world.run(130)
    for _ in range(9):
        world.wall += 20
        world.die_and_restart()
        world.tick()
    # The window in which it lives at last comes whole; the ones before it never come.
    world.run(60)
    total = sum(windows for node, *_, windows in world.gaps if node == "edge-01")
    assert world.starts == [0, 1, 5]
    assert total == 3


def test_a_clock_set_forward_leaves_a_gap_of_its_own_cause(world: World) -> None:
    world.run(90)
    world.wall += 600
    world.run(60)
    assert world.starts == [0, 1, 11]
    assert world.gaps[0] == ("edge-01", "clock", 2, 11, 9)


def test_a_clock_set_back_makes_no_window_twice_and_no_gap(world: World) -> None:
    world.run(310)
    world.wall -= 180
    world.run(420)
    assert world.starts == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert world.gaps == []


def test_a_clock_that_was_never_set_is_not_an_absence_of_years(world: World) -> None:
    world.wall = 40.0
    world.run(120)
    world.wall = NOON
    world.run(120)
    assert world.gaps == []
    assert world.starts[-2:] == [0, 1]


def test_a_machine_that_slept_was_down(world: World) -> None:
    world.run(60)
    world.wall += 600
    world.steady += 600
    world.run(60)
    assert world.gaps[0][1] == "agent_down"


def test_a_clean_stop_keeps_the_open_window(world: World) -> None:
    world.run(90)
    world.recorder.flush(now=world.wall)
    world.die_and_restart()
    world.run(60)
    assert world.starts == [0, 1, 1.5]
    assert world.gaps == []
