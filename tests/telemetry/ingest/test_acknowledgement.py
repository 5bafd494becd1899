"""Acknowledged means committed: through locks, crashes and a database that goes away."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection

from fleet.models import Node
from fleet.services.tokens import IssuedToken, create_agent_token
from telemetry.models import LedgerEntry, Rejection, SeriesSet, WindowRow
from telemetry.protocol import Ack, GapReport, Pong, Reject, Retry, Welcome
from tests.factories import NOON, make_node
from tests.processes import wait_until
from tests.telemetry.ingest.gates import CommitGate, database_away, database_url
from tests.telemetry.ingest.scripted import (
    SERIES,
    ScriptedAgent,
    connected,
    make_batch,
    make_hello,
    make_window,
)

ROOT = Path(__file__).resolve().parent.parent.parent.parent


@contextmanager
def door_process() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run the product's own server in a process of its own; yield the address and the process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor = listener.fileno()
        command = [sys.executable, "-m", "uvicorn", "fleet.asgi:application"]
        command += ["--fd", str(descriptor), "--log-level", "warning"]
        env = os.environ | {"DATABASE_URL": database_url(connection.settings_dict["NAME"])}
        server = subprocess.Popen(command, env=env, cwd=ROOT, pass_fds=[descriptor])
        try:
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}/ws/ingest/", server
        finally:
            server.kill()
            server.wait()


def test_a_batch_sent_twice_is_stored_once_and_acked_twice(agent: ScriptedAgent) -> None:
    batch = make_batch(1, make_window(), make_window(seconds=9.0))
    agent.send(batch)
    agent.send(batch)
    first, second = agent.receive(), agent.receive()
    assert first == Ack(lane=1, seqs=[1], stored=2)
    assert second == Ack(lane=1, seqs=[1], stored=0, duplicates=2)
    assert WindowRow.objects.count() == 2
    assert LedgerEntry.objects.get().windows == 2


def test_what_was_stored_is_what_was_sent(agent: ScriptedAgent, node: Node) -> None:
    batch = make_batch(1)
    agent.send(batch)
    agent.receive()
    row = WindowRow.objects.get()
    assert SeriesSet.objects.get(pk=row.series_set_id).series == [
        [series.metric, series.unit, series.device] for series in SERIES
    ]
    assert (row.node_id, row.seconds, row.flags) == (node.pk, 10, 0)
    assert row.start.timestamp() * 1000 == pytest.approx(batch.windows[0].start_ms)
    assert row.n == [10, 10, 0]
    assert row.min == pytest.approx([20.5, 0.1, 0])
    assert row.max == pytest.approx([24.5, 0.5, 0])
    assert row.sum == pytest.approx([225, 3, 0])
    assert row.last == pytest.approx([22.5, 0.25, 0])


def test_numbers_of_two_spools_do_not_clash(url: str, issued: IssuedToken) -> None:
    for epoch in ("epoch-1", "epoch-2"):
        with connected(url, issued.text) as agent:
            agent.greet(epoch=epoch)
            assert agent.deliver(1).stored == 1
    assert WindowRow.objects.count() == 2


def test_no_ack_comes_before_the_commit_and_pings_are_answered_meanwhile(
    agent: ScriptedAgent, gate: CommitGate
) -> None:
    gate.shut()
    agent.send(make_batch(1))
    wait_until(gate.is_somebody_waiting)
    assert [type(agent.ping(number)) for number in (1, 2, 3)] == [Pong, Pong, Pong]
    assert WindowRow.objects.count() == 0
    gate.open()
    assert agent.receive() == Ack(lane=1, seqs=[1], stored=1)
    assert WindowRow.objects.count() == 1


def test_beyond_its_credit_an_agent_is_told_to_keep_the_batch(
    agent: ScriptedAgent, gate: CommitGate
) -> None:
    gate.shut()
    for seq in range(1, 34):
        agent.send(make_batch(seq))
    retry = agent.receive()
    assert isinstance(retry, Retry)
    assert (retry.lane, retry.seqs) == (1, [33])
    gate.open()
    acked: list[int] = []
    while len(acked) < 32:
        ack = agent.receive()
        assert isinstance(ack, Ack)
        acked += ack.seqs
    assert sorted(acked) == list(range(1, 33))
    assert agent.deliver(33).stored == 1


def test_a_server_killed_between_commit_and_ack_stores_the_batch_once(
    node: Node, issued: IssuedToken, gate: CommitGate
) -> None:
    batch = make_batch(1)
    with door_process() as (url, server), connected(url, issued.text) as agent:
        agent.greet()
        gate.shut()
        agent.send(batch)
        wait_until(gate.is_somebody_waiting)
        # The server has asked for the COMMIT and will never hear of it.
        server.kill()
        server.wait()
        gate.open()
    wait_until(lambda: WindowRow.objects.count() == 1)
    with door_process() as (url, _), connected(url, issued.text) as agent:
        agent.greet()
        agent.send(batch)
        assert agent.receive() == Ack(lane=1, seqs=[1], stored=0, duplicates=1)
    assert WindowRow.objects.count() == 1


def test_a_database_that_goes_away_delays_the_ack_and_loses_nothing(agent: ScriptedAgent) -> None:
    assert agent.deliver(1).stored == 1
    with database_away():
        agent.send(make_batch(2))
        assert isinstance(agent.ping(1), Pong)
    assert agent.receive() == Ack(lane=1, seqs=[2], stored=1)
    assert WindowRow.objects.count() == 2


def test_an_agent_that_comes_while_the_database_is_away_is_greeted_when_it_is_back(
    url: str, issued: IssuedToken
) -> None:
    with connected(url, issued.text) as agent:
        with database_away():
            agent.send(make_hello())
            assert isinstance(agent.ping(1), Pong)
        assert isinstance(agent.receive(), Welcome)


def test_a_frame_that_the_database_refuses_is_kept_aside_and_does_not_hold_up_others(
    agent: ScriptedAgent, node: Node, gate: CommitGate
) -> None:
    doomed = make_node(site=node.site, name="doomed")
    with connected(agent_url(agent), token_of(node)) as other:
        other.greet(agent="agent-2")
        doomed.delete()
        gate.shut()
        # The first holds the COMMIT, so that the next two share a transaction.
        agent.send(make_batch(1))
        wait_until(gate.is_somebody_waiting)
        now_ms = int(time.time() * 1000)
        other.send(
            GapReport(
                seq=1, node="doomed", start_ms=now_ms, end_ms=now_ms, windows=3, cause="evicted"
            )
        )
        assert isinstance(other.ping(1), Pong)
        agent.send(make_batch(2))
        assert isinstance(agent.ping(1), Pong)
        gate.open()
        assert agent.receive() == Ack(lane=1, seqs=[1], stored=1)
        assert agent.receive() == Ack(lane=1, seqs=[2], stored=1)
        reject = other.receive()
        assert isinstance(reject, Reject)
        assert (reject.code, reject.lane, reject.seq) == ("malformed", 2, 1)
        assert other.receive() == Ack(lane=2, seqs=[1], stored=0)
    assert Rejection.objects.get().pk == reject.quarantine


def agent_url(agent: ScriptedAgent) -> str:
    """Return the address this agent is connected to."""
    host, port = agent.socket.remote_address[:2]
    return f"ws://{host}:{port}/ws/ingest/"


def token_of(node: Node) -> str:
    """Make another token of the node's site."""
    return create_agent_token(site=node.site, label="second", now=NOON).text
