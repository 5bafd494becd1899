"""Sessions of the pure rules, with and without a greeting, for tests."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from telemetry.codec import Codec
from telemetry.ingest.arrival import Greeting
from telemetry.ingest.session import Decision, Session
from telemetry.protocol import (
    SUBPROTOCOL_JSON,
    SUBPROTOCOL_MSGPACK,
    AgentFrame,
    ProtocolError,
    Reject,
    RejectCode,
    SeriesSetFrame,
)
from tests.factories import NOON
from tests.telemetry.ingest.scripted import (
    SERIES,
    SET_HASH,
    make_batch,
    make_hello,
    make_window,
)

NOON_MS = round(NOON.timestamp() * 1000)
CODECS = {name: Codec(name) for name in (SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK)}


def new_session(credit: int = 4) -> Session:
    """Make a session that was not greeted yet."""
    return Session(session_id="session-1", credit=credit)


def send(session: Session, frame: AgentFrame, now: datetime = NOON) -> Decision:
    """Let the session decide about a frame."""
    return session.on_frame(frame, data=CODECS[SUBPROTOCOL_JSON].encode(frame), now=now)


def greeted(credit: int = 4) -> Session:
    """Make a session of site 1, source 2, node-1, that knows the series."""
    session = new_session(credit)
    send(session, make_hello())
    session.greet(Greeting(site_id=1, source_id=2, nodes={"node-1": 3}), now=NOON)
    send(session, SeriesSetFrame(hash=SET_HASH, series=SERIES))
    return session


def noon_batch(seq: int, **overrides: Any) -> Any:
    """Make a good batch that ended at noon."""
    return make_batch(seq, make_window(start_ms=NOON_MS - 10_000, **overrides))


def codes(decision: Decision) -> list[str]:
    """Return the codes of all refusals of a decision, told at once or handed over."""
    at_once = [answer.code for answer in decision.answers if isinstance(answer, Reject)]
    later = [refusal.code.value for intake in decision.intakes for refusal in intake.refusals]
    return at_once + later


def unreadable(session: Session, *, lane: int | None = None, seq: int | None = None) -> Decision:
    """Let the session decide about bytes that are no frame."""
    error = ProtocolError(RejectCode.MALFORMED, "This is no frame.")
    return session.on_unreadable(error, lane=lane, seq=seq, data=b"no frame", now=NOON)
