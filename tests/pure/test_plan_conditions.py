"""Steps with conditions: severities and hours, and what happens when nothing is open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.models import Membership
from runbooks.escalation.plan import (
    Decision,
    Facts,
    PlanError,
    Step,
    facts_about,
    held,
    is_open,
    once_around,
    read_steps,
)
from runbooks.escalation.steps import ROLES, SEVERITIES, check_steps
from telemetry.models import Finding

TOKYO = Facts(severity="low", time_zone="Asia/Tokyo")
HOUR = timedelta(hours=1)
#: A Tuesday; 21:00 in Tokyo, 13:00 in Paris.
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
OFFICE = {"time_zone": "site", "weekdays": [0, 1, 2, 3, 4], "from": "08:00", "until": "18:00"}
NIGHT = {"time_zone": "site", "weekdays": [1], "from": "20:00", "until": "06:00"}


def stored(**parts: Any) -> dict[str, Any]:
    return {"notify": ["site_owner"], "delay_seconds": 300} | parts


def steps_of(*parts: dict[str, Any]) -> tuple[Step, ...]:
    return read_steps([stored(**part) for part in parts])


def test_a_step_without_conditions_is_always_open() -> None:
    (step,) = steps_of({})
    assert is_open(step, facts=TOKYO, at=NOON)


def test_a_step_is_open_to_its_severities_only() -> None:
    (step,) = steps_of({"severities": ["high", "urgent"]})
    assert step.severities == ("urgent", "high")
    assert not is_open(step, facts=TOKYO, at=NOON)
    assert is_open(step, facts=Facts(severity="urgent"), at=NOON)


@pytest.mark.parametrize(
    ("hours", "at", "expected"),
    [
        (OFFICE, NOON, False),
        (OFFICE, NOON - 4 * HOUR, True),
        (OFFICE, NOON - 3 * HOUR, False),
        (OFFICE | {"time_zone": "Europe/Paris"}, NOON, True),
        (OFFICE | {"weekdays": [5, 6]}, NOON - 4 * HOUR, False),
        (NIGHT, NOON, True),
        (NIGHT, NOON + 8 * HOUR, True),
        (NIGHT, NOON + 9 * HOUR, False),
        (NIGHT, NOON - 16 * HOUR, False),
        (NIGHT | {"weekdays": [0]}, NOON - 16 * HOUR, True),
        (OFFICE | {"from": "00:00", "until": "00:00"}, NOON, True),
    ],
)
def test_hours_are_local_and_belong_to_the_day_on_which_they_begin(
    hours: dict[str, Any], at: datetime, expected: bool
) -> None:
    (step,) = steps_of({"hours": hours})
    assert is_open(step, facts=TOKYO, at=at) is expected


def test_a_closed_step_is_passed_over_without_waiting() -> None:
    steps = steps_of({"hours": OFFICE}, {"delay_seconds": 600})
    (move,) = once_around(steps, step_index=0, rounds_left=0, now=NOON, facts=TOKYO)
    assert (move.step, move.next_due_at) == (1, NOON + timedelta(seconds=600))


def test_when_no_step_is_open_the_first_to_open_is_waited_for() -> None:
    later = OFFICE | {"from": "09:00"}
    steps = steps_of({"hours": later}, {"hours": OFFICE})
    assert list(once_around(steps, step_index=0, rounds_left=1, now=NOON, facts=TOKYO)) == []
    opens_at = datetime(2030, 1, 1, 23, tzinfo=UTC)
    assert held(steps, step_index=0, rounds_left=1, now=NOON, facts=TOKYO) == Decision(
        step=1, next_step=1, rounds_left=1, next_due_at=opens_at
    )


def test_a_weekend_is_waited_for_its_monday() -> None:
    steps = steps_of({"hours": OFFICE})
    friday = datetime(2030, 1, 4, 10, tzinfo=UTC)
    decision = held(steps, step_index=0, rounds_left=0, now=friday, facts=TOKYO)
    assert decision is not None
    assert decision.next_due_at == datetime(2030, 1, 6, 23, tzinfo=UTC)


def test_nothing_is_waited_for_while_any_step_of_the_plan_is_open() -> None:
    steps = steps_of({}, {"hours": OFFICE})
    assert held(steps, step_index=1, rounds_left=0, now=NOON, facts=TOKYO) is None


def test_nothing_is_waited_for_when_the_last_round_is_over() -> None:
    steps = steps_of({"hours": OFFICE})
    assert held(steps, step_index=1, rounds_left=0, now=NOON, facts=TOKYO) is None


def test_waiting_for_the_next_round_spends_it() -> None:
    steps = steps_of({"hours": OFFICE})
    decision = held(steps, step_index=1, rounds_left=2, now=NOON, facts=TOKYO)
    assert decision is not None
    assert (decision.next_step, decision.rounds_left) == (0, 1)


def test_a_severity_that_no_step_is_for_is_paged_as_any_other() -> None:
    steps = steps_of({"severities": ["urgent"]})
    facts = facts_about(steps, severity="low", time_zone="UTC")
    assert is_open(steps[0], facts=facts, at=NOON)


@given(
    hours=st.lists(
        st.fixed_dictionaries(
            {
                "time_zone": st.sampled_from(["site", "Europe/Paris", "America/New_York"]),
                "weekdays": st.lists(st.integers(0, 6), min_size=1, max_size=7),
                "from": st.sampled_from(["00:00", "02:30", "08:00", "23:15"]),
                "until": st.sampled_from(["00:00", "02:45", "18:00", "23:15"]),
            }
        ),
        min_size=1,
        max_size=3,
    ),
    minutes=st.integers(0, 2 * 365 * 24 * 60),
)
def test_what_is_waited_for_is_open_when_it_is_due_and_nothing_was_before(
    hours: list[dict[str, Any]], minutes: int
) -> None:
    steps = steps_of(*({"hours": each} for each in hours))
    now = datetime(2029, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    moves = list(once_around(steps, step_index=0, rounds_left=0, now=now, facts=TOKYO))
    decision = held(steps, step_index=0, rounds_left=0, now=now, facts=TOKYO)
    # One of the two: somebody is paged now, or a time is known at which somebody will be.
    assert (decision is None) == bool(moves)
    due = (decision or moves[0]).next_due_at
    assert due is not None
    step = steps[decision.next_step] if decision else steps[moves[0].step or 0]
    assert is_open(step, facts=TOKYO, at=due if decision else now)
    quarter = timedelta(minutes=15)
    between = range(1, int((due - now) / quarter)) if decision else range(0)
    assert not any(
        is_open(step, facts=TOKYO, at=now + number * quarter)
        for step in steps
        for number in between
    )


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"severities": "urgent"}, "bad_severities"),
        ({"severities": ["grave"]}, "bad_severities"),
        ({"severities": [[]]}, "bad_severities"),
        ({"hours": []}, "bad_hours"),
        ({"hours": OFFICE | {"time_zone": "Mars"}}, "bad_hours"),
        ({"hours": OFFICE | {"time_zone": ["site"]}}, "bad_hours"),
        ({"hours": OFFICE | {"weekdays": []}}, "bad_hours"),
        ({"hours": OFFICE | {"weekdays": [7]}}, "bad_hours"),
        ({"hours": OFFICE | {"weekdays": [True]}}, "bad_hours"),
        ({"hours": OFFICE | {"from": "8:00"}}, "bad_hours"),
        ({"hours": OFFICE | {"until": "24:00"}}, "bad_hours"),
        ({"hours": OFFICE | {"until": 18}}, "bad_hours"),
        ({"hours": {"from": "08:00", "until": "18:00"}}, "bad_hours"),
        ({"policy": "other"}, "bad_step"),
        ({"notify": ["policy:europe"]}, "bad_notify"),
        ({"notify": ["schedule:"]}, "bad_notify"),
        ({"notify": ["schedule:Ö"]}, "bad_notify"),
        ({"notify": ["role:king"]}, "bad_notify"),
        ({"notify": ["site_owner:1"]}, "bad_notify"),
        ({"notify": ["contact:x"]}, "bad_notify"),
    ],
)
def test_conditions_and_words_that_cannot_be_followed_are_refused(
    parts: dict[str, Any], code: str
) -> None:
    with pytest.raises(PlanError) as refusal:
        steps_of(parts)
    assert refusal.value.code == code
    assert refusal.value.sentence.endswith(".")


def test_every_word_can_be_written() -> None:
    words = ["site_owner", "catch_all", "owner:7", "schedule:europe", "group:power-crew"]
    words += ["role:engineer", "contact:3"]
    assert steps_of({"notify": words})[0].notify == tuple(words)


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([{"notify": ["owner:1", "owner:1"]}], "named_twice"),
        ([{"severities": ["urgent"]}, {"severities": ["high"]}], "severity_left_out"),
    ],
)
def test_new_steps_that_say_something_else_than_was_meant_are_refused(
    parts: list[dict[str, Any]], code: str
) -> None:
    steps = steps_of(*parts)
    with pytest.raises(PlanError) as refusal:
        check_steps(steps)
    assert refusal.value.code == code


def test_steps_know_the_same_roles_and_severities_as_the_rows() -> None:
    assert set(ROLES) == set(Membership.Role.values)
    assert [name.lower() for name in Finding.Severity.names] == list(SEVERITIES)
