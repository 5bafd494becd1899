"""The ingest door on a real socket, over a real database."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from channels.routing import ProtocolTypeRouter, URLRouter
from django.db import connection

from fleet.models import Node
from fleet.services.tokens import IssuedToken, create_agent_token
from telemetry.ingest.process import lifespan, stop_ingest_process
from telemetry.ingest.routing import websocket_urlpatterns
from telemetry.protocol import MAX_FRAME_BYTES
from tests.factories import NOON, make_node, make_site
from tests.telemetry.ingest.gates import CommitGate
from tests.telemetry.ingest.scripted import ScriptedAgent, connected


@pytest.fixture
def database(transactional_db: None) -> Iterator[None]:
    """A database that others commit to; the windows' table is not Django's to empty."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE telemetry_window")


@pytest.fixture
def node(database: None) -> Node:
    """Node-1 at a site of its own."""
    return make_node(site=make_site(), name="node-1")


@pytest.fixture
def issued(node: Node) -> IssuedToken:
    """A token of node-1's site."""
    return create_agent_token(site=node.site, label="agent", now=NOON)


@pytest.fixture
def url(database: None) -> Iterator[str]:
    """The address of a door that runs in this process."""
    application = ProtocolTypeRouter(
        {"websocket": URLRouter(websocket_urlpatterns), "lifespan": lifespan}
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            application, log_level="warning", ws_max_size=MAX_FRAME_BYTES, lifespan="on"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/ws/ingest/"
        server.should_exit = True
        thread.join()


@pytest.fixture
def process_ended(database: None) -> Iterator[None]:
    """Whatever the test starts of the door in this process ends with it."""
    yield
    stop_ingest_process()


@pytest.fixture
def agent(url: str, issued: IssuedToken) -> Iterator[ScriptedAgent]:
    """An agent that has been greeted and has announced its series."""
    with connected(url, issued.text) as scripted:
        scripted.greet()
        yield scripted


@pytest.fixture
def gate(database: None) -> Iterator[CommitGate]:
    """A gate in front of every COMMIT of the door."""
    with CommitGate() as gate:
        yield gate
