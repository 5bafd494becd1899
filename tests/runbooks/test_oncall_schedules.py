"""Schedules: rotations, holidays and groups, and who is on call by them."""

from __future__ import annotations

from datetime import date, time
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from fleet.models import AuditEntry
from runbooks.models import Rotation
from runbooks.oncall.errors import OnCallError
from runbooks.oncall.selectors import (
    gaps_between,
    holidays_of,
    holidays_that_counted,
    on_call_at,
    on_call_ids,
    rotations_of,
    turns_between,
)
from runbooks.oncall.services import (
    add_holiday,
    create_group,
    remove_holiday,
    remove_rotation,
)
from tests.factories import NOON, make_owner
from tests.runbooks.oncall_world import (
    MONDAY,
    at,
    make_rotation,
    make_schedule,
    two_people,
    weekly,
)

pytestmark = pytest.mark.django_db


def test_the_person_whose_turn_it_is_is_on_call() -> None:
    ana, ben = two_people()
    schedule = weekly(ana, ben)
    assert on_call_at(schedule, at=at(7, 8)) == ben
    assert on_call_at(schedule, at=at(7, 9)) == ana
    assert on_call_at(schedule, at=at(14, 9)) == ben


def test_turns_are_shown_with_their_people_and_rotation() -> None:
    ana, ben = two_people()
    found = turns_between(weekly(ana, ben), start=at(7, 9), end=at(21, 9))
    assert [(turn.owner, turn.starts_at, turn.layer, turn.origin) for turn in found] == [
        (ana, at(7, 9), "Weeks", "rotation"),
        (ben, at(14, 9), "Weeks", "rotation"),
    ]


def test_a_schedule_without_rotations_is_one_gap() -> None:
    schedule = make_schedule()
    assert on_call_at(schedule, at=NOON) is None
    (gap,) = gaps_between(schedule, start=at(7), end=at(9))
    assert (gap.starts_at, gap.ends_at, gap.origin, gap.is_gap) == (at(7), at(9), "gap", True)


def test_hours_that_nobody_covers_are_gaps() -> None:
    schedule = make_schedule()
    make_rotation(schedule, make_owner(), covers_from=time(8), covers_until=time(20))
    gaps = gaps_between(schedule, start=at(7, 8), end=at(9, 8))
    assert [(gap.starts_at, gap.ends_at) for gap in gaps] == [
        (at(7, 20), at(8, 8)),
        (at(8, 20), at(9, 8)),
    ]


def test_a_long_span_is_cut_instead_of_worked_out_for_years() -> None:
    found = turns_between(weekly(make_owner()), start=at(7), end=at(7).replace(year=2130))
    assert found[-1].ends_at == at(7).replace(year=2031, month=2, day=11)


def test_setting_a_rotation_again_replaces_the_one_at_its_place() -> None:
    ana, ben = two_people()
    schedule = weekly(ana, ben)
    make_rotation(schedule, ben)
    assert Rotation.objects.filter(schedule=schedule).count() == 1
    assert on_call_at(schedule, at=at(7, 10)) == ben


def test_a_rotation_set_anew_leaves_who_was_on_call_before_as_it_was() -> None:
    ana, ben = two_people()
    schedule = weekly(ana, ben)
    make_rotation(schedule, ben, name="New", now=at(9, 15))
    found = turns_between(schedule, start=at(7, 9), end=at(21, 9))
    assert [(turn.owner, turn.starts_at, turn.layer) for turn in found] == [
        (ana, at(7, 9), "Weeks"),
        (ben, at(9, 15), "New"),
    ]
    assert [row.name for row in rotations_of(schedule)] == ["New"]
    assert on_call_at(schedule, at=at(9, 14)) == ana


def test_a_removed_rotation_still_says_who_was_on_call() -> None:
    ana, ben = two_people()
    schedule = make_schedule()
    first = make_rotation(schedule, ana)
    make_rotation(schedule, ben, position=2, name="Backup")
    for _ in range(2):
        remove_rotation(rotation=first, by=None, now=at(9))
    turns = turns_between(schedule, start=at(7, 9), end=at(11, 9))
    assert [(turn.owner, turn.starts_at) for turn in turns] == [(ana, at(7, 9)), (ben, at(9))]
    assert [row.name for row in rotations_of(schedule)] == ["Backup"]


def test_a_new_rotation_puts_nobody_on_call_for_what_has_been() -> None:
    schedule = make_schedule()
    make_rotation(schedule, make_owner(), now=at(9))
    (gap,) = gaps_between(schedule, start=at(7), end=at(11))
    assert (gap.starts_at, gap.ends_at) == (at(7), at(9))


def test_a_rotation_with_hours_ends_within_them_when_it_is_replaced() -> None:
    ana, ben = two_people()
    schedule = make_schedule()
    hours = {"covers_from": time(8), "covers_until": time(20)}
    make_rotation(schedule, ana, **hours)
    make_rotation(schedule, ben, **hours, now=at(9, 12))
    turns = turns_between(schedule, start=at(9, 8), end=at(9, 20))
    assert [(turn.owner, turn.ends_at) for turn in turns] == [(ana, at(9, 12)), (ben, at(9, 20))]


def test_below_a_removed_rotation_the_next_layer_covers() -> None:
    ana, ben = two_people()
    schedule = make_schedule()
    first = make_rotation(schedule, ana)
    make_rotation(schedule, ben, position=2, name="Backup")
    assert on_call_at(schedule, at=NOON) == ana
    remove_rotation(rotation=first, by=None, now=NOON)
    assert on_call_at(schedule, at=NOON) == ben


def test_a_holiday_is_left_to_the_layer_below_until_it_is_taken_back() -> None:
    ana, ben = two_people()
    schedule = make_schedule()
    make_rotation(schedule, ana, rests_on_holidays=True)
    make_rotation(schedule, ben, position=2)
    holiday = add_holiday(schedule=schedule, day=MONDAY, name="Rest", by=None, now=NOON)
    assert on_call_at(schedule, at=at(7, 10)) == ben
    remove_holiday(holiday=holiday, by=None, now=NOON)
    assert on_call_at(schedule, at=at(7, 10)) == ana


def test_what_has_been_stays_when_a_holiday_is_named_or_taken_back() -> None:
    ana, ben = two_people()
    schedule = make_schedule()
    make_rotation(schedule, ana, rests_on_holidays=True)
    make_rotation(schedule, ben, position=2)
    holiday = add_holiday(schedule=schedule, day=MONDAY, name="Rest", by=None, now=at(7, 12))
    assert [on_call_at(schedule, at=at(7, hour)) for hour in (10, 13)] == [ana, ben]
    remove_holiday(holiday=holiday, by=None, now=at(7, 15))
    assert [on_call_at(schedule, at=at(7, hour)) for hour in (10, 13, 16)] == [ana, ben, ana]
    assert holidays_that_counted(schedule) == {MONDAY: "Rest"}
    again = add_holiday(schedule=schedule, day=MONDAY, name="Rest", by=None, now=at(7, 18))
    assert [on_call_at(schedule, at=at(7, hour)) for hour in (16, 19)] == [ana, ben]
    assert list(holidays_of(schedule)) == [again]


def test_a_day_that_is_over_cannot_become_a_holiday() -> None:
    schedule = make_schedule()
    with pytest.raises(OnCallError) as caught:
        add_holiday(schedule=schedule, day=MONDAY, name="Rest", by=None, now=at(8, 9))
    assert caught.value.code == "day_over"
    assert not schedule.holidays.exists()


def test_a_holiday_taken_back_before_its_day_leaves_nothing_behind() -> None:
    schedule = make_schedule()
    holiday = add_holiday(schedule=schedule, day=MONDAY, name="Rest", by=None, now=NOON)
    remove_holiday(holiday=holiday, by=None, now=at(5, 9))
    assert not schedule.holidays.exists()


def test_a_holiday_named_twice_is_one() -> None:
    schedule = make_schedule()
    for name in ("Rest", "Epiphany"):
        add_holiday(schedule=schedule, day=MONDAY, name=name, by=None, now=NOON)
    assert [holiday.name for holiday in schedule.holidays.all()] == ["Epiphany"]


def test_ten_schedules_cost_as_many_queries_as_one(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    schedules = [weekly(*two_people()) for _ in range(10)]
    with django_assert_num_queries(4):
        found = on_call_ids(schedules, at=NOON)
    assert None not in found.values()


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"turn_days": 0}, "bad_turn"),
        ({"weekdays": [7]}, "bad_weekdays"),
        ({"covers_from": time(8)}, "half_hours"),
        ({"ends_on": date(2029, 1, 1)}, "ends_first"),
    ],
)
def test_a_rotation_that_cannot_be_followed_is_refused(wrong: dict[str, Any], code: str) -> None:
    schedule = make_schedule()
    with pytest.raises(OnCallError) as refusal:
        make_rotation(schedule, make_owner(), **wrong)
    assert refusal.value.code == code
    assert not Rotation.objects.filter(schedule=schedule).exists()


def test_a_rotation_without_people_is_refused() -> None:
    schedule = make_schedule()
    with pytest.raises(OnCallError, match="name who takes turns"):
        make_rotation(schedule)


def test_a_schedule_in_no_time_zone_or_with_a_taken_name_is_refused() -> None:
    with pytest.raises(OnCallError) as refusal:
        make_schedule(time_zone="Mars/Olympus")
    assert refusal.value.code == "bad_time_zone"
    make_schedule(slug="europe")
    with pytest.raises(OnCallError) as refusal:
        make_schedule(slug="europe")
    assert refusal.value.code == "schedule_exists"


@pytest.mark.parametrize("slug", ["", "two words", "x" * 61, "Ö"])
def test_a_short_name_that_no_policy_could_name_is_refused(slug: str) -> None:
    with pytest.raises(OnCallError) as refusal:
        make_schedule(slug=slug)
    assert refusal.value.code == "bad_name"
    with pytest.raises(OnCallError) as refusal:
        create_group(slug=slug, name="Power", owners=[make_owner()], by=None, now=NOON)
    assert refusal.value.code == "bad_name"


def test_a_group_has_somebody_in_it() -> None:
    ana, ben = two_people()
    group = create_group(slug="power", name="Power", owners=[ana, ben], by=None, now=NOON)
    assert set(group.owners.all()) == {ana, ben}
    with pytest.raises(OnCallError) as refusal:
        create_group(slug="power", name="Power", owners=[], by=None, now=NOON)
    assert refusal.value.code == "empty_group"


def test_every_change_is_written_down() -> None:
    schedule = weekly(make_owner())
    add_holiday(schedule=schedule, day=MONDAY, name="Rest", by=None, now=NOON)
    entries = AuditEntry.objects.filter(subject=schedule.slug).order_by("pk")
    assert [entry.action for entry in entries] == [
        "schedule.created",
        "schedule.rotation_set",
        "schedule.holiday_added",
    ]
