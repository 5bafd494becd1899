"""Who may open which socket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from channels.testing import WebsocketCommunicator

from fleet.asgi import application
from telemetry.ingest.process import stop_ingest_process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def process_ended(transactional_db: None) -> Iterator[None]:
    """Whatever a test starts of the ingest door ends with it."""
    yield
    stop_ingest_process()


async def test_a_page_of_another_site_cannot_open_the_live_socket() -> None:
    headers = [(b"origin", b"https://elsewhere.example")]
    page = WebsocketCommunicator(application, "/ws/live/", headers=headers)
    is_open, _code = await page.connect()
    assert not is_open
    await page.wait()


async def test_an_agent_needs_no_origin_and_no_session() -> None:
    agent = WebsocketCommunicator(application, "/ws/ingest/")
    is_open, _code = await agent.connect()
    assert is_open
    # It has no token either, and is told so.
    closed = await agent.receive_output(timeout=20)
    assert (closed["type"], closed["code"]) == ("websocket.close", 4401)
    await agent.wait()
