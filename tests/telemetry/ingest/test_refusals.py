"""Each kind of bad input gets its own answer, is kept, and harms nothing that comes after it."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from fleet.models import Node
from fleet.services.tokens import IssuedToken
from telemetry.models import Gap, LedgerEntry, Rejection, WindowRow
from telemetry.protocol import (
    MAX_FRAME_BYTES,
    SUBPROTOCOL_JSON,
    Ack,
    GapReport,
    Pong,
    Reject,
    Retry,
    Series,
    SeriesSetFrame,
    StateReport,
    Window,
    series_hash,
)
from tests.telemetry.ingest.scripted import (
    PATIENCE_SECONDS,
    SERIES,
    SET_HASH,
    ScriptedAgent,
    connected,
    make_batch,
    make_hello,
    make_window,
    packed,
)


def refused(agent: ScriptedAgent) -> Reject:
    """Return the next frame, which must be a refusal."""
    frame = agent.receive()
    assert isinstance(frame, Reject)
    return frame


def acked(agent: ScriptedAgent) -> Ack:
    """Return the next frame, which must be an acknowledgement."""
    frame = agent.receive()
    assert isinstance(frame, Ack)
    return frame


def bad_window(fault: str) -> Window:
    """Return a window with one fault."""
    ahead_ms = int(time.time() * 1000) + 601_000
    overrides: dict[str, dict[str, Any]] = {
        "node": {"node": "nobody"},
        "length": {"max": packed(24.5, 0.5)},
        "nan": {"sum": packed(225, math.nan, 0)},
        "infinite": {"max": packed(24.5, math.inf, 0)},
        "order": {"min": packed(20.5, 0.6, 0)},
        "last": {"last": packed(25, 0.25, 0)},
        "count": {"n": packed(10, -1, 0)},
        "hot": {"max": packed(151, 0.5, 0)},
        "future": {"start_ms": ahead_ms},
        "clock": {"start_ms": 0},
        "long": {"seconds": 3601.0},
    }
    return make_window(**overrides[fault])


@pytest.mark.parametrize(
    ("fault", "code", "path"),
    [
        ("node", "unknown_node", "$.windows[1].node"),
        ("length", "wrong_length", "$.windows[1].max"),
        ("nan", "not_finite", "$.windows[1].sum[1]"),
        ("infinite", "not_finite", "$.windows[1].max[1]"),
        ("order", "inconsistent", "$.windows[1].min[1]"),
        ("last", "inconsistent", "$.windows[1].last[0]"),
        ("count", "inconsistent", "$.windows[1].n[1]"),
        ("hot", "out_of_range", "$.windows[1].max[0]"),
        ("future", "future_start", "$.windows[1].start_ms"),
        ("clock", "too_old", "$.windows[1].start_ms"),
        ("long", "out_of_range", "$.windows[1].seconds"),
    ],
)
def test_a_bad_window_is_refused_by_name_and_its_neighbours_are_stored(
    agent: ScriptedAgent, fault: str, code: str, path: str
) -> None:
    agent.send(make_batch(1, make_window(), bad_window(fault), make_window()))
    reject = refused(agent)
    assert (reject.code, reject.path, reject.lane, reject.seq) == (code, path, 1, 1)
    ack = acked(agent)
    assert (ack.seqs, ack.stored) == ([1], 2)
    kept = Rejection.objects.get(pk=reject.quarantine)
    assert (kept.code, kept.path, kept.message) == (code, path, reject.message)
    assert b'"start_ms"' in bytes(kept.head)
    assert WindowRow.objects.count() == 2
    assert agent.deliver(2).stored == 1


def test_a_refused_window_is_accounted_for_as_a_gap(agent: ScriptedAgent, node: Node) -> None:
    window = bad_window("nan")
    agent.send(make_batch(1, window))
    refused(agent)
    assert acked(agent).stored == 0
    gap = Gap.objects.get()
    assert (gap.node, gap.windows, gap.cause) == (node, 1, Gap.Cause.REJECTED)
    assert gap.start.timestamp() * 1000 == pytest.approx(window.start_ms)
    assert (gap.end - gap.start).total_seconds() == 10


def test_garbage_is_refused_and_kept_and_the_connection_lives(agent: ScriptedAgent) -> None:
    agent.socket.send(b"\xc1 this is no frame")
    reject = refused(agent)
    assert (reject.code, reject.seq) == ("malformed", None)
    assert bytes(Rejection.objects.get(pk=reject.quarantine).head) == b"\xc1 this is no frame"
    assert agent.deliver(1).stored == 1


def test_an_unknown_type_is_refused_with_the_types_there_are(agent: ScriptedAgent) -> None:
    agent.socket.send(b"\x81\xa4type\xa5smoke")
    reject = refused(agent)
    assert (reject.code, reject.path) == ("unknown_type", "$.type")
    assert "batch" in reject.message
    assert agent.deliver(1).stored == 1


def test_a_poisoned_frame_with_a_number_is_acknowledged_so_that_it_never_loops(
    url: str, issued: IssuedToken
) -> None:
    poison = '{"type": "batch", "lane": 1, "seq": 7, "set": "x", "windows": [{"node": 3}]}'
    with connected(url, issued.text, subprotocol=SUBPROTOCOL_JSON) as agent:
        agent.greet()
        agent.socket.send(poison)
        reject = refused(agent)
        assert (reject.code, reject.lane, reject.seq) == ("malformed", 1, 7)
        assert reject.path == "$.windows[0].node"
        assert acked(agent).seqs == [7]
        agent.socket.send(poison)
        assert refused(agent).quarantine is None
        assert acked(agent).seqs == [7]
    assert Rejection.objects.count() == 1
    assert LedgerEntry.objects.get().seq == 7


def test_a_batch_before_its_series_set_is_kept_by_the_agent_and_taken_afterwards(
    url: str, issued: IssuedToken
) -> None:
    with connected(url, issued.text) as agent:
        agent.send(make_hello())
        agent.receive()
        agent.send(make_batch(1))
        reject = refused(agent)
        assert (reject.code, reject.path, reject.seq) == ("unknown_set", "$.set", 1)
        retry = agent.receive()
        assert isinstance(retry, Retry)
        assert retry.seqs == [1]
        agent.send(SeriesSetFrame(hash=SET_HASH, series=SERIES))
        assert agent.deliver(1).stored == 1


def test_a_series_set_that_is_not_what_its_hash_says_is_refused(agent: ScriptedAgent) -> None:
    agent.send(SeriesSetFrame(hash=SET_HASH[::-1], series=SERIES))
    reject = refused(agent)
    assert (reject.code, reject.path) == ("bad_set", "$.hash")
    assert agent.deliver(1).stored == 1


def test_a_catalogued_metric_in_another_unit_is_refused(agent: ScriptedAgent) -> None:
    series = [Series("hw.temperature", "[degF]", "inlet")]
    agent.send(SeriesSetFrame(hash=series_hash(series), series=series))
    reject = refused(agent)
    assert (reject.code, reject.path) == ("bad_set", "$.series[0][1]")
    assert "'Cel'" in reject.message


def test_an_oversize_frame_closes_with_1009(agent: ScriptedAgent) -> None:
    agent.socket.send(bytes(MAX_FRAME_BYTES + 1))
    with pytest.raises(ConnectionClosed) as closed:
        agent.socket.recv(timeout=PATIENCE_SECONDS)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


def test_a_batch_of_too_many_windows_is_refused_as_a_whole(
    agent: ScriptedAgent, node: Node
) -> None:
    agent.send(make_batch(1, *[make_window()] * 513))
    reject = refused(agent)
    assert (reject.code, reject.path, reject.seq) == ("too_large", "$.windows", 1)
    assert acked(agent).stored == 0
    assert Gap.objects.get(node=node).windows == 513
    assert agent.deliver(2).stored == 1


def test_a_number_used_for_something_else_is_refused_and_stores_nothing(
    agent: ScriptedAgent,
) -> None:
    assert agent.deliver(1).stored == 1
    agent.send(make_batch(1, make_window(seconds=9.0)))
    reject = refused(agent)
    assert (reject.code, reject.seq) == ("sequence_reused", 1)
    ack = acked(agent)
    assert (ack.seqs, ack.stored, ack.duplicates) == ([1], 0, 0)
    assert WindowRow.objects.count() == 1
    assert Rejection.objects.get().code == "sequence_reused"


def test_nothing_is_taken_before_the_hello(url: str, issued: IssuedToken) -> None:
    with connected(url, issued.text) as agent:
        agent.send(make_batch(1))
        reject = refused(agent)
        assert (reject.code, reject.lane, reject.seq) == ("not_greeted", 1, 1)
        agent.greet()
        assert agent.deliver(1).stored == 1


def test_a_second_hello_is_refused(agent: ScriptedAgent) -> None:
    agent.send(make_hello())
    assert refused(agent).code == "already_greeted"
    assert agent.deliver(1).stored == 1


def test_an_agent_of_another_version_is_told_what_to_upgrade(url: str, issued: IssuedToken) -> None:
    with connected(url, issued.text) as agent:
        agent.send(make_hello(version=2))
        reject = refused(agent)
        assert reject.code == "bad_version"
        assert "Upgrade the server" in reject.message
        with pytest.raises(ConnectionClosed) as closed:
            agent.receive()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4400


def test_unknown_nodes_in_a_hello_are_named_and_the_others_welcome(
    url: str, issued: IssuedToken
) -> None:
    hello = make_hello()
    strangers = [*hello.nodes, type(hello.nodes[0])(name="ghost")]
    with connected(url, issued.text) as agent:
        agent.greet(nodes=strangers)
        reject = refused(agent)
        assert reject.code == "unknown_node"
        assert "'ghost'" in reject.message
        assert agent.deliver(1).stored == 1


def test_a_state_report_of_an_unknown_node_is_refused_and_acknowledged(
    agent: ScriptedAgent,
) -> None:
    now_ms = int(time.time() * 1000)
    agent.send(
        StateReport(seq=1, node="ghost", at_ms=now_ms, boot_id="b", uptime_seconds=1, items=[])
    )
    reject = refused(agent)
    assert (reject.code, reject.lane, reject.seq) == ("unknown_node", 2, 1)
    assert acked(agent).lane == 2


def test_a_gap_that_ends_before_it_starts_is_refused(agent: ScriptedAgent) -> None:
    now_ms = int(time.time() * 1000)
    agent.send(
        GapReport(
            seq=1, node="node-1", start_ms=now_ms, end_ms=now_ms - 1, windows=1, cause="evicted"
        )
    )
    assert refused(agent).code == "inconsistent"
    assert acked(agent).lane == 2
    assert Gap.objects.count() == 0


def test_a_flood_of_refusals_is_counted_and_not_kept_one_by_one(agent: ScriptedAgent) -> None:
    for seq in range(1, 4):
        agent.send(make_batch(seq, *[bad_window("nan")] * 30))
        rejects = [refused(agent)]
        while isinstance(frame := agent.receive(), Reject):
            rejects.append(frame)
        assert isinstance(frame, Ack)
    assert Rejection.objects.count() == 50
    assert (rejects[-1].quarantine, len(rejects)) == (None, 1)
    assert rejects[-1].message.startswith("30 windows were refused")
    assert sum(Gap.objects.values_list("windows", flat=True)) == 90
    assert isinstance(agent.ping(5), Pong)
