"""The committer's queue, its hints, and its end; over a real database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kombu import Connection, Queue

from fleet.celery import app
from fleet.hints import hints as outgoing
from fleet.models import Node
from fleet.queue import Job
from telemetry.ingest.arrival import Greeting
from telemetry.ingest.committer import Committer, Hints
from telemetry.ingest.intake import Intake
from telemetry.ingest.session import Session
from telemetry.models import AgentSource, LedgerEntry
from telemetry.protocol import Ack, SeriesSetFrame, ServerFrame
from tests.factories import NOON
from tests.processes import wait_until
from tests.telemetry.ingest.gates import CommitGate, database_away
from tests.telemetry.ingest.scripted import SERIES, SET_HASH, make_batch, make_hello

PATIENCE_SECONDS = 20
#: More than one batch of one window weighs, less than three of them.
TWO_BATCHES = 6000


class Told:
    """A line that writes down what it is told."""

    def __init__(self) -> None:
        self.frames: list[ServerFrame] = []
        self.settled = 0
        self._changed = threading.Condition()

    def deliver(self, frames: list[ServerFrame], *, settled: int) -> None:
        """Write down the frames."""
        with self._changed:
            self.frames += frames
            self.settled += settled
            self._changed.notify_all()

    def acked(self, count: int) -> list[int]:
        """Return the acknowledged numbers once there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._seqs()) >= count, PATIENCE_SECONDS)
            return sorted(self._seqs())

    def _seqs(self) -> list[int]:
        return [seq for frame in self.frames if isinstance(frame, Ack) for seq in frame.seqs]


@contextmanager
def running(**overrides: Any) -> Iterator[Committer]:
    """Run a committer for the length of a `with` block."""
    values: dict[str, Any] = {"limit_bytes": 1 << 20, "linger_seconds": 0.0}
    committer = Committer(**(values | overrides))
    committer.start()
    try:
        yield committer
    finally:
        committer.stop(patience_seconds=PATIENCE_SECONDS)


@pytest.fixture
def session(node: Node) -> Session:
    """A greeted session of node-1's agent."""
    source = AgentSource.objects.create(
        site=node.site,
        agent="a",
        epoch="e",
        agent_version="1",
        first_hello_at=NOON,
        last_hello_at=NOON,
    )
    session = Session(session_id="s", credit=999)
    session.on_frame(make_hello(), data=b"", now=NOON)
    session.greet(Greeting(node.site_id, source.pk, {node.name: node.pk}), now=NOON)
    session.on_frame(SeriesSetFrame(hash=SET_HASH, series=SERIES), data=b"", now=NOON)
    return session


def intake(session: Session, seq: int) -> Intake:
    """Make the intake of one good batch."""
    batch = make_batch(seq)
    now = NOON.fromtimestamp(batch.windows[0].start_ms / 1000 + 10, NOON.tzinfo)
    (made,) = session.on_frame(batch, data=b"%d" % seq, now=now).intakes
    return made


def test_a_stalled_database_fills_the_queue_to_its_limit_and_no_further(
    session: Session, gate: CommitGate
) -> None:
    line = Told()
    gate.shut()
    with running(limit_bytes=TWO_BATCHES) as committer:
        assert committer.offer(intake(session, 1), line)
        wait_until(gate.is_somebody_waiting)
        # The group that waits in its COMMIT still holds its memory.
        assert committer.offer(intake(session, 2), line)
        assert not committer.offer(intake(session, 3), line)
        gate.open()
        assert line.acked(2) == [1, 2]
        wait_until(lambda: committer.offer(intake(session, 4), line))
        assert line.acked(3) == [1, 2, 4]


def test_how_long_the_oldest_has_been_waiting_is_known(session: Session, gate: CommitGate) -> None:
    line = Told()
    gate.shut()
    with running() as committer:
        assert committer.stalled_seconds() == 0
        committer.offer(intake(session, 1), line)
        wait_until(gate.is_somebody_waiting)
        assert committer.stalled_seconds() > 0
        gate.open()
        line.acked(1)
        wait_until(lambda: committer.stalled_seconds() == 0)


def test_what_is_queued_at_the_end_is_still_committed(session: Session) -> None:
    line = Told()
    with running(linger_seconds=PATIENCE_SECONDS) as committer:
        for seq in (1, 2, 3):
            committer.offer(intake(session, seq), line)
    assert line.acked(3) == [1, 2, 3]
    assert LedgerEntry.objects.count() == 3


def test_what_comes_together_is_committed_together_and_acknowledged_in_one_frame(
    session: Session,
) -> None:
    line = Told()
    with running(linger_seconds=PATIENCE_SECONDS) as committer:
        for seq in (1, 2, 3):
            committer.offer(intake(session, seq), line)
    assert line.frames == [Ack(lane=1, seqs=[1, 2, 3], stored=3)]
    assert line.settled == 3


def test_the_sites_that_changed_are_told_once_they_are_committed(
    session: Session, node: Node
) -> None:
    changed: list[set[int]] = []
    line = Told()
    with running(on_commit=changed.append) as committer:
        committer.offer(intake(session, 1), line)
    assert changed == [{node.site_id}]


@pytest.fixture
def asked() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """A function that takes what workers were asked for out of their queue."""
    with Connection(app.conf.broker_url) as broker:
        queue = Queue(app.conf.task_default_queue)(broker.default_channel)
        queue.declare()
        queue.purge()

        def take() -> list[dict[str, Any]]:
            outgoing.wait_until_sent()
            messages = list(iter(lambda: queue.get(no_ack=True), None))
            return [{message.headers["task"]: message.payload[1]} for message in messages]

        yield take


@pytest.mark.usefixtures("database")
def test_hints_ask_the_workers_for_the_changed_sites(
    asked: Callable[[], list[dict[str, Any]]],
) -> None:
    hints = Hints()
    hints.add({7})
    hints.add({5})
    hints.start()
    hints.stop(patience_seconds=PATIENCE_SECONDS)
    assert asked() == [{Job.EVALUATE_SITES: {"site_ids": [5, 7]}}]


@pytest.mark.usefixtures("database")
def test_a_hint_that_cannot_be_given_is_lost_and_the_next_one_is_not(
    asked: Callable[[], list[dict[str, Any]]], caplog: pytest.LogCaptureFixture
) -> None:
    hints = Hints()
    with database_away():
        hints.start()
        hints.add({7})
        wait_until(lambda: "hint.lost" in caplog.messages)
    hints.add({8})
    hints.stop(patience_seconds=PATIENCE_SECONDS)
    assert asked() == [{Job.EVALUATE_SITES: {"site_ids": [8]}}]
