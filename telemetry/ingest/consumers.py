"""One agent's line: decode, hand over, answer. No rule lives here, and nothing waits for a disk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from datetime import datetime
from typing import Any
from uuid import uuid4

from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import Error
from django.utils import timezone

from telemetry.codec import Codec
from telemetry.ingest.auth import Identity, bearer_token, identify
from telemetry.ingest.greeting import greet_agent
from telemetry.ingest.process import ingest_process
from telemetry.ingest.session import Decision, Session
from telemetry.protocol import (
    CLOSE_BAD_HELLO,
    CLOSE_BUSY,
    CLOSE_REVOKED,
    CLOSE_UNAUTHORIZED,
    SUBPROTOCOL_JSON,
    SUBPROTOCOL_MSGPACK,
    Bye,
    Hello,
    ProtocolError,
    RejectCode,
    ServerFrame,
)

logger = logging.getLogger(__name__)

#: The encodings by sub-protocol; stateless, so all connections share them.
CODECS = {name: Codec(name) for name in (SUBPROTOCOL_MSGPACK, SUBPROTOCOL_JSON)}
#: How long an agent stays away when too many come at once, in milliseconds.
BUSY_MS = 30_000
#: What WebSocket says of a server that cannot go on (RFC 6455).
CLOSE_FAILED = 1011
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0

# Close reasons end at 123 bytes.
WHY_UNAUTHORIZED = (
    "No valid token. Send 'Authorization: Bearer TOKEN'; manage.py create_agent_token makes one."
)
WHY_REVOKED = "The token was revoked. Get a new one: manage.py create_agent_token --site SLUG."
WHY_NO_ENCODING = f"Offer the sub-protocol {SUBPROTOCOL_MSGPACK} or {SUBPROTOCOL_JSON}."
WHY_BUSY = "Too many agents connect at once. Come back later."
WHY_FAILED = "This server failed over the connection. Come back, and report this."
WHY_REFUSED = "The last frame was refused; see the reject before this."


class IngestConsumer(AsyncWebsocketConsumer):
    """One agent's connection."""

    # None of that name: telemetry takes no part in the channel layer, so Redis may be away.
    channel_layer_alias = "ingest-has-none"
    identity: Identity

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Handle one event.

        Channels' own first hops to the thread that all synchronous views share, to tidy database
        connections that are not ours. That costs 70 us a frame, and the read loop would stand
        still whenever a view there waits for the database.
        """
        await getattr(self, get_handler_name(message))(message)

    async def connect(self) -> None:
        """Accept at once, so that whatever is wrong can be said; check the token meanwhile."""
        self.process = ingest_process()
        self.session = Session(session_id=uuid4().hex, credit=settings.HEARTHWATCH_INGEST_CREDIT)
        self.loop = asyncio.get_running_loop()
        self.is_closing = False
        self.is_text = False
        self.outbox: asyncio.Queue[tuple[list[ServerFrame], int]] = asyncio.Queue()
        self.tasks: set[asyncio.Task[Any]] = set()
        offered = self.scope["subprotocols"]
        chosen = next((name for name in offered if name in CODECS), None)
        self.codec = CODECS[chosen or SUBPROTOCOL_JSON]
        await self.accept(subprotocol=chosen)
        if offered and chosen is None:
            await self.hang_up(CLOSE_BAD_HELLO, WHY_NO_ENCODING)
        elif self.process.is_crowded:
            await self.send_frame(Bye(code="busy", message=WHY_BUSY, after_ms=BUSY_MS))
            await self.hang_up(CLOSE_BUSY, WHY_BUSY)
        else:
            self.identified = self._spawn(self._identify(bearer_token(self.scope["headers"])))
            self._spawn(self._send_outbox())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Decide about one frame and act on it, without ever waiting for the database."""
        if self.is_closing:
            return
        if text_data is not None:
            # Whoever writes text, most likely at a terminal, reads text.
            self.is_text = self.codec.subprotocol == SUBPROTOCOL_JSON
            bytes_data = text_data.encode()
        now = timezone.now()
        decision = self._decide(bytes_data or b"", now)
        for intake in decision.intakes:
            if not self.process.committer.offer(intake, self):
                decision.answers += self.session.put_back(intake)
        for answer in decision.answers:
            await self.send_frame(answer)
        if decision.hello is not None:
            self._spawn(self._greet(decision.hello, now))
        if decision.close_code is not None:
            await self.hang_up(decision.close_code, WHY_REFUSED)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        """Let go of everything; what is queued still commits."""
        self.is_closing = True
        self.process.connections.remove(self)
        for task in self.tasks:
            task.cancel()
        for intake in self.session.leave(now=timezone.now()):
            self.process.committer.offer(intake, self)
        raise StopConsumer

    def deliver(self, frames: list[ServerFrame], *, settled: int) -> None:
        """Take answers from the committer's thread."""
        self._in_loop(self.outbox.put_nowait, (frames, settled))

    def know_nodes(self, nodes: dict[str, int]) -> None:
        """Take the site's nodes from the door's thread."""
        self._in_loop(self.session.know_nodes, nodes)

    def revoke(self) -> None:
        """Close, as the door's thread says."""
        self._in_loop(lambda: self._spawn(self.hang_up(CLOSE_REVOKED, WHY_REVOKED)))

    async def send_frame(self, frame: ServerFrame) -> None:
        """Send one frame, to whoever is still there."""
        data = self.codec.encode(frame)
        # The connection may end at any moment, which is no fault of the frame.
        with contextlib.suppress(OSError):
            if self.is_closing:
                return
            if self.is_text:
                await self.send(text_data=data.decode())
            else:
                await self.send(bytes_data=data)

    async def hang_up(self, code: int, reason: str) -> None:
        """Close the connection, once."""
        if not self.is_closing:
            self.is_closing = True
            with contextlib.suppress(OSError):
                await self.close(code=code, reason=reason)

    def _decide(self, data: bytes, now: datetime) -> Decision:
        try:
            self.session.check_size(len(data))
            frame = self.codec.decode_from_agent(data)
            return self.session.on_frame(frame, data=data, now=now)
        except ProtocolError as exc:
            error = exc
        except Exception:
            # The outer loop of a connection: raised further it would end without a close frame,
            # and the agent would come back and send the same for ever.
            logger.exception("frame.failed", extra={"session": self.session.session_id})
            message = "This server failed over the frame and keeps it. Report this."
            error = ProtocolError(RejectCode.MALFORMED, message)
        lane, seq = self.codec.identify(data)
        return self.session.on_unreadable(error, lane=lane, seq=seq, data=data, now=now)

    async def _identify(self, token: str) -> Identity | None:
        """Find out whose token it is; take note of the connection, or close it."""
        identity: Identity | None = await self._patiently(identify, token=token)
        if identity is None:
            await self.hang_up(CLOSE_UNAUTHORIZED, WHY_UNAUTHORIZED)
            return None
        self.identity = identity
        self.process.connections.add(self)
        return identity

    async def _greet(self, hello: Hello, now: datetime) -> None:
        identity = await self.identified
        if identity is not None:
            greeting = await self._patiently(greet_agent, identity=identity, hello=hello, now=now)
            for frame in self.session.greet(greeting, now=timezone.now()):
                await self.send_frame(frame)

    async def _patiently(self, function: Any, **arguments: Any) -> Any:
        """Return what the database says, however long it is away."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await self.process.in_database(function, **arguments)
            except Error:
                logger.exception("greeting.postponed", extra={"pause": pause})
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _send_outbox(self) -> None:
        while True:
            frames, settled = await self.outbox.get()
            for frame in frames:
                await self.send_frame(frame)
            # Only now is there room for more: an agent that does not read its answers fills its
            # own credit and not our memory.
            self.session.settle(settled)

    async def _guard(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await work
        except Exception:
            # The outer loop of a connection: an agent that waits for nothing must not wait.
            logger.exception("line.failed", extra={"session": self.session.session_id})
            await self.hang_up(CLOSE_FAILED, WHY_FAILED)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = self.loop.create_task(self._guard(work))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def _in_loop(self, function: Any, *arguments: Any) -> None:
        # At the end of the process the loop may be gone before the threads.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(function, *arguments)
