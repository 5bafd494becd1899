"""The way to the server: connect, greet, hand over to a `Connection`, come back when it ends."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from telemetry.agent.clock import Clock
from telemetry.agent.config import LOOPBACK_HOSTS, AgentConfig
from telemetry.agent.connection import (
    Connection,
    NumbersReusedError,
    Progress,
    SilentServerError,
)
from telemetry.agent.spool import Spool
from telemetry.agent.spool_file import SpoolFullError
from telemetry.agent.version import VERSION
from telemetry.codec import Codec
from telemetry.protocol import (
    CLOSE_BAD_HELLO,
    CLOSE_REVOKED,
    CLOSE_UNAUTHORIZED,
    MAX_FRAME_BYTES,
    PROTOCOL_VERSION,
    SUBPROTOCOL_MSGPACK,
    Hello,
    HelloNode,
    ProtocolError,
    Reject,
    Welcome,
)

logger = logging.getLogger(__name__)

OPEN_SECONDS = 15.0
BACKOFF_FIRST_SECONDS = 1.0
BACKOFF_CAP_SECONDS = 60.0
_CLOSE_TOO_LARGE = 1009
#: A way that takes only tiny frames is none; below this nothing is made smaller.
_SMALLEST_FRAME_BYTES = 1 << 16
_CLOCK_OFFSET_WORTH_A_WARNING_MS = 60_000
#: What a person has to change; trying again soon would only fill logs.
_REFUSED = {
    CLOSE_UNAUTHORIZED: "The token is not known; make one with `manage.py create_agent_token`.",
    CLOSE_REVOKED: "The token was revoked; make another one.",
    CLOSE_BAD_HELLO: "The server does not speak with this agent; upgrade one of the two.",
    401: "The token is not known; make one with `manage.py create_agent_token`.",
    403: "The server refuses this connection; check the token and the address.",
    404: "Nothing is served at this address; it usually ends in /ws/ingest/.",
}


class _NotWelcomeError(Exception):
    """The server answered the hello with something else than a welcome."""


#: How a connection may end besides a close and a refusal. An ImportError is a SOCKS proxy in the
#: environment without the package for it; with a full disk the next attempt may do better.
_ENDS = (
    SpoolFullError,
    OSError,
    WebSocketException,
    ImportError,
    SilentServerError,
    NumbersReusedError,
    _NotWelcomeError,
)


def backoff_seconds(failures: int, *, jitter: Callable[[float], float]) -> float:
    """Return how long to wait after `failures` failures in a row.

    Doubled and capped first, then full jitter: jitter applied before the cap would send every
    agent back in the same second after a long outage.
    """
    ceiling = min(BACKOFF_CAP_SECONDS, BACKOFF_FIRST_SECONDS * 2 ** min(failures - 1, 16))
    return jitter(ceiling)


def uniform(ceiling: float) -> float:
    """Return a random number from 0 to `ceiling`."""
    return random.SystemRandom().uniform(0.0, ceiling)


class Uplink:
    """Keeps a connection to the server, for ever, and drains a spool through it."""

    def __init__(
        self,
        config: AgentConfig,
        *,
        clock: Clock,
        describe_nodes: Callable[[], Sequence[HelloNode]],
        jitter: Callable[[float], float] = uniform,
    ) -> None:
        self._config = config
        self._clock = clock
        self._describe_nodes = describe_nodes
        self._jitter = jitter
        self._codec = Codec(SUBPROTOCOL_MSGPACK)
        self._max_frame_bytes = MAX_FRAME_BYTES
        self._progress = Progress()
        self._connection: Connection | None = None

    @property
    def is_connected(self) -> bool:
        """Whether the server has welcomed this agent and the line is up."""
        return self._connection is not None

    def wake(self) -> None:
        """Tell the uplink that there is something new in the spool."""
        self._progress.is_drained.clear()
        if self._connection is not None:
            self._connection.wake()

    async def drained(self) -> None:
        """Wait until the server has committed everything that is in the spool."""
        await self._progress.is_drained.wait()

    async def run(self, spool: Spool) -> None:
        """Connect, and connect again; ends only by cancellation or a broken spool."""
        failures = 0
        while True:
            acknowledged = self._progress.acknowledged
            was_welcomed, is_refused = await self._visit(spool)
            # A server that welcomes and breaks off before it commits anything is no success.
            is_success = self._progress.acknowledged > acknowledged
            failures = 0 if is_success else failures + 1
            await self._clock.sleep(self._delay(failures, was_welcomed, is_refused))

    async def _visit(self, spool: Spool) -> tuple[bool, bool]:
        """Make one connection and use it to its end; say how it went."""
        was_welcomed = is_refused = False
        try:
            async with self._open() as socket:
                welcome = await self._greet(socket, spool.epoch)
                was_welcomed = True
                await self._serve(socket, welcome, spool)
        except ConnectionClosed as exc:
            code = exc.rcvd.code if exc.rcvd is not None else None
            is_refused = code in _REFUSED
            self._note_end(exc, code)
        except InvalidStatus as exc:
            is_refused = exc.response.status_code in _REFUSED
            self._note_end(exc, exc.response.status_code)
        except _ENDS as exc:
            self._note_end(exc, None)
        finally:
            self._connection = None
        return was_welcomed, is_refused

    def _open(self) -> connect:
        is_local = urlsplit(self._config.server).hostname in LOOPBACK_HOSTS
        return connect(
            self._config.server,
            subprotocols=[Subprotocol(SUBPROTOCOL_MSGPACK)],
            additional_headers={"Authorization": f"Bearer {self._config.token}"},
            compression=None,
            # Pings are frames of our own: a WebSocket ping is answered by a stalled server too.
            ping_interval=None,
            open_timeout=OPEN_SECONDS,
            close_timeout=2.0,
            proxy=None if is_local else True,
            max_size=MAX_FRAME_BYTES,
        )

    async def _greet(self, socket: ClientConnection, epoch: str) -> Welcome:
        if socket.subprotocol != SUBPROTOCOL_MSGPACK:
            raise _NotWelcomeError(f"the server does not speak {SUBPROTOCOL_MSGPACK}")
        hello = Hello(
            version=PROTOCOL_VERSION,
            agent=self._config.node,
            agent_version=VERSION,
            epoch=epoch,
            wall_ms=round(self._clock.time() * 1000),
            nodes=list(self._describe_nodes()),
            window_seconds=float(self._config.window_seconds),
        )
        await socket.send(self._codec.encode(hello))
        async with asyncio.timeout(OPEN_SECONDS):
            while True:
                data = await socket.recv(decode=False)
                try:
                    answer = self._codec.decode_from_server(data)
                except ProtocolError as exc:
                    raise _NotWelcomeError(f"no welcome but bytes unknown ({exc})") from exc
                if isinstance(answer, Welcome):
                    return answer
                if isinstance(answer, Reject):
                    said = {"code": answer.code, "why": answer.message}
                    logger.error("uplink.hello_rejected", extra=said)

    async def _serve(self, socket: ClientConnection, welcome: Welcome, spool: Spool) -> None:
        self._max_frame_bytes = min(self._max_frame_bytes, welcome.max_frame_bytes)
        offset_ms = round(self._clock.time() * 1000) - welcome.wall_ms
        said = {"session": welcome.session, "credit": welcome.credit, "offset_ms": offset_ms}
        logger.info("uplink.connected", extra=said)
        if abs(offset_ms) > _CLOCK_OFFSET_WORTH_A_WARNING_MS:
            logger.warning("uplink.clocks_differ", extra={"offset_ms": offset_ms})
        # By the server's clock: after a power cut the own one may say anything, and a spool
        # emptied because of it would be lost for nothing.
        max_age_ms = self._config.spool.max_days * 86_400_000
        spool.drop_older_than(welcome.wall_ms - max_age_ms)
        self._connection = Connection(
            socket,
            spool=spool,
            clock=self._clock,
            codec=self._codec,
            welcome=welcome,
            max_frame_bytes=self._max_frame_bytes,
            window_seconds=self._config.window_seconds,
            progress=self._progress,
        )
        await self._connection.run()

    def _delay(self, failures: int, was_welcomed: bool, is_refused: bool) -> float:
        """Return the seconds until the next attempt."""
        asked, self._progress.stay_away_seconds = self._progress.stay_away_seconds, 0.0
        delay = asked
        if was_welcomed:
            # Thousands of agents lost the same server in the same second.
            spread = max(self._config.reconnect_spread_seconds, BACKOFF_FIRST_SECONDS)
            delay += self._jitter(spread)
        if failures:
            delay += backoff_seconds(failures, jitter=self._jitter)
        if is_refused:
            delay += BACKOFF_CAP_SECONDS
        return delay

    def _note_end(self, exc: Exception, code: int | None) -> None:
        if code == _CLOSE_TOO_LARGE:
            # Something on the way takes less than the server said.
            smaller = max(self._max_frame_bytes // 2, _SMALLEST_FRAME_BYTES)
            self._max_frame_bytes = min(self._max_frame_bytes, smaller)
        advice = _REFUSED.get(code or 0)
        if advice is not None:
            logger.error("uplink.refused", extra={"code": code, "why": advice})
            return
        event = "uplink.disconnected" if self.is_connected else "uplink.unreachable"
        logger.warning(event, extra={"error": f"{type(exc).__name__}: {exc}"})
