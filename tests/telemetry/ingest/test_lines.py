"""Who may connect, in which encoding, and what ends a connection."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from asgiref.sync import sync_to_async
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close
from websockets.sync.client import connect

from fleet.models import Node
from fleet.services.tokens import IssuedToken, revoke_agent_token
from telemetry.ingest.process import ingest_process
from telemetry.ingest.routing import websocket_urlpatterns
from telemetry.models import AgentSource, BootRecord
from telemetry.protocol import (
    SUBPROTOCOL_JSON,
    SUBPROTOCOL_MSGPACK,
    Ack,
    Bye,
    Pong,
    Reject,
    Welcome,
)
from tests.factories import NOON, make_node
from tests.telemetry.ingest.scripted import (
    PATIENCE_SECONDS,
    ScriptedAgent,
    connected,
    make_batch,
    make_hello,
    make_window,
)


def closing(agent: ScriptedAgent) -> Close:
    """Return how the server closes the connection."""
    with pytest.raises(ConnectionClosed) as closed:
        agent.receive()
    assert closed.value.rcvd is not None
    return closed.value.rcvd


@pytest.mark.parametrize("token", ["", "hw_" + "x" * 40, "hw_\xe9"])
def test_a_wrong_token_is_refused_with_what_to_do(url: str, token: str) -> None:
    with connected(url, token) as agent:
        end = closing(agent)
    assert end.code == 4401
    assert "create_agent_token" in end.reason


def test_no_token_is_refused_like_a_wrong_one(url: str) -> None:
    with connect(url, proxy=None) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=PATIENCE_SECONDS)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


def test_a_revoked_token_opens_nothing(url: str, issued: IssuedToken) -> None:
    revoke_agent_token(token=issued.token, now=NOON)
    with connected(url, issued.text) as agent:
        assert closing(agent).code == 4401


def test_revoking_a_token_closes_its_connections(agent: ScriptedAgent, issued: IssuedToken) -> None:
    revoke_agent_token(token=issued.token, now=NOON)
    # The door does this at each beat, every 5 s.
    ingest_process().connections.check_tokens(NOON)
    end = closing(agent)
    assert end.code == 4403
    assert "revoked" in end.reason


def test_the_use_of_a_token_is_noted(agent: ScriptedAgent, issued: IssuedToken) -> None:
    issued.token.refresh_from_db()
    assert issued.token.last_used_at is not None


def test_people_talk_json_in_text_and_are_answered_in_text(url: str, issued: IssuedToken) -> None:
    headers = {"Authorization": f"Bearer {issued.text}"}
    with connect(url, additional_headers=headers, proxy=None) as socket:
        assert socket.subprotocol is None
        socket.send('{"type": "ping", "id": 7, "wall_ms": 0}')
        answer = socket.recv(timeout=PATIENCE_SECONDS)
    assert isinstance(answer, str)
    assert answer.startswith('{"type":"pong","id":7,')


@pytest.mark.parametrize("subprotocol", [SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK])
def test_both_encodings_carry_a_batch(url: str, issued: IssuedToken, subprotocol: str) -> None:
    with connected(url, issued.text, subprotocol=subprotocol) as agent:
        assert agent.socket.subprotocol == subprotocol
        agent.greet()
        columns = {"n": [10, 10, 0], "min": [1, 0, 0], "max": [2, 1, 0]}
        window = make_window(**columns, sum=[15, 5, 0], last=[1.5, 0.5, 0])
        agent.send(make_batch(1, window))
        assert agent.receive() == Ack(lane=1, seqs=[1], stored=1)


def test_an_unknown_encoding_is_refused_with_the_ones_there_are(
    url: str, issued: IssuedToken
) -> None:
    headers = {"Authorization": f"Bearer {issued.text}"}
    offer = ["mqtt"]
    with (
        connect(url, additional_headers=headers, subprotocols=offer, proxy=None) as socket,  # type: ignore[arg-type]  # a plain word is one
        pytest.raises(ConnectionClosed) as closed,
    ):
        socket.recv(timeout=PATIENCE_SECONDS)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4400
    assert "hearthwatch.v1.json" in closed.value.rcvd.reason


def test_the_welcome_says_what_the_agent_may_send(url: str, issued: IssuedToken) -> None:
    with connected(url, issued.text) as agent:
        welcome = agent.greet()
    assert (welcome.version, welcome.credit) == (1, 32)
    assert welcome.max_frame_bytes == 1 << 20


def test_a_hello_writes_down_agent_clock_and_boot(
    url: str, issued: IssuedToken, node: Node
) -> None:
    with connected(url, issued.text) as agent:
        agent.greet(wall_ms=int(time.time() * 1000) + 3_600_000, window_seconds=30.0)
    source = AgentSource.objects.get()
    assert (source.site, source.agent, source.epoch) == (node.site, "agent-1", "epoch-1")
    assert source.clock_offset_seconds == pytest.approx(3600, abs=PATIENCE_SECONDS)
    boot = BootRecord.objects.get()
    assert (boot.node, boot.boot_id, boot.uptime_seconds) == (node, "boot-1", 60)
    node.refresh_from_db()
    assert node.boot_id == "boot-1"
    assert node.window_seconds == 30


def test_a_reconnecting_agent_is_the_same_source(url: str, issued: IssuedToken) -> None:
    for _ in range(2):
        with connected(url, issued.text) as agent:
            agent.greet()
    assert AgentSource.objects.count() == 1
    assert BootRecord.objects.count() == 1


def test_a_token_speaks_for_its_own_site_only(agent: ScriptedAgent) -> None:
    make_node(name="elsewhere")
    agent.send(make_batch(1, make_window(node="elsewhere")))
    reject = agent.receive()
    assert isinstance(reject, Reject)
    assert reject.code == "unknown_node"


def test_a_node_added_later_is_known_without_a_new_hello(agent: ScriptedAgent, node: Node) -> None:
    make_node(site=node.site, name="new")
    ingest_process().connections.refresh_nodes(NOON)
    assert isinstance(agent.ping(1), Pong)
    agent.send(make_batch(1, make_window(node="new")))
    assert agent.receive() == Ack(lane=1, seqs=[1], stored=1)


def test_too_many_at_once_are_sent_away_for_a_while(url: str, issued: IssuedToken) -> None:
    with connected(url, issued.text) as agent:
        agent.greet()
        ingest_process().waiting = 2000
        with connected(url, issued.text) as late:
            bye = late.receive()
            assert isinstance(bye, Bye)
            assert bye.after_ms == 30_000
            assert closing(late).code == 4429
        assert isinstance(agent.ping(1), Pong)


def test_frames_before_the_welcome_are_answered_and_not_lost(url: str, issued: IssuedToken) -> None:
    with connected(url, issued.text) as agent:
        agent.send(make_hello())
        assert {type(agent.ping(1)), type(agent.receive())} == {Pong, Welcome}


@pytest.fixture
def busy() -> Iterator[threading.Event]:
    """What a view waits for; it is over at the end of the test at the latest."""
    event = threading.Event()
    yield event
    event.set()


async def test_a_view_that_waits_for_the_database_holds_up_no_line(
    issued: IssuedToken, process_ended: None, busy: threading.Event
) -> None:
    # All synchronous views share this thread.
    view = asyncio.create_task(sync_to_async(busy.wait)(PATIENCE_SECONDS))
    line = WebsocketCommunicator(
        URLRouter(websocket_urlpatterns),
        "/ws/ingest/",
        headers=[(b"authorization", b"Bearer " + issued.text.encode())],
    )
    assert await line.connect(timeout=PATIENCE_SECONDS / 2) == (True, None)
    await line.send_to(text_data='{"type": "ping", "id": 7, "wall_ms": 0}')
    answer = await line.receive_from(timeout=PATIENCE_SECONDS / 2)
    assert answer.startswith('{"type":"pong","id":7,')
    busy.set()
    assert await view
    await line.disconnect()
