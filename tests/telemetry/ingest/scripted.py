"""A scripted agent on a real socket, and the frames it sends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from websockets.sync.client import ClientConnection, connect

from telemetry.codec import Codec
from telemetry.protocol import (
    SUBPROTOCOL_MSGPACK,
    Ack,
    Batch,
    Frame,
    Hello,
    HelloNode,
    Ping,
    Series,
    SeriesSetFrame,
    ServerFrame,
    Welcome,
    Window,
    series_hash,
)

#: Long enough for a machine that is busy with something else; nothing waits this long for good.
PATIENCE_SECONDS = 20

SERIES = [
    Series("hw.temperature", "Cel", "inlet"),
    Series("system.cpu.utilization", "1"),
    Series("acme.pump.speed", "rpm", "pump-1"),
]
SET_HASH = series_hash(SERIES)


def packed(*values: float) -> bytes:
    """Return the numbers as little-endian 4-byte floats."""
    return np.array(values, "<f4").tobytes()


def make_window(**overrides: Any) -> Window:
    """Make one good window of `SERIES` that ended just now."""
    fields: dict[str, Any] = {
        "node": "node-1",
        "start_ms": int(time.time() * 1000) - 10_000,
        "seconds": 10.0,
        "n": packed(10, 10, 0),
        "min": packed(20.5, 0.1, 0),
        "max": packed(24.5, 0.5, 0),
        "sum": packed(225, 3, 0),
        "last": packed(22.5, 0.25, 0),
    }
    return Window(**(fields | overrides))


def make_batch(seq: int, *windows: Window, **overrides: Any) -> Batch:
    """Make a batch of these windows, of one good one when there are none."""
    fields: dict[str, Any] = {"lane": 1, "seq": seq, "set": SET_HASH}
    return Batch(**(fields | {"windows": list(windows) or [make_window()]} | overrides))


def make_hello(**overrides: Any) -> Hello:
    """Make a hello of an agent that speaks for node-1."""
    fields: dict[str, Any] = {
        "version": 1,
        "agent": "agent-1",
        "agent_version": "0.1.0",
        "epoch": "epoch-1",
        "wall_ms": int(time.time() * 1000),
        "nodes": [HelloNode(name="node-1", boot_id="boot-1", uptime_seconds=60)],
        "window_seconds": 10.0,
    }
    return Hello(**(fields | overrides))


class ScriptedAgent:
    """One connection that sends what it is told to and reads frame by frame."""

    def __init__(self, socket: ClientConnection, codec: Codec) -> None:
        self.socket = socket
        self.codec = codec

    def send(self, frame: Frame) -> None:
        """Send one frame."""
        self.socket.send(self.codec.encode(frame))

    def receive(self) -> ServerFrame:
        """Return the next frame."""
        data = self.socket.recv(timeout=PATIENCE_SECONDS)
        return self.codec.decode_from_server(data.encode() if isinstance(data, str) else data)

    def greet(self, **overrides: Any) -> Welcome:
        """Say hello, announce the series and return the welcome."""
        self.send(make_hello(**overrides))
        welcome = self.receive()
        assert isinstance(welcome, Welcome)
        self.send(SeriesSetFrame(hash=SET_HASH, series=SERIES))
        return welcome

    def deliver(self, seq: int, **overrides: Any) -> Ack:
        """Send a good batch and return its acknowledgement."""
        self.send(make_batch(seq, **overrides))
        ack = self.receive()
        assert isinstance(ack, Ack)
        assert ack.seqs == [seq]
        return ack

    def ping(self, number: int) -> ServerFrame:
        """Send a ping and return what comes next."""
        self.send(Ping(id=number, wall_ms=0))
        return self.receive()


@contextmanager
def connected(
    url: str, token: str, *, subprotocol: str | None = SUBPROTOCOL_MSGPACK
) -> Iterator[ScriptedAgent]:
    """Connect with a token; None offers no sub-protocol."""
    headers = {"Authorization": f"Bearer {token}"}
    offer: list[Any] | None = [subprotocol] if subprotocol else None
    with connect(
        url, additional_headers=headers, subprotocols=offer, compression=None, proxy=None
    ) as socket:
        yield ScriptedAgent(socket, Codec(socket.subprotocol or "hearthwatch.v1.json"))
