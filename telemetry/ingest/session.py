"""One connection's rules: what may come when, how much at once, and what to answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from telemetry.ingest.arrival import Arrival, Greeting
from telemetry.ingest.frames import check_gap, check_hello, check_series, check_state
from telemetry.ingest.intake import (
    Intake,
    KnownSet,
    reject_for,
    unknown_node,
)
from telemetry.ingest.meter import RefusalMeter
from telemetry.ingest.validate import check_batch, merged_losses
from telemetry.protocol import (
    CLOSE_BAD_HELLO,
    LANE_BACKFILL,
    LANE_LIVE,
    LANE_REPORTS,
    MAX_FRAME_BYTES,
    PROTOCOL_VERSION,
    AgentFrame,
    Batch,
    GapReport,
    Hello,
    Ping,
    Pong,
    ProtocolError,
    Reject,
    RejectCode,
    Retry,
    SeriesSetFrame,
    ServerFrame,
    StateReport,
    Welcome,
)

#: What WebSocket itself says of a message that is too big (RFC 6455).
CLOSE_TOO_LARGE = 1009
#: Series one connection may announce, over all its sets; bounds its memory.
MAX_SERIES_PER_CONNECTION = 65_536
#: How long an agent waits with what was not taken, in milliseconds.
RETRY_GREETING_MS = 500
RETRY_CREDIT_MS = 500
RETRY_FULL_MS = 1000
RETRY_UNKNOWN_SET_MS = 2000
_LANES = (LANE_LIVE, LANE_REPORTS, LANE_BACKFILL)

Numbered = Batch | StateReport | GapReport


@dataclass(slots=True)
class Decision:
    """What to do about a frame: send, hand over to the committer, greet, close."""

    answers: list[ServerFrame] = field(default_factory=list)
    intakes: list[Intake] = field(default_factory=list)
    hello: Hello | None = None
    close_code: int | None = None


class Session:
    """One connection, from hello to the end.

    `credit` is how many frames may be on their way to the database at once.
    """

    def __init__(self, *, session_id: str, credit: int) -> None:
        self.session_id = session_id
        self.credit = credit
        self.greeting: Greeting | None = None
        self.in_flight = 0
        self._is_greeting = False
        self._sets: dict[str, KnownSet] = {}
        self._announced = 0
        self._meter = RefusalMeter()

    def check_size(self, size: int) -> None:
        """Raise when a frame of so many bytes is not even read."""
        if size > MAX_FRAME_BYTES:
            message = f"A frame has {MAX_FRAME_BYTES} bytes at most, not {size}. Send smaller ones."
            raise ProtocolError(RejectCode.TOO_LARGE, message)

    def on_frame(self, frame: AgentFrame, *, data: bytes, now: datetime) -> Decision:
        """Return what to do about a frame; `data` are its bytes."""
        arrival = Arrival(data, now, getattr(frame, "lane", None), getattr(frame, "seq", None))
        decision = self._summarise(arrival)
        try:
            match frame:
                case Ping():
                    wall_ms = int(now.timestamp() * 1000)
                    decision.answers.append(Pong(id=frame.id, wall_ms=wall_ms))
                case Pong():
                    pass
                case Hello():
                    self._take_hello(frame, decision)
                case SeriesSetFrame():
                    self._take_series(frame)
                case Batch() | StateReport() | GapReport():
                    self._take_numbered(frame, arrival, decision)
        except ProtocolError as error:
            self._refuse(error, arrival, decision)
        return decision

    def on_unreadable(
        self, error: ProtocolError, *, lane: int | None, seq: int | None, data: bytes, now: datetime
    ) -> Decision:
        """Return what to do about bytes that are no frame.

        With a lane and a number they enter the ledger like a batch: the agent forgets them, and
        does not send the same poison for ever.
        """
        arrival = Arrival(data, now, lane if lane in _LANES else None, seq)
        decision = self._summarise(arrival)
        self._refuse(error, arrival, decision)
        return decision

    def greet(self, greeting: Greeting, *, now: datetime) -> list[ServerFrame]:
        """Welcome the agent and tell it which of its nodes are not known."""
        self.greeting = greeting
        wall_ms = int(now.timestamp() * 1000)
        errors = [unknown_node(name, "$.nodes") for name in greeting.unknown]
        welcome = Welcome(
            version=PROTOCOL_VERSION, session=self.session_id, wall_ms=wall_ms, credit=self.credit
        )
        rejects = [Reject(code=e.code, message=str(e), path=e.path) for e in errors]
        return [welcome, *rejects]

    def know_nodes(self, nodes: Mapping[str, int]) -> None:
        """Take in the site's nodes anew; one may have been added since the hello."""
        if self.greeting is not None:
            self.greeting = replace(self.greeting, nodes=nodes)

    def put_back(self, intake: Intake) -> list[ServerFrame]:
        """Return what to tell the agent of an intake that the full queue did not take."""
        self.in_flight -= 1
        if intake.is_ledgered and intake.lane is not None and intake.seq is not None:
            why = "The server's queue is full while it waits for its database."
            return [_retry(intake.lane, intake.seq, RETRY_FULL_MS, why)]
        rejects = [reject_for(intake, refusal, None) for refusal in intake.refusals]
        return [*rejects, *intake.afterwards]

    def settle(self, count: int) -> None:
        """Note that `count` intakes were answered for."""
        self.in_flight -= count

    def leave(self, *, now: datetime) -> list[Intake]:
        """Return what is still to be kept when the connection ends."""
        summary = self._meter.summary(None)
        if summary is None or self.greeting is None:
            return []
        return [Arrival(b"", now).intake(self.greeting, refusals=(summary,))]

    def _take_hello(self, hello: Hello, decision: Decision) -> None:
        if self._is_greeting:
            message = "This connection said hello already. Go on, or open another one."
            raise ProtocolError(RejectCode.ALREADY_GREETED, message)
        check_hello(hello)
        self._is_greeting = True
        decision.hello = hello

    def _take_series(self, frame: SeriesSetFrame) -> None:
        if not self._is_greeting:
            raise _not_greeted()
        if frame.hash in self._sets:
            return
        known = check_series(frame)
        if self._announced + len(known.series) > MAX_SERIES_PER_CONNECTION:
            message = (
                f"One connection announces {MAX_SERIES_PER_CONNECTION} series at most. "
                "Use several agents."
            )
            raise ProtocolError(RejectCode.BAD_SET, message, "$.series")
        self._announced += len(known.series)
        self._sets[frame.hash] = known

    def _take_numbered(self, frame: Numbered, arrival: Arrival, decision: Decision) -> None:
        if not self._is_greeting:
            raise _not_greeted()
        wait = self._reason_to_wait()
        if wait is not None:
            decision.answers.append(_retry(frame.lane, frame.seq, *wait))
        elif isinstance(frame, Batch) and frame.set not in self._sets:
            self._ask_for_set(frame, arrival, decision)
        else:
            self._hand_over(self._checked(frame, arrival), decision)

    def _reason_to_wait(self) -> tuple[int, str] | None:
        if self.greeting is None:
            return RETRY_GREETING_MS, "Wait for the welcome."
        if self.in_flight >= self.credit:
            why = f"{self.credit} batches are unacknowledged, which is all the credit there is."
            return RETRY_CREDIT_MS, why
        return None

    def _checked(self, frame: Numbered, arrival: Arrival) -> Intake:
        nodes = self.greeting.nodes if self.greeting is not None else {}
        if isinstance(frame, StateReport):
            report = check_state(frame, nodes=nodes, now=arrival.now)
            return arrival.intake(self.greeting, is_ledgered=True, report=report)
        if isinstance(frame, GapReport):
            gap = check_gap(frame, nodes=nodes, now=arrival.now)
            return arrival.intake(self.greeting, is_ledgered=True, lost=(gap,))
        checked = check_batch(frame, known_set=self._sets[frame.set], nodes=nodes, now=arrival.now)
        refusals = self._meter.admit(checked.refusals, arrival.now)
        is_flood = any(not refusal.is_kept for refusal in refusals)
        return arrival.intake(
            self.greeting,
            is_ledgered=True,
            windows=checked.windows,
            lost=tuple(merged_losses(checked.lost) if is_flood else checked.lost),
            refusals=tuple(refusals),
        )

    def _ask_for_set(self, batch: Batch, arrival: Arrival, decision: Decision) -> None:
        # Nothing is lost by a set that is not known yet, so the batch is neither taken nor
        # acknowledged: the agent still has it and sends it again after the set.
        message = "This series set was not announced on this connection. Send `series` first."
        error = ProtocolError(RejectCode.UNKNOWN_SET, message, "$.set")
        retry = _retry(batch.lane, batch.seq, RETRY_UNKNOWN_SET_MS, message)
        self._refuse(error, arrival, decision, is_ledgered=False, afterwards=(retry,))

    def _refuse(
        self,
        error: ProtocolError,
        arrival: Arrival,
        decision: Decision,
        *,
        is_ledgered: bool = True,
        afterwards: tuple[ServerFrame, ...] = (),
    ) -> None:
        """Answer for one frame that is refused as a whole."""
        refusal = arrival.refusal(error)
        if len(arrival.data) > MAX_FRAME_BYTES:
            decision.close_code = CLOSE_TOO_LARGE
        elif error.code is RejectCode.BAD_VERSION:
            decision.close_code = CLOSE_BAD_HELLO
        is_numbered = is_ledgered and arrival.lane is not None and arrival.seq is not None
        intake = arrival.intake(
            self.greeting, is_ledgered=is_numbered, refusals=(refusal,), afterwards=afterwards
        )
        at_once: list[ServerFrame] = [reject_for(intake, refusal, None), *afterwards]
        wait = self._reason_to_wait()
        if self.greeting is None:
            # A stranger who never said hello fills no table.
            decision.answers += at_once
        elif len(arrival.data) > MAX_FRAME_BYTES:
            decision.answers += at_once
            self._hand_over(replace(intake, is_ledgered=False), decision)
        elif wait is not None and is_numbered:
            decision.answers.append(_retry(arrival.lane or 0, arrival.seq or 0, *wait))
        elif wait is not None:
            self._meter.count([refusal])
            decision.answers += at_once
        else:
            (refusal,) = self._meter.admit([refusal], arrival.now)
            if refusal.is_kept or is_numbered:
                self._hand_over(replace(intake, refusals=(refusal,)), decision)
            else:
                decision.answers += at_once

    def _hand_over(self, intake: Intake, decision: Decision) -> None:
        self.in_flight += 1
        decision.intakes.append(intake)

    def _summarise(self, arrival: Arrival) -> Decision:
        """Return a decision that keeps the account of what was only counted before."""
        decision = Decision()
        summary = self._meter.summary(arrival.now)
        if summary is not None and self.greeting is not None:
            quiet = replace(arrival, data=b"", lane=None, seq=None)
            self._hand_over(quiet.intake(self.greeting, refusals=(summary,)), decision)
        return decision


def _retry(lane: int, seq: int, after_ms: int, why: str) -> Retry:
    return Retry(lane=lane, seqs=[seq], after_ms=after_ms, why=why)


def _not_greeted() -> ProtocolError:
    return ProtocolError(RejectCode.NOT_GREETED, "Say `hello` first and wait for the welcome.")
