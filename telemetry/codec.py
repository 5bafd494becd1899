"""Frames to bytes and back, in the two encodings of the protocol."""

from __future__ import annotations

from typing import Any

import msgspec

from telemetry.protocol import (
    LANE_REPORTS,
    MAX_SEQ,
    SUBPROTOCOL_JSON,
    AgentFrame,
    Frame,
    ProtocolError,
    RejectCode,
    ServerFrame,
)

_AGENT_TYPES = ("hello", "series", "batch", "state", "gap", "ping", "pong")
#: Frames whose lane is always 2 and therefore left out of the encoding.
_REPORT_TYPES = ("state", "gap")
#: What msgspec raises on bytes that are no frame; nesting without end is one of the ways.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Envelope(msgspec.Struct):
    """The part of any frame that can be read when the rest cannot."""

    type: Any = ""
    lane: Any = None
    seq: Any = None


class Codec:
    """Encodes and decodes frames in one of the two encodings."""

    def __init__(self, subprotocol: str) -> None:
        self.subprotocol = subprotocol
        is_json = subprotocol == SUBPROTOCOL_JSON
        module: Any = msgspec.json if is_json else msgspec.msgpack
        self._encoder = module.Encoder()
        self._agent_decoder = module.Decoder(AgentFrame)
        self._server_decoder = module.Decoder(ServerFrame)
        self._envelope_decoder = module.Decoder(_Envelope)

    def encode(self, frame: Frame) -> bytes:
        """Return the frame as bytes for one binary WebSocket message."""
        data: bytes = self._encoder.encode(frame)
        return data

    def decode_from_agent(self, data: bytes) -> AgentFrame:
        """Return the frame an agent sent; raise `ProtocolError` when it is none."""
        try:
            frame: AgentFrame = self._agent_decoder.decode(data)
        except msgspec.ValidationError as exc:
            raise self._explain(data, exc) from None
        except _UNREADABLE as exc:
            raise ProtocolError(
                RejectCode.MALFORMED, f"The frame is not valid {self.subprotocol}: {exc}."
            ) from None
        return frame

    def decode_from_server(self, data: bytes) -> ServerFrame:
        """Return the frame a server sent; raise `ProtocolError` when it is none."""
        try:
            frame: ServerFrame = self._server_decoder.decode(data)
        except _UNREADABLE as exc:
            raise ProtocolError(RejectCode.MALFORMED, str(exc)) from None
        return frame

    def identify(self, data: bytes) -> tuple[int | None, int | None]:
        """Return `(lane, seq)` of a frame that could not be decoded, as far as it can be read."""
        try:
            envelope = self._envelope_decoder.decode(data)
        except _UNREADABLE:
            return None, None
        lane = envelope.lane if type(envelope.lane) is int else None
        if lane is None and envelope.type in _REPORT_TYPES:
            lane = LANE_REPORTS
        seq = envelope.seq if type(envelope.seq) is int else None
        if seq is not None and not 0 <= seq <= MAX_SEQ:
            seq = None
        return lane, seq

    def _explain(self, data: bytes, exc: msgspec.ValidationError) -> ProtocolError:
        # msgspec says "<what> - at `$.windows[3].min`"; people get the first half, machines both.
        what, _, where = str(exc).partition(" - at ")
        path = where.strip("`") or "$"
        try:
            kind = self._envelope_decoder.decode(data).type
        except msgspec.ValidationError:
            kind = ""
        except _UNREADABLE:
            # The rest is worse than what was found wrong first.
            return ProtocolError(RejectCode.MALFORMED, f"{what} at {path}.", path)
        if kind not in _AGENT_TYPES:
            names = ", ".join(_AGENT_TYPES)
            return ProtocolError(
                RejectCode.UNKNOWN_TYPE,
                f"The frame type {str(kind)[:40]!r} is not one of: {names}.",
                "$.type",
            )
        return ProtocolError(RejectCode.MALFORMED, f"{what} at {path}.", path)
