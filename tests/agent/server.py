"""A real WebSocket server on this machine that behaves as a script says."""

from __future__ import annotations

import asyncio
import http
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from telemetry.codec import Codec
from telemetry.protocol import (
    LANE_BACKFILL,
    LANE_LIVE,
    SUBPROTOCOL_JSON,
    SUBPROTOCOL_MSGPACK,
    Ack,
    AgentFrame,
    Batch,
    GapReport,
    Hello,
    Ping,
    Pong,
    Reject,
    SeriesSetFrame,
    ServerFrame,
    StateReport,
    Welcome,
)
from tests.agent.clocks import NOON

TOKEN = "hw_only-for-tests"
Numbered = Batch | StateReport | GapReport
#: What the server answers to a numbered frame, given how often that number came before.
Answer = Callable[[Numbered, int], Sequence[ServerFrame] | None]


def ack(frame: Numbered, times_before: int) -> list[ServerFrame]:
    """Acknowledge everything at once."""
    return [Ack(lane=frame.lane, seqs=[frame.seq], stored=1, duplicates=min(times_before, 1))]


def say_nothing(frame: Numbered, times_before: int) -> list[ServerFrame]:
    """Take everything and acknowledge nothing."""
    return []


def hang_up(frame: Numbered, times_before: int) -> None:
    """Break the line when the first numbered frame has come."""


@dataclass(kw_only=True)
class Act:
    """How the server behaves towards one connection."""

    is_refusing: bool = False
    close_code: int | None = None
    credit: int = 4
    max_frame_bytes: int = 1 << 20
    answer: Answer = ack
    #: Commits, and breaks the line before it says so.
    is_losing_acks: bool = False
    is_answering_pings: bool = True
    after_welcome: Sequence[ServerFrame] = ()
    #: Waited for before each answer.
    gate: asyncio.Event | None = None


@dataclass
class ScriptedServer:
    """Plays one act a connection, the last one for all that follow, and writes down what comes."""

    acts: list[Act]
    max_size: int = 1 << 20
    #: The server's wall clock, in seconds since 1970.
    clock: Callable[[], float] = lambda: NOON
    url: str = ""
    hellos: list[Hello] = field(default_factory=list)
    headers: list[str | None] = field(default_factory=list)
    #: Numbered frames in order of arrival, with the number of their connection.
    arrivals: list[tuple[int, Numbered]] = field(default_factory=list)
    announcements: list[tuple[int, SeriesSetFrame]] = field(default_factory=list)
    pings: list[Ping] = field(default_factory=list)
    pongs: list[Pong] = field(default_factory=list)
    #: Bytes of every number that was answered, each time it came.
    ledger: dict[tuple[str, int, int], list[bytes]] = field(default_factory=dict)
    most_unacknowledged: int = 0
    attempts: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _sockets: set[ServerConnection] = field(default_factory=set)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ScriptedServer]:
        protocols = [Subprotocol(SUBPROTOCOL_MSGPACK), Subprotocol(SUBPROTOCOL_JSON)]
        async with serve(
            self._talk,
            "127.0.0.1",
            0,
            subprotocols=protocols,
            process_request=self._admit,
            compression=None,
            max_size=self.max_size,
            ping_interval=None,
            close_timeout=0.5,
        ) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            self.url = f"ws://127.0.0.1:{port}/ws/ingest/"
            yield self

    async def until(self, condition: Callable[[ScriptedServer], bool]) -> None:
        """Wait until what was written down fulfils the condition."""
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: condition(self))

    async def say(self, frame: ServerFrame) -> None:
        """Say something to every agent that is connected."""
        for socket in self._sockets:
            await socket.send(Codec(str(socket.subprotocol)).encode(frame))

    async def say_bytes(self, data: bytes) -> None:
        """Say bytes that may be no frame to every agent that is connected."""
        for socket in self._sockets:
            await socket.send(data)

    async def hang_up(self) -> None:
        """Break every line, without a word."""
        for socket in self._sockets:
            socket.transport.abort()

    @property
    def batches(self) -> list[Batch]:
        """The batches in order of arrival."""
        return [frame for _, frame in self.arrivals if isinstance(frame, Batch)]

    @property
    def states(self) -> list[StateReport]:
        return [frame for _, frame in self.arrivals if isinstance(frame, StateReport)]

    @property
    def gaps(self) -> list[GapReport]:
        return [frame for _, frame in self.arrivals if isinstance(frame, GapReport)]

    @property
    def committed_windows(self) -> list[tuple[str, int]]:
        """Node and start of every window that is in the ledger, once a number."""
        frames = [
            Codec(SUBPROTOCOL_MSGPACK).decode_from_agent(copies[0])
            for (_, lane, _), copies in self.ledger.items()
            if lane in (LANE_LIVE, LANE_BACKFILL)
        ]
        return [
            (window.node, window.start_ms)
            for frame in frames
            if isinstance(frame, Batch)
            for window in frame.windows
        ]

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.attempts += 1
        self.headers.append(request.headers.get("Authorization"))
        if self._act(self.attempts).is_refusing:
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "Not now.\n")
        return None

    def _act(self, number: int) -> Act:
        return self.acts[min(number, len(self.acts)) - 1]

    async def _talk(self, socket: ServerConnection) -> None:
        number = self.attempts
        act = self._act(number)
        codec = Codec(str(socket.subprotocol))
        self._sockets.add(socket)
        try:
            if act.close_code is not None:
                await socket.close(act.close_code)
            else:
                await _Visit(self, act, number, socket, codec).run()
        except ConnectionClosed:
            pass
        finally:
            self._sockets.discard(socket)
            await self.note()

    async def note(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@dataclass
class _Visit:
    """One connection of one agent."""

    server: ScriptedServer
    act: Act
    number: int
    socket: ServerConnection
    codec: Codec
    epoch: str = ""
    unacknowledged: set[tuple[int, int]] = field(default_factory=set)
    answers: list[asyncio.Task[None]] = field(default_factory=list)

    async def run(self) -> None:
        try:
            async for message in self.socket:
                data = message.encode() if isinstance(message, str) else message
                await self._hear(self.codec.decode_from_agent(data), data)
                await self.server.note()
        finally:
            for answer in self.answers:
                answer.cancel()
            await asyncio.gather(*self.answers, return_exceptions=True)

    async def _hear(self, frame: AgentFrame, data: bytes) -> None:
        match frame:
            case Hello():
                await self._welcome(frame)
            case SeriesSetFrame():
                self.server.announcements.append((self.number, frame))
            case Ping():
                self.server.pings.append(frame)
                if self.act.is_answering_pings:
                    await self._send(Pong(id=frame.id, wall_ms=round(self.server.clock() * 1000)))
            case Pong():
                self.server.pongs.append(frame)
            case _:
                self._take(frame)
                self.answers.append(asyncio.create_task(self._answer(frame, data)))

    async def _welcome(self, hello: Hello) -> None:
        self.epoch = hello.epoch
        self.server.hellos.append(hello)
        await self._send(
            Welcome(
                version=1,
                session=str(self.number),
                wall_ms=round(self.server.clock() * 1000),
                credit=self.act.credit,
                max_frame_bytes=self.act.max_frame_bytes,
            )
        )
        for frame in self.act.after_welcome:
            await self._send(frame)

    def _take(self, frame: Numbered) -> None:
        server = self.server
        server.arrivals.append((self.number, frame))
        self.unacknowledged.add((frame.lane, frame.seq))
        server.most_unacknowledged = max(server.most_unacknowledged, len(self.unacknowledged))

    async def _answer(self, frame: Numbered, data: bytes) -> None:
        if self.act.gate is not None:
            await self.act.gate.wait()
        copies = self.server.ledger.get((self.epoch, frame.lane, frame.seq), [])
        answers = self.act.answer(frame, len(copies))
        if answers is None:
            self.socket.transport.abort()
            return
        for answer in answers:
            self._note_answer(answer, frame, data)
            if self.act.is_losing_acks:
                self.socket.transport.abort()
                return
            await self._send(answer)
        await self.server.note()

    def _note_answer(self, answer: ServerFrame, frame: Numbered, data: bytes) -> None:
        if isinstance(answer, Ack):
            key = (self.epoch, frame.lane, frame.seq)
            self.server.ledger.setdefault(key, []).append(data)
        if not isinstance(answer, Reject):
            self.unacknowledged.discard((frame.lane, frame.seq))

    async def _send(self, frame: ServerFrame) -> None:
        await self.socket.send(self.codec.encode(frame))
