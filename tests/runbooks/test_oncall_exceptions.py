"""Overrides and swaps: who is on call instead, and how it is taken back."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import pytest

from runbooks.models import ScheduleOverride
from runbooks.oncall.errors import OnCallError
from runbooks.oncall.selectors import on_call_at, overrides_of, turns_between
from runbooks.oncall.services import add_override, remove_override, swap_turns
from tests.factories import NOON, make_owner
from tests.runbooks.oncall_world import at, make_rotation, make_schedule, two_people, weekly

pytestmark = pytest.mark.django_db


def test_an_override_stands_instead_of_the_rotation_for_its_span_only() -> None:
    ana, ben = two_people()
    schedule = weekly(ana, ben)
    add_override(
        schedule=schedule, owner=ben, starts_at=at(8, 9), ends_at=at(8, 18), by=None, now=NOON
    )
    found = turns_between(schedule, start=at(8), end=at(9))
    assert [(turn.owner, turn.starts_at, turn.origin) for turn in found] == [
        (ana, at(8), "rotation"),
        (ben, at(8, 9), "override"),
        (ana, at(8, 18), "rotation"),
    ]


def test_an_override_does_not_change_who_was_on_call_before_it_was_made() -> None:
    ana, ben = two_people()
    schedule = weekly(ana, ben)
    add_override(schedule=schedule, owner=ana, starts_at=at(1), ends_at=at(2), by=None, now=NOON)
    assert on_call_at(schedule, at=at(1, 11)) == ben
    assert on_call_at(schedule, at=at(1, 12)) == ana


def test_an_override_of_a_gap_covers_it() -> None:
    schedule, ana = make_schedule(), make_owner()
    add_override(schedule=schedule, owner=ana, starts_at=at(8), ends_at=at(9), by=None, now=NOON)
    assert on_call_at(schedule, at=at(8, 3)) == ana


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "code"),
    [
        (at(9), at(8), "ends_first"),
        (at(8), at(8), "ends_first"),
        (NOON - timedelta(days=2), NOON, "in_the_past"),
        (at(8), at(8) + timedelta(days=401), "too_long"),
    ],
)
def test_a_span_that_makes_no_sense_is_refused(
    starts_at: datetime, ends_at: datetime, code: str
) -> None:
    schedule, ana = make_schedule(), make_owner()
    with pytest.raises(OnCallError) as refusal:
        add_override(
            schedule=schedule, owner=ana, starts_at=starts_at, ends_at=ends_at, by=None, now=NOON
        )
    assert refusal.value.code == code
    assert not ScheduleOverride.objects.exists()


def test_an_override_taken_back_twice_is_gone_once() -> None:
    ana, ben = two_people()
    schedule = weekly(ana, ben)
    override = add_override(
        schedule=schedule, owner=ben, starts_at=at(8), ends_at=at(9), by=None, now=NOON
    )
    remove_override(override=override, by=None, now=NOON)
    remove_override(override=override, by=None, now=NOON)
    assert on_call_at(schedule, at=at(8, 3)) == ana
    assert list(overrides_of(schedule, since=NOON)) == []


def test_an_override_under_way_ends_now_and_what_was_stays() -> None:
    ana, ben = two_people()
    schedule = weekly(ana, ben)
    override = add_override(
        schedule=schedule, owner=ben, starts_at=at(8), ends_at=at(9), by=None, now=NOON
    )
    remove_override(override=override, by=None, now=at(8, 12))
    assert on_call_at(schedule, at=at(8, 11)) == ben
    assert on_call_at(schedule, at=at(8, 12)) == ana


def test_an_override_that_is_over_stays_as_it_was() -> None:
    ana, ben = two_people()
    schedule = weekly(ana, ben)
    override = add_override(
        schedule=schedule, owner=ben, starts_at=at(8), ends_at=at(9), by=None, now=NOON
    )
    with pytest.raises(OnCallError) as refusal:
        remove_override(override=override, by=None, now=at(10))
    assert refusal.value.code == "override_over"
    assert on_call_at(schedule, at=at(8, 3)) == ben


def test_two_people_swap_their_weeks() -> None:
    ana, ben = two_people()
    schedule = weekly(ana, ben)
    swap_turns(schedule=schedule, first_at=at(8), second_at=at(16), by=None, now=NOON)
    found = turns_between(schedule, start=at(7, 9), end=at(28, 9))
    assert [(turn.owner, turn.starts_at, turn.origin) for turn in found] == [
        (ben, at(7, 9), "swap"),
        (ana, at(14, 9), "swap"),
        (ana, at(21, 9), "rotation"),
    ]


def test_a_swapped_turn_takes_all_its_hours_with_it_and_nothing_else() -> None:
    ana, ben = two_people()
    schedule = make_schedule()
    make_rotation(schedule, ana, ben, covers_from=time(8), covers_until=time(18))
    made = swap_turns(
        schedule=schedule, first_at=at(8, 10), second_at=at(15, 10), by=None, now=NOON
    )
    # A week from Monday 09:00: seven days, and the hour before the next hand-over.
    assert len(made) == 16
    assert on_call_at(schedule, at=at(12, 10)) == ben
    assert on_call_at(schedule, at=at(12, 20)) is None


def test_of_a_turn_under_way_the_rest_is_swapped() -> None:
    ana, ben = two_people()
    schedule = weekly(ana, ben)
    swap_turns(schedule=schedule, first_at=at(8), second_at=at(16), by=None, now=at(9))
    assert on_call_at(schedule, at=at(8)) == ana
    assert on_call_at(schedule, at=at(9)) == ben


def test_a_swap_is_taken_back_on_both_sides() -> None:
    ana, ben = two_people()
    schedule = weekly(ana, ben)
    made = swap_turns(schedule=schedule, first_at=at(8), second_at=at(16), by=None, now=NOON)
    remove_override(override=made[0], by=None, now=NOON)
    assert on_call_at(schedule, at=at(8)) == ana
    assert on_call_at(schedule, at=at(16)) == ben


def test_a_swapped_turn_can_be_swapped_again() -> None:
    ana, ben = two_people()
    chloe = make_owner(name="Chloe")
    schedule = weekly(ana, ben, chloe)
    swap_turns(schedule=schedule, first_at=at(8), second_at=at(15), by=None, now=NOON)
    swap_turns(schedule=schedule, first_at=at(8), second_at=at(22), by=None, now=NOON)
    assert [on_call_at(schedule, at=at(day)) for day in (8, 15, 22)] == [chloe, ana, ben]


@pytest.mark.parametrize(
    ("first_at", "second_at", "code"),
    [
        (at(8), at(9), "same_person"),
        (at(8), at(22), "same_person"),
        (NOON - timedelta(days=12), at(16), "turn_over"),
        (NOON - timedelta(days=300), at(16), "nobody_to_swap"),
    ],
)
def test_turns_that_cannot_be_swapped_are_refused(
    first_at: datetime, second_at: datetime, code: str
) -> None:
    schedule = weekly(*two_people())
    with pytest.raises(OnCallError) as refusal:
        swap_turns(schedule=schedule, first_at=first_at, second_at=second_at, by=None, now=NOON)
    assert refusal.value.code == code
    assert not ScheduleOverride.objects.exists()
