"""One connection after its welcome: offer within the credit, forget what is acknowledged."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection

from telemetry.agent.clock import Clock
from telemetry.agent.spool import Spool
from telemetry.agent.spool_entries import Offer
from telemetry.codec import Codec
from telemetry.protocol import (
    Ack,
    Bye,
    Ping,
    Pong,
    ProtocolError,
    Reject,
    RejectCode,
    Retry,
    SeriesSetFrame,
    ServerFrame,
    Welcome,
)

logger = logging.getLogger(__name__)

PING_SECONDS = 10.0
#: Without a word from the server for so long the line is taken for dead.
SILENCE_SECONDS = 30.0
#: Frames numbered at a time; few, so that a fresh window never waits behind a long backlog.
OFFER_AT_ONCE = 8
#: The least and the most time a batch rests after the server asked to wait.
_MIN_REST_SECONDS = 0.1
_MAX_REST_SECONDS = 600.0

_Number = tuple[int, int]


class SilentServerError(Exception):
    """The server said nothing for too long."""


class NumbersReusedError(Exception):
    """The spool was copied or restored; it goes on under a new epoch, with a new hello."""


@dataclass(slots=True)
class Progress:
    """What outlives a connection: how often it went well, and what the server asked for."""

    acknowledged: int = 0
    #: Seconds to stay away, from the server's `bye`.
    stay_away_seconds: float = 0.0
    #: How often the server did not know a set after it was announced.
    set_refusals: Counter[str] = field(default_factory=Counter)
    #: Set while everything in the spool is committed.
    is_drained: asyncio.Event = field(default_factory=asyncio.Event)


class Connection:
    """One welcomed connection. `run` ends with the exception that ended the line."""

    def __init__(
        self,
        socket: ClientConnection,
        *,
        spool: Spool,
        clock: Clock,
        codec: Codec,
        welcome: Welcome,
        max_frame_bytes: int,
        window_seconds: float,
        progress: Progress,
    ) -> None:
        self._socket = socket
        self._spool = spool
        self._clock = clock
        self._codec = codec
        self._credit = welcome.credit
        self._max_frame_bytes = max_frame_bytes
        self._window_ms = round(window_seconds * 1000)
        self._progress = progress
        self._in_flight: dict[_Number, Offer] = {}
        self._resting: dict[_Number, Offer] = {}
        self._announced: set[str] = set()
        self._is_epoch_over = False
        self._last_heard = clock.monotonic()
        self._rests: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Tell the sender that there is something new in the spool."""
        self._news.set()

    async def run(self) -> None:
        """Send and listen until the line breaks; then raise what broke it."""
        parts = {
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._send()),
            asyncio.create_task(self._ping()),
        }
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                part.result()
        finally:
            everything = parts | self._rests
            for part in everything:
                part.cancel()
            await asyncio.gather(*everything, return_exceptions=True)

    async def _send(self) -> None:
        while True:
            self._news.clear()
            free = min(self._credit - len(self._in_flight), OFFER_AT_ONCE)
            offers = self._offers(free) if free > 0 and not self._is_epoch_over else []
            for offer in offers:
                await self._send_one(offer)
            if not offers:
                if not self._in_flight and self._is_epoch_over:
                    self._spool.start_new_epoch()
                    raise NumbersReusedError("the spool was copied or restored")
                if not self._in_flight and not self._resting:
                    self._progress.is_drained.set()
                await self._news.wait()

    def _offers(self, limit: int) -> list[Offer]:
        under_way = [*self._in_flight.values(), *self._resting.values()]
        return self._spool.offer(
            limit=limit,
            live_from_ms=round(self._clock.time() * 1000) - 2 * self._window_ms,
            excluding=[offer.entry_id for offer in under_way],
            max_bytes=self._max_frame_bytes,
        )

    async def _send_one(self, offer: Offer) -> None:
        # Noted first: the acknowledgement may be here before `send` returns.
        self._in_flight[offer.lane, offer.seq] = offer
        if offer.set_hash and offer.set_hash not in self._announced:
            self._announced.add(offer.set_hash)
            series = self._spool.series_of(offer.set_hash)
            frame = SeriesSetFrame(hash=offer.set_hash, series=series)
            await self._socket.send(self._codec.encode(frame))
        await self._socket.send(offer.frame)

    async def _listen(self) -> None:
        while True:
            data = await self._socket.recv(decode=False)
            self._last_heard = self._clock.monotonic()
            try:
                frame = self._codec.decode_from_server(data)
            except ProtocolError as exc:
                # A newer server may say things this agent does not know; they bind nobody.
                logger.warning("uplink.frame_not_understood", extra={"error": str(exc)})
                continue
            await self._on_frame(frame)

    async def _on_frame(self, frame: ServerFrame) -> None:
        match frame:
            case Ack():
                self._on_ack(frame)
            case Reject():
                self._on_reject(frame)
            case Retry():
                self._on_retry(frame)
            case Ping():
                pong = Pong(id=frame.id, wall_ms=round(self._clock.time() * 1000))
                await self._socket.send(self._codec.encode(pong))
            case Bye():
                self._progress.stay_away_seconds = max(0.0, frame.after_ms / 1000)
                said = {"code": frame.code, "why": frame.message, "after_ms": frame.after_ms}
                logger.warning("uplink.told_to_leave", extra=said)

    def _on_ack(self, ack: Ack) -> None:
        self._spool.forget(lane=ack.lane, seqs=ack.seqs)
        self._progress.acknowledged += len(ack.seqs)
        for seq in ack.seqs:
            for known in (self._in_flight, self._resting):
                offer = known.pop((ack.lane, seq), None)
                if offer is not None and offer.set_hash:
                    self._progress.set_refusals.pop(offer.set_hash, None)
        self._news.set()

    def _on_reject(self, reject: Reject) -> None:
        said = {"code": reject.code, "path": reject.path, "why": reject.message}
        logger.warning(
            "uplink.rejected",
            extra={**said, "lane": reject.lane, "seq": reject.seq, "kept_as": reject.quarantine},
        )
        offer = self._in_flight.get((reject.lane or 0, reject.seq or 0))
        if reject.code == RejectCode.UNKNOWN_SET and offer is not None:
            # Not terminal: the server asks for the set and, by `retry`, for the batch again.
            self._announced.discard(offer.set_hash)
            self._progress.set_refusals[offer.set_hash] += 1
            return
        if reject.code == RejectCode.SEQUENCE_REUSED and offer is not None:
            # Nothing was stored, so nothing may be forgotten. What else is under way is answered
            # first; then everything that is left goes out under a new epoch.
            self._spool.take_back(lane=offer.lane, seq=offer.seq)
            self._is_epoch_over = True
            return
        # Terminal: the acknowledgement that follows makes the spool forget it.
        self._spool.keep_rejected(reject, now_ms=round(self._clock.time() * 1000))

    def _on_retry(self, retry: Retry) -> None:
        said = {"lane": retry.lane, "count": len(retry.seqs), "why": retry.why}
        logger.info("uplink.asked_to_wait", extra={**said, "after_ms": retry.after_ms})
        for seq in retry.seqs:
            number = (retry.lane, seq)
            offer = self._in_flight.pop(number, None)
            if offer is None:
                continue
            self._resting[number] = offer
            refusals = min(self._progress.set_refusals[offer.set_hash], 16)
            seconds = max(retry.after_ms / 1000, _MIN_REST_SECONDS) * 2**refusals
            rest = asyncio.create_task(self._rest(number, min(seconds, _MAX_REST_SECONDS)))
            self._rests.add(rest)
            rest.add_done_callback(self._rests.discard)
        self._news.set()

    async def _rest(self, number: _Number, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._resting.pop(number, None)
        self._news.set()

    async def _ping(self) -> None:
        count = 0
        while True:
            await self._clock.sleep(PING_SECONDS)
            silence = self._clock.monotonic() - self._last_heard
            if silence > SILENCE_SECONDS:
                raise SilentServerError(f"no word from the server for {silence:.0f} s")
            count += 1
            ping = Ping(id=count, wall_ms=round(self._clock.time() * 1000))
            await self._socket.send(self._codec.encode(ping))
