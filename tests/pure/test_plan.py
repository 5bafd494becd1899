"""The plan of an escalation: who next, and when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.escalation.plan import (
    Decision,
    PlanError,
    Step,
    advance,
    once_around,
    read_steps,
)

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
FIVE, TEN = timedelta(minutes=5), timedelta(minutes=10)
STEPS = (Step(("site_owner",), FIVE), Step(("catch_all",), TEN))

steps = st.lists(
    st.builds(
        Step,
        notify=st.just(("site_owner",)),
        delay=st.integers(5, 86_400).map(lambda seconds: timedelta(seconds=seconds)),
    ),
    min_size=1,
    max_size=10,
)
moments = st.timedeltas(-timedelta(days=3650), timedelta(days=3650)).map(lambda gap: NOON + gap)


def followed(steps: list[Step], repeat: int, now: datetime) -> Iterator[tuple[int, datetime]]:
    """Yield the steps, each when it is due, if nobody ever answers."""
    move = advance(steps, step_index=0, rounds_left=repeat, now=now)
    while move.step is not None and move.next_due_at is not None:
        yield move.step, now
        now = move.next_due_at
        place = {"step_index": move.next_step, "rounds_left": move.rounds_left}
        move = advance(steps, **place, now=now)


def test_a_step_is_carried_out_and_then_its_own_delay_is_waited() -> None:
    assert advance(STEPS, step_index=0, rounds_left=1, now=NOON) == Decision(
        step=0, next_step=1, rounds_left=1, next_due_at=NOON + FIVE
    )


def test_after_the_last_step_the_next_round_begins() -> None:
    assert advance(STEPS, step_index=1, rounds_left=1, now=NOON) == Decision(
        step=1, next_step=0, rounds_left=0, next_due_at=NOON + TEN
    )


def test_the_last_step_of_the_last_round_still_waits_for_an_answer() -> None:
    assert advance(STEPS, step_index=1, rounds_left=0, now=NOON) == Decision(
        step=1, next_step=2, rounds_left=0, next_due_at=NOON + TEN
    )


def test_then_the_escalation_is_exhausted() -> None:
    assert advance(STEPS, step_index=2, rounds_left=0, now=NOON) == Decision(
        step=None, next_step=2, rounds_left=0, next_due_at=None
    )


@given(steps=steps, repeat=st.integers(0, 20), now=moments)
def test_every_step_comes_once_a_round_in_order_and_never_again(
    steps: list[Step], repeat: int, now: datetime
) -> None:
    carried_out = [index for index, _ in followed(steps, repeat, now)]
    assert carried_out == list(range(len(steps))) * (repeat + 1)


@given(steps=steps, repeat=st.integers(0, 5), now=moments)
def test_between_two_steps_lies_exactly_the_delay_of_the_first(
    steps: list[Step], repeat: int, now: datetime
) -> None:
    coming = list(followed(steps, repeat, now))
    waits = [later - earlier for (_, earlier), (_, later) in zip(coming, coming[1:], strict=False)]
    assert waits == [steps[index].delay for index, _ in coming[:-1]]


@given(
    steps=steps,
    step_index=st.integers(0, 30),
    rounds_left=st.integers(0, 20),
    now=moments,
    outage=st.timedeltas(timedelta(0), timedelta(days=400)),
)
def test_however_late_it_is_one_step_is_taken_and_its_whole_delay_begins_now(
    steps: list[Step], step_index: int, rounds_left: int, now: datetime, outage: timedelta
) -> None:
    in_time = advance(steps, step_index=step_index, rounds_left=rounds_left, now=now)
    late = advance(steps, step_index=step_index, rounds_left=rounds_left, now=now + outage)
    assert (late.step, late.next_step, late.rounds_left) == (
        in_time.step,
        in_time.next_step,
        in_time.rounds_left,
    )
    assert late.next_due_at == (in_time.next_due_at and in_time.next_due_at + outage)


@given(steps=steps, step_index=st.integers(0, 9), rounds_left=st.integers(0, 20), now=moments)
def test_going_once_around_tries_each_step_at_most_once(
    steps: list[Step], step_index: int, rounds_left: int, now: datetime
) -> None:
    tried = [
        decision.step
        for decision in once_around(steps, step_index=step_index, rounds_left=rounds_left, now=now)
    ]
    assert len(tried) == len(set(tried)) <= len(steps)
    assert None not in tried


def test_going_once_around_begins_with_the_step_that_is_due() -> None:
    tried = [
        decision.step for decision in once_around(STEPS, step_index=1, rounds_left=1, now=NOON)
    ]
    assert tried == [1, 0]


def test_stored_steps_are_read() -> None:
    stored = [{"notify": ["site_owner", "owner:7"], "delay_seconds": 300}]
    assert read_steps(stored) == (Step(("site_owner", "owner:7"), FIVE),)


@pytest.mark.parametrize(
    ("stored", "code"),
    [
        ([], "no_steps"),
        (None, "no_steps"),
        ([{"notify": ["site_owner"], "delay_seconds": 300}] * 11, "too_many_steps"),
        (["site_owner"], "bad_step"),
        ([{"notify": ["site_owner"]}], "bad_step"),
        ([{"notify": [], "delay_seconds": 300}], "bad_notify"),
        ([{"notify": ["ana"], "delay_seconds": 300}], "bad_notify"),
        ([{"notify": ["owner:"], "delay_seconds": 300}], "bad_notify"),
        ([{"notify": ["owner:²"], "delay_seconds": 300}], "bad_notify"),
        ([{"notify": [7], "delay_seconds": 300}], "bad_notify"),
        ([{"notify": ["site_owner"], "delay_seconds": 0}], "bad_delay"),
        ([{"notify": ["site_owner"], "delay_seconds": True}], "bad_delay"),
        ([{"notify": ["site_owner"], "delay_seconds": float("nan")}], "bad_delay"),
        ([{"notify": ["site_owner"], "delay_seconds": "300"}], "bad_delay"),
        ([{"notify": ["site_owner"], "delay_seconds": 1e9}], "bad_delay"),
    ],
)
def test_steps_that_cannot_be_followed_are_refused(stored: object, code: str) -> None:
    with pytest.raises(PlanError) as refusal:
        read_steps(stored)
    assert refusal.value.code == code


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=8))
def test_whatever_is_stored_a_refusal_is_a_plan_error(stored: object) -> None:
    with pytest.raises(PlanError):
        read_steps(stored)
