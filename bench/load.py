"""A load generator: gateways that send batches as fast as their credit allows."""

from __future__ import annotations

import asyncio
import os
import struct
import time
from dataclasses import dataclass, field

import websockets

from telemetry.codec import Codec
from telemetry.protocol import (
    LANE_LIVE,
    SUBPROTOCOL_MSGPACK,
    Ack,
    Batch,
    Hello,
    HelloNode,
    Retry,
    Series,
    SeriesSetFrame,
    Welcome,
    Window,
    series_hash,
)

SERIES = [Series("bench.metric", "1", f"d{number}") for number in range(48)]
NODES_PER_GATEWAY = 256


@dataclass
class Tally:
    """What came back: windows acknowledged, and how long each batch waited for its ack."""

    windows: int = 0
    retries: int = 0
    waits_ms: list[float] = field(default_factory=list)


def packed(values: list[float]) -> bytes:
    """Return little-endian float32 bytes."""
    return struct.pack(f"<{len(values)}f", *values)


class Gateway:
    """One connection that speaks for 256 nodes; `per_second` bounds its batches, 0 means none."""

    def __init__(self, url: str, token: str, tally: Tally, *, per_second: float) -> None:
        self.url = url
        self.token = token
        self.tally = tally
        self.interval = 1 / per_second if per_second else 0.0
        self.codec = Codec(SUBPROTOCOL_MSGPACK)
        self.sent_at: dict[int, float] = {}
        self.slots: asyncio.Semaphore
        self.is_done_sending = False
        self.answered = asyncio.Event()
        self.columns = {
            "n": packed([10.0] * len(SERIES)),
            "min": packed([1.0 + i for i in range(len(SERIES))]),
            "max": packed([3.0 + i for i in range(len(SERIES))]),
            "sum": packed([20.0 + 10 * i for i in range(len(SERIES))]),
            "last": packed([2.0 + i for i in range(len(SERIES))]),
        }

    async def run(self, until: float) -> None:
        """Send until the monotonic time `until`, then wait for what is outstanding."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with websockets.connect(
            self.url,
            additional_headers=headers,
            subprotocols=[websockets.Subprotocol(SUBPROTOCOL_MSGPACK)],
            compression=None,
            max_queue=None,
        ) as socket:
            await self._greet(socket)
            reader = asyncio.create_task(self._read(socket))
            await self._send(socket, until)
            reader.cancel()

    async def _greet(self, socket: websockets.ClientConnection) -> None:
        nodes = [HelloNode(name=f"n{number}") for number in range(NODES_PER_GATEWAY)]
        hello = Hello(
            version=1,
            agent="bench",
            agent_version="1",
            epoch=os.urandom(8).hex(),
            wall_ms=int(time.time() * 1000),
            nodes=nodes,
            window_seconds=10,
        )
        await socket.send(self.codec.encode(hello))
        while True:
            frame = self.codec.decode_from_server(bytes(await socket.recv(decode=False)))
            if isinstance(frame, Welcome):
                break
        self.slots = asyncio.Semaphore(frame.credit)
        await socket.send(
            self.codec.encode(SeriesSetFrame(hash=series_hash(SERIES), series=SERIES))
        )

    async def _send(self, socket: websockets.ClientConnection, until: float) -> None:
        address, seq, due = series_hash(SERIES), 0, time.monotonic()
        while time.monotonic() < until:
            await self.slots.acquire()
            if self.interval:
                due += self.interval
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            seq += 1
            start = int(time.time() * 1000) - 10_000 + seq % 1000
            windows = [
                Window(node=f"n{number}", start_ms=start, seconds=10.0, **self.columns)
                for number in range(NODES_PER_GATEWAY)
            ]
            frame = Batch(lane=LANE_LIVE, seq=seq, set=address, windows=windows)
            self.sent_at[seq] = time.monotonic()
            await socket.send(self.codec.encode(frame))
        self.is_done_sending = True
        async with asyncio.timeout(30):
            await self.answered.wait()

    async def _read(self, socket: websockets.ClientConnection) -> None:
        while True:
            frame = self.codec.decode_from_server(bytes(await socket.recv(decode=False)))
            if isinstance(frame, Ack):
                now = time.monotonic()
                for seq in frame.seqs:
                    self.tally.waits_ms.append((now - self.sent_at.pop(seq)) * 1000)
                    self.slots.release()
                self.tally.windows += frame.stored
                if self.is_done_sending and not self.sent_at:
                    self.answered.set()
            elif isinstance(frame, Retry):
                self.tally.retries += len(frame.seqs)
                for seq in frame.seqs:
                    self.sent_at.pop(seq, None)
                    self.slots.release()


async def offer_load(
    url: str, tokens: list[str], *, seconds: float, batches_per_second: float = 0
) -> tuple[Tally, float]:
    """Run a gateway for each token; return what came back and the seconds it took."""
    tally = Tally()
    start = time.monotonic()
    per_gateway = batches_per_second / len(tokens)
    gateways = [Gateway(url, token, tally, per_second=per_gateway) for token in tokens]
    async with asyncio.TaskGroup() as group:
        for gateway in gateways:
            group.create_task(gateway.run(start + seconds))
    return tally, time.monotonic() - start
