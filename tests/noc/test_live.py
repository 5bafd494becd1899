"""The live line: hints for those who may hear them, and a heartbeat that cannot lie."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.layers import InMemoryChannelLayer, get_channel_layer
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet.live import GROUP, LiveEvent
from fleet.models import Membership, Node
from fleet.noc.consumers import FRESHNESS, Freshness, LiveConsumer
from tests.factories import NOON, make_node, make_site, make_user

pytestmark = pytest.mark.django_db(transaction=True)

Rows = Callable[..., Coroutine[Any, Any, Any]]


class QuickConsumer(LiveConsumer):
    """Beats at once and believes nothing for long."""

    beat_seconds = 0.01
    visible_seconds = 0.0


class DeadLayer(InMemoryChannelLayer):
    """A broker that takes members and passes nothing on."""

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        raise OSError("the broker is gone")


class DeafLayer(InMemoryChannelLayer):
    """A broker whose client loses the cancellation of what it sends, as a busy one can."""

    senders: asyncio.Queue[Any]

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        self.senders.put_nowait(asyncio.current_task())
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


@pytest.fixture(autouse=True)
async def _clean_line() -> AsyncIterator[None]:
    FRESHNESS.forget()
    yield
    # The consumers' thread keeps its connection, and the test database could not be dropped.
    await database_sync_to_async(connections.close_all)()


def rows(function: Callable[..., Any]) -> Rows:
    """Let a test that is asynchronous make rows."""
    return database_sync_to_async(function)


@asynccontextmanager
async def line_of(
    user: Any, consumer: type[LiveConsumer] = LiveConsumer, session: Any = None
) -> AsyncIterator[WebsocketCommunicator]:
    """Open a line and read its hello."""
    communicator = WebsocketCommunicator(consumer.as_asgi(), "/ws/live/")
    communicator.scope |= {"user": user, "session": session}
    await communicator.connect()
    await communicator.receive_from()
    yield communicator
    await communicator.disconnect()


async def publish(event: LiveEvent, *, site: int, id: int) -> None:
    layer = get_channel_layer()
    await layer.group_send(GROUP, {"type": event.value, "site": site, "id": id})


async def hear(communicator: WebsocketCommunicator, event: str) -> dict[str, Any]:
    """Return the next message of a kind; heartbeats alone do not keep the test waiting."""
    async with asyncio.timeout(10):
        while True:
            message: dict[str, Any] = json.loads(await communicator.receive_from(timeout=5))
            if message["event"] == event:
                return message


async def test_somebody_not_signed_in_is_told_so_and_let_go() -> None:
    communicator = WebsocketCommunicator(LiveConsumer.as_asgi(), "/ws/live/")
    communicator.scope["user"] = AnonymousUser()
    await communicator.connect()
    assert await communicator.receive_output() == {"type": "websocket.close", "code": 4401}
    await communicator.disconnect()


async def test_hello_says_the_time_and_the_newest_reading_the_reader_may_see() -> None:
    node = await rows(make_node)(last_received_at=NOON)
    await rows(make_node)(last_received_at=NOON + timedelta(minutes=1))
    user = await rows(make_user)("operator", node.site)
    communicator = WebsocketCommunicator(LiveConsumer.as_asgi(), "/ws/live/")
    communicator.scope["user"] = user
    await communicator.connect()
    hello = json.loads(await communicator.receive_from())
    assert (hello["event"], hello["newest"]) == ("hello", NOON.isoformat())
    assert hello["at"].endswith("+00:00")
    await communicator.disconnect()


@pytest.mark.parametrize("event", list(LiveEvent))
async def test_an_event_of_a_visible_site_is_passed_on_with_ids_alone(event: LiveEvent) -> None:
    site = await rows(make_site)()
    user = await rows(make_user)("operator", site)
    async with line_of(user) as line:
        await publish(event, site=site.pk, id=7)
        heard = json.loads(await line.receive_from())
    assert heard == {"event": event.value.replace(".", "-"), "id": 7, "site": site.pk}


async def test_an_event_of_a_hidden_site_is_not_passed_on() -> None:
    hidden, site = await rows(make_site)(), await rows(make_site)()
    user = await rows(make_user)("operator", site)
    async with line_of(user) as line:
        await publish(LiveEvent.ALERT_CHANGED, site=hidden.pk, id=1)
        await publish(LiveEvent.ALERT_CHANGED, site=site.pk, id=2)
        assert (await hear(line, "alert-changed"))["id"] == 2


async def test_the_heartbeat_comes_back_through_the_broker() -> None:
    node = await rows(make_node)(last_received_at=NOON)
    user = await rows(make_user)("operator", node.site)
    async with line_of(user, QuickConsumer) as line:
        assert (await hear(line, "heartbeat"))["newest"] == NOON.isoformat()


async def test_a_dead_broker_is_silence_and_no_fall(settings: Any) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{__name__}.DeadLayer"}}
    user = await rows(make_user)("operator")
    async with line_of(user, QuickConsumer) as line:
        assert await line.receive_nothing(timeout=0.3)


async def test_a_heartbeat_ends_with_its_line_though_its_cancellation_is_lost(
    settings: Any,
) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{__name__}.DeafLayer"}}
    user = await rows(make_user)("operator")
    DeafLayer.senders = asyncio.Queue()
    async with line_of(user, QuickConsumer):
        beating = await DeafLayer.senders.get()
    await asyncio.wait([beating], timeout=10)
    assert beating.done()
    assert DeafLayer.senders.empty()


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(st.text() | st.binary(), min_size=1, max_size=30))
async def test_whatever_a_browser_says_is_ignored(said: list[str | bytes]) -> None:
    site = await rows(make_site)()
    user = await rows(make_user)("operator", site)
    async with line_of(user) as line:
        for word in said:
            kind = "text" if isinstance(word, str) else "bytes"
            await line.send_input({"type": "websocket.receive", kind: word})
        await publish(LiveEvent.SITE_CHANGED, site=site.pk, id=site.pk)
        assert (await hear(line, "site-changed"))["site"] == site.pk


async def test_a_line_whose_session_ended_is_closed() -> None:
    user = await rows(make_user)("operator")
    session = SessionStore()
    await rows(session.create)()
    async with line_of(user, QuickConsumer, session) as line:
        await hear(line, "heartbeat")
        await rows(session.delete)()
        await hear_close(line)


async def test_a_line_of_somebody_switched_off_is_closed() -> None:
    user = await rows(make_user)("operator")
    async with line_of(user, QuickConsumer) as line:
        user.is_active = False
        await rows(user.save)()
        await hear_close(line)


async def hear_close(line: WebsocketCommunicator) -> None:
    """Read on until the line is closed, and check why."""
    async with asyncio.timeout(10):
        said = await line.receive_output(timeout=5)
        while said["type"] == "websocket.send":
            said = await line.receive_output(timeout=5)
    assert said == {"type": "websocket.close", "code": 4401}


async def test_a_role_taken_away_ends_the_hints() -> None:
    site, other = await rows(make_site)(), await rows(make_site)()
    user = await rows(make_user)("operator", site)
    await rows(make_both)(user, other)
    async with line_of(user, QuickConsumer) as line:
        await rows(Membership.objects.filter(user=user, site=site).delete)()
        # Two heartbeats: the first may have been on its way.
        await hear(line, "heartbeat")
        await hear(line, "heartbeat")
        await publish(LiveEvent.SITE_CHANGED, site=site.pk, id=site.pk)
        await publish(LiveEvent.SITE_CHANGED, site=other.pk, id=other.pk)
        assert (await hear(line, "site-changed"))["id"] == other.pk


def make_both(user: Any, site: Any) -> None:
    Membership.objects.create(user=user, role="operator", site=site)


def test_freshness_asks_the_database_once_for_all_browsers(
    django_assert_num_queries: Any,
) -> None:
    node = make_node(last_received_at=NOON)
    freshness = Freshness(keep_seconds=60)
    with django_assert_num_queries(1):
        assert freshness.newest([node.site_id]) == NOON
        assert freshness.newest([]) is None
    Node.objects.update(last_received_at=NOON + timedelta(seconds=5))
    freshness.forget()
    assert freshness.newest([node.site_id]) == NOON + timedelta(seconds=5)
