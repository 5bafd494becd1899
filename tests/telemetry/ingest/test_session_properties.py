"""No bytes, no frame and no order of events break a connection's rules; pure."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from telemetry.ingest.intake import Intake
from telemetry.ingest.session import Session
from telemetry.protocol import (
    SUBPROTOCOL_JSON,
    SUBPROTOCOL_MSGPACK,
    AgentFrame,
    GapReport,
    Hello,
    Ping,
    ProtocolError,
    Retry,
    SeriesSetFrame,
    StateReport,
)
from tests.factories import NOON
from tests.telemetry.ingest.sessions import (
    CODECS,
    NOON_MS,
    codes,
    greeted,
    new_session,
    noon_batch,
    send,
    unreadable,
)


@given(st.binary(max_size=200), st.sampled_from([SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK]))
def test_no_bytes_whatever_break_a_session(data: bytes, subprotocol: str) -> None:
    session, codec = greeted(), CODECS[subprotocol]
    with pytest.raises(ProtocolError) as error:
        codec.decode_from_agent(data)
    lane, seq = codec.identify(data)
    decision = session.on_unreadable(error.value, lane=lane, seq=seq, data=data, now=NOON)
    assert len(codes(decision)) == 1


ANY_FRAME = st.one_of(
    st.builds(Hello),
    st.builds(SeriesSetFrame),
    st.builds(StateReport),
    st.builds(GapReport),
    st.builds(StateReport, node=st.just("node-1"), at_ms=st.just(NOON_MS)),
    st.builds(Ping),
)


@given(ANY_FRAME, st.sampled_from([greeted, new_session]))
def test_no_frame_whatever_breaks_a_session(
    frame: AgentFrame, make_session: Callable[[], Session]
) -> None:
    decision = make_session().on_frame(frame, data=b"bytes", now=NOON)
    assert len(decision.answers) + len(decision.intakes) <= 1
    assert all(intake.weight > 0 for intake in decision.intakes)


class Line(RuleBasedStateMachine):
    """An agent that ignores its credit, and a committer that answers when it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.session = greeted(credit=3)
        self.queue: list[Intake] = []
        self.seq = 0

    @rule(is_poison=st.booleans(), has_room=st.booleans())
    def send_one(self, is_poison: bool, has_room: bool) -> None:
        """Send a numbered frame: it is handed over or answered with a retry, never neither."""
        self.seq += 1
        if is_poison:
            decision = unreadable(self.session, lane=1, seq=self.seq)
        else:
            decision = send(self.session, noon_batch(self.seq))
        answers = list(decision.answers)
        for intake in decision.intakes:
            if has_room:
                self.queue.append(intake)
            else:
                answers += self.session.put_back(intake)
        is_taken = bool(self.queue) and self.queue[-1].seq == self.seq
        told = [answer.seqs for answer in answers if isinstance(answer, Retry)]
        assert told == ([] if is_taken else [[self.seq]])

    @precondition(lambda self: self.queue)
    @rule()
    def commit_all(self) -> None:
        """Answer for everything that is queued."""
        self.session.settle(len(self.queue))
        self.queue.clear()

    @invariant()
    def no_more_than_the_credit_is_under_way(self) -> None:
        """The queue of one connection is bounded by its credit."""
        assert len(self.queue) == self.session.in_flight <= 3


TestLine = Line.TestCase
