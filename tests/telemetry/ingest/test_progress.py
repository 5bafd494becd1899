"""What live, late and reported things do to a node, through the real transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from fleet.models import Node, ReportedState
from telemetry import store
from telemetry.ingest.arrival import Greeting
from telemetry.ingest.group import commit_group
from telemetry.ingest.intake import Intake, NodeReport, Outcome, ReportedThing
from telemetry.ingest.session import Session
from telemetry.models import AgentSource, BootRecord, Gap
from telemetry.protocol import (
    Batch,
    GapReport,
    ReportedItem,
    SeriesSetFrame,
    StateReport,
)
from tests.factories import NOON, make_node
from tests.telemetry.ingest.scripted import SERIES, SET_HASH, make_batch, make_hello, make_window

pytestmark = pytest.mark.django_db


class Desk:
    """A session whose intakes are committed at once, at a clock of our own."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.seq = 0
        source = AgentSource.objects.create(
            site=node.site,
            agent="a",
            epoch="e",
            agent_version="1",
            first_hello_at=NOON,
            last_hello_at=NOON,
        )
        self.session = Session(session_id="s", credit=9999)
        self.session.on_frame(make_hello(), data=b"", now=NOON)
        nodes = {node.name: node.pk}
        self.session.greet(Greeting(node.site_id, source.pk, nodes), now=NOON)
        self.session.on_frame(SeriesSetFrame(hash=SET_HASH, series=SERIES), data=b"", now=NOON)

    def take(self, *frames: Any, now: datetime = NOON) -> list[Outcome]:
        """Commit the frames in one transaction, as received at `now`."""
        intakes = [
            intake
            for frame in frames
            for intake in self.session.on_frame(frame, data=b"%d" % frame.seq, now=now).intakes
        ]
        return commit_group(intakes, set_ids={}).outcomes

    def windows(self, *ends: float, lane: Any = 1, now: datetime = NOON) -> None:
        """Commit one batch with 10 s windows that end so many seconds before noon."""
        self.seq += 1
        windows = [
            make_window(node=self.node.name, start_ms=milliseconds(NOON) - (before + 10) * 1000)
            for before in ends
        ]
        self.take(make_batch(self.seq, *windows, lane=lane), now=now)
        self.node.refresh_from_db()

    def report(self, *names: str, at: datetime, boot_id: str = "boot-1") -> None:
        """Commit one state report of models with these names."""
        self.seq += 1
        items = [ReportedItem(kind="model", name=name, digest=f"sha256:{name}") for name in names]
        state = StateReport(
            seq=self.seq,
            node=self.node.name,
            at_ms=milliseconds(at),
            boot_id=boot_id,
            uptime_seconds=5,
            items=items,
        )
        self.take(state, now=max(at, NOON))
        self.node.refresh_from_db()


def milliseconds(at: datetime) -> int:
    """Return milliseconds since 1970."""
    return round(at.timestamp() * 1000)


def before_noon(seconds: float) -> datetime:
    """Return the time so many seconds before noon."""
    return NOON - timedelta(seconds=seconds)


@pytest.fixture
def desk(db: None) -> Desk:
    """A desk for one node."""
    return Desk(make_node())


def flags_by_end(node: Node) -> dict[float, int]:
    """Return the flags of the node's windows by how long before noon they end."""
    records = store.read_windows(node_ids=[node.pk], since=before_noon(1e6))
    return {
        (NOON - record.start).total_seconds() - record.seconds: record.flags for record in records
    }


def test_a_live_window_moves_its_node_forward(desk: Desk) -> None:
    desk.windows(20, 10)
    assert desk.node.last_received_at == NOON
    assert desk.node.last_window_end == before_noon(10)


def test_a_last_short_window_does_not_shorten_what_silence_is_judged_by(desk: Desk) -> None:
    def send(seq: int, seconds: float) -> float:
        start_ms = milliseconds(before_noon(30 - seq))
        desk.take(make_batch(seq, make_window(start_ms=start_ms, seconds=seconds)))
        desk.node.refresh_from_db()
        return desk.node.window_seconds

    Node.objects.filter(pk=desk.node.pk).update(window_seconds=10)
    desk.session.know_nodes({"node-1": desk.node.pk})
    assert send(1, 10) == 10
    assert send(2, 0.5) == 10
    assert send(3, 20) == 20


def test_an_older_live_window_moves_nothing_back(desk: Desk) -> None:
    desk.windows(10)
    desk.windows(30, now=before_noon(5))
    assert desk.node.last_received_at == NOON
    assert desk.node.last_window_end == before_noon(10)


def test_a_window_that_ended_long_ago_is_marked_late_and_changes_nothing_current(
    desk: Desk,
) -> None:
    desk.windows(61, 59)
    assert flags_by_end(desk.node) == {61: store.WINDOW_LATE, 59: 0}
    assert desk.node.last_window_end == before_noon(59)


def test_the_backfill_lane_is_always_late(desk: Desk) -> None:
    desk.windows(10, lane=3)
    assert flags_by_end(desk.node) == {10: store.WINDOW_LATE}
    assert desk.node.last_received_at is None
    assert desk.node.last_window_end is None


def test_an_agent_cannot_set_the_flag_of_the_server(desk: Desk) -> None:
    window = make_window(
        node=desk.node.name, start_ms=milliseconds(before_noon(10)), flags=0x10001 | 4
    )
    desk.take(make_batch(1, window))
    assert set(flags_by_end(desk.node).values()) == {4}


def test_a_report_replaces_the_one_before_it(desk: Desk) -> None:
    desk.report("llama", "whisper", at=before_noon(60))
    desk.report("llama", "qwen", at=before_noon(30))
    reported = ReportedState.objects.filter(node=desk.node)
    assert {row.name: row.observed_at for row in reported} == {
        "llama": before_noon(30),
        "qwen": before_noon(30),
    }


def test_an_older_report_that_comes_later_changes_nothing(desk: Desk) -> None:
    desk.report("llama", at=before_noon(30), boot_id="boot-2")
    desk.report("whisper", at=before_noon(60), boot_id="boot-1")
    assert ReportedState.objects.get().name == "llama"
    assert desk.node.boot_id == "boot-2"


def test_of_two_reports_in_one_transaction_the_newer_counts(desk: Desk) -> None:
    report = NodeReport(desk.node.pk, before_noon(9), "b", 1.0, (thing("new"),))
    older = NodeReport(desk.node.pk, before_noon(10), "b", 1.0, (thing("old"),))
    commit_group([intake(desk, 1, report), intake(desk, 2, older)], set_ids={})
    assert ReportedState.objects.get().name == "new"


def test_every_boot_is_recorded_once_with_the_time_it_was_reported(desk: Desk) -> None:
    desk.report(at=before_noon(60), boot_id="boot-1")
    desk.report(at=before_noon(30), boot_id="boot-2")
    desk.report(at=before_noon(20), boot_id="boot-2")
    boots = BootRecord.objects.values_list("boot_id", "reported_at")
    assert list(boots) == [("boot-1", before_noon(60)), ("boot-2", before_noon(30))]


def test_a_reported_gap_is_written_down(desk: Desk) -> None:
    gap = GapReport(
        seq=1,
        node=desk.node.name,
        start_ms=milliseconds(before_noon(3600)),
        end_ms=milliseconds(before_noon(60)),
        windows=59,
        cause="agent_down",
    )
    (outcome,) = desk.take(gap)
    assert (outcome.stored, outcome.duplicates) == (1, 0)
    row = Gap.objects.get()
    assert (row.start, row.end) == (before_noon(3600), before_noon(60))
    assert (row.windows, row.cause, row.reported_at) == (59, "agent_down", NOON)


def test_the_second_of_two_equal_batches_in_one_transaction_is_a_duplicate(desk: Desk) -> None:
    batch: Batch = make_batch(1, make_window(node=desk.node.name, start_ms=milliseconds(NOON)))
    first, second = desk.take(batch, batch)
    assert (first.stored, first.duplicates) == (1, 0)
    assert (second.stored, second.duplicates) == (0, 1)


def test_the_nodes_of_a_group_advance_in_one_statement(desk: Desk) -> None:
    others = [make_node(site=desk.node.site) for _ in range(5)]
    desk.session.know_nodes({node.name: node.pk for node in others})
    windows = [
        make_window(node=node.name, start_ms=milliseconds(before_noon(20 + index)))
        for index, node in enumerate(others)
    ]
    updates = NodeUpdates()
    with connection.execute_wrapper(updates):
        desk.take(make_batch(1, *windows), make_batch(2, *windows))
    assert updates.count == 1
    ends = Node.objects.filter(pk__in=[node.pk for node in others]).order_by("pk")
    assert list(ends.values_list("last_window_end", flat=True)) == [
        before_noon(10 + index) for index in range(5)
    ]


class NodeUpdates:
    """Counts the statements that update nodes."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, execute: Any, sql: str, *rest: Any) -> Any:
        self.count += "UPDATE fleet_node" in sql
        return execute(sql, *rest)


def thing(name: str) -> ReportedThing:
    """Make one reported model."""
    return ReportedThing("model", name, "", "", "ready", "")


def intake(desk: Desk, seq: int, report: NodeReport) -> Intake:
    """Make the intake of one report."""
    return Intake(
        site_id=desk.node.site_id,
        source_id=desk.session.greeting.source_id if desk.session.greeting else None,
        received_at=NOON,
        size=1,
        head=b"",
        lane=2,
        seq=seq,
        checksum=seq,
        is_ledgered=True,
        report=report,
    )
