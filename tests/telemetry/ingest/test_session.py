"""One connection's rules: greeting, sets, credit, refusals; pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from telemetry.ingest.arrival import Greeting
from telemetry.protocol import (
    MAX_FRAME_BYTES,
    GapReport,
    HelloNode,
    Ping,
    Pong,
    ProtocolError,
    Reject,
    Retry,
    Series,
    SeriesSetFrame,
    StateReport,
    Welcome,
    series_hash,
)
from tests.factories import NOON
from tests.telemetry.ingest.scripted import make_hello
from tests.telemetry.ingest.sessions import (
    NOON_MS,
    codes,
    greeted,
    new_session,
    noon_batch,
    send,
    unreadable,
)


def test_a_ping_is_answered_at_any_time() -> None:
    decision = send(new_session(), Ping(id=7, wall_ms=0))
    assert decision.answers == [Pong(id=7, wall_ms=NOON_MS)]


def test_a_hello_is_passed_on_and_greeted() -> None:
    session = new_session()
    hello = make_hello()
    assert send(session, hello).hello == hello
    answers = session.greet(Greeting(1, 2, {}, unknown=("ghost",)), now=NOON)
    assert answers[0] == Welcome(version=1, session="session-1", wall_ms=NOON_MS, credit=4)
    assert isinstance(answers[1], Reject)
    assert "'ghost'" in answers[1].message


@pytest.mark.parametrize(
    ("overrides", "code", "path"),
    [
        ({"version": 0}, "bad_version", "$.version"),
        ({"agent": ""}, "malformed", "$.agent"),
        ({"agent": "a\0"}, "malformed", "$.agent"),
        ({"agent_version": "v" * 41}, "malformed", "$.agent_version"),
        ({"epoch": "e" * 65}, "malformed", "$.epoch"),
        ({"window_seconds": 0.0}, "malformed", "$.window_seconds"),
        ({"wall_ms": 2**60}, "malformed", "$.wall_ms"),
        ({"nodes": [HelloNode(name="n")] * 4097}, "too_large", "$.nodes"),
        ({"nodes": [HelloNode(name="n", boot_id="b" * 65)]}, "malformed", "$.nodes[0].boot_id"),
        (
            {"nodes": [HelloNode(name="n", uptime_seconds=-1)]},
            "malformed",
            "$.nodes[0].uptime_seconds",
        ),
    ],
)
def test_an_unsound_hello_is_refused_and_may_be_corrected(
    overrides: dict[str, Any], code: str, path: str
) -> None:
    session = new_session()
    decision = send(session, make_hello(**overrides))
    (reject,) = decision.answers
    assert isinstance(reject, Reject)
    assert (reject.code, reject.path) == (code, path)
    assert send(session, make_hello()).hello is not None


def test_a_batch_while_the_greeting_is_under_way_is_to_be_kept() -> None:
    session = new_session()
    send(session, make_hello())
    (retry,) = send(session, noon_batch(1)).answers
    assert isinstance(retry, Retry)
    assert retry.seqs == [1]


@pytest.mark.parametrize(
    ("series", "path"),
    [
        ([], "$.series"),
        ([Series("m", "1", f"d{number}") for number in range(4097)], "$.series"),
        ([Series("", "1")], "$.series[0][0]"),
        ([Series("m", "u" * 41)], "$.series[0][1]"),
        ([Series("m", "1", "tab\tbed")], "$.series[0][2]"),
        ([Series("m", "1"), Series("m", "1")], "$.series[1]"),
        ([Series("hw.power", "kW")], "$.series[0][1]"),
    ],
)
def test_an_unsound_series_set_is_refused(series: list[Series], path: str) -> None:
    decision = send(greeted(), SeriesSetFrame(hash=series_hash(series), series=series))
    (refusal,) = decision.intakes[0].refusals
    assert (refusal.code, refusal.path) == ("bad_set", path)


def test_one_connection_announces_a_bounded_number_of_series() -> None:
    session = greeted(credit=99)
    sets = [[Series(f"m{number}", "1", str(turn)) for number in range(4096)] for turn in range(16)]
    decisions = [
        session.on_frame(SeriesSetFrame(hash=series_hash(one), series=one), data=b"", now=NOON)
        for one in sets
    ]
    assert [codes(decision) for decision in decisions] == [[]] * 15 + [["bad_set"]]


@pytest.mark.parametrize(
    ("overrides", "code", "path"),
    [
        ({"node": "ghost"}, "unknown_node", "$.node"),
        ({"boot_id": "b" * 65}, "bad_state", "$.boot_id"),
        ({"uptime_seconds": float("inf")}, "bad_state", "$.uptime_seconds"),
        ({"at_ms": 0}, "bad_state", "$.at_ms"),
        ({"at_ms": NOON_MS + 600_001}, "bad_state", "$.at_ms"),
    ],
)
def test_an_unsound_state_report_is_refused_under_its_number(
    overrides: dict[str, Any], code: str, path: str
) -> None:
    fields: dict[str, Any] = {
        "seq": 5,
        "node": "node-1",
        "at_ms": NOON_MS,
        "boot_id": "b",
        "uptime_seconds": 1.0,
        "items": [],
    }
    (intake,) = send(greeted(), StateReport(**(fields | overrides))).intakes
    (refusal,) = intake.refusals
    assert (refusal.code, refusal.path) == (code, path)
    assert (intake.is_ledgered, intake.lane, intake.seq) == (True, 2, 5)


@pytest.mark.parametrize("windows", [0, -1, 2**31])
def test_a_gap_counts_at_least_one_window_and_not_more_than_there_can_be(windows: int) -> None:
    gap = GapReport(
        seq=1, node="node-1", start_ms=NOON_MS, end_ms=NOON_MS, windows=windows, cause="clock"
    )
    assert codes(send(greeted(), gap)) == ["inconsistent"]


def test_what_the_full_queue_does_not_take_is_to_be_kept() -> None:
    session = greeted(credit=1)
    (intake,) = send(session, noon_batch(1)).intakes
    (retry,) = session.put_back(intake)
    assert isinstance(retry, Retry)
    assert retry.seqs == [1]
    assert len(send(session, noon_batch(1)).intakes) == 1


def test_a_poisoned_frame_beyond_the_credit_is_to_be_kept_too() -> None:
    session = greeted(credit=1)
    send(session, noon_batch(1))
    decision = unreadable(session, lane=1, seq=2)
    (retry,) = decision.answers
    assert isinstance(retry, Retry)
    assert decision.intakes == []


def test_a_poisoned_frame_of_no_known_lane_does_not_enter_the_ledger() -> None:
    (intake,) = unreadable(greeted(), lane=9, seq=2).intakes
    assert not intake.is_ledgered


def test_a_stranger_fills_no_table() -> None:
    session = new_session()
    decision = unreadable(session, lane=1, seq=2)
    assert codes(decision) == ["malformed"]
    assert decision.intakes == []
    assert session.leave(now=NOON) == []


def test_more_than_fifty_refusals_a_minute_are_counted_in_one_row() -> None:
    session = greeted(credit=9999)
    kept = [len(unreadable(session).intakes) for _ in range(80)]
    assert kept == [1] * 50 + [0] * 30
    after = session.on_frame(Ping(id=1, wall_ms=0), data=b"", now=NOON + timedelta(seconds=61))
    (intake,) = after.intakes
    (refusal,) = intake.refusals
    assert refusal.message == "30 more were refused within a minute: malformed 30."
    assert refusal.is_kept


def test_what_was_only_counted_is_kept_when_the_connection_ends() -> None:
    session = greeted(credit=9999)
    for _ in range(51):
        unreadable(session)
    (intake,) = session.leave(now=NOON)
    assert intake.refusals[0].message == "1 more were refused within a minute: malformed 1."


def test_a_poisoned_frame_in_a_flood_still_enters_the_ledger() -> None:
    session = greeted(credit=9999)
    for _ in range(50):
        unreadable(session)
    (intake,) = unreadable(session, lane=3, seq=8).intakes
    assert intake.is_ledgered
    assert [refusal.is_kept for refusal in intake.refusals] == [False]


def test_a_frame_beyond_the_limit_is_refused_unread_and_ends_the_connection() -> None:
    session, data = greeted(), bytes(MAX_FRAME_BYTES + 1)
    session.check_size(MAX_FRAME_BYTES)
    with pytest.raises(ProtocolError) as error:
        session.check_size(len(data))
    decision = session.on_unreadable(error.value, lane=1, seq=2, data=data, now=NOON)
    assert decision.close_code == 1009
    (reject,) = decision.answers
    assert isinstance(reject, Reject)
    assert reject.code == "too_large"
    (intake,) = decision.intakes
    assert not intake.is_ledgered
    assert len(intake.head) == 2048
