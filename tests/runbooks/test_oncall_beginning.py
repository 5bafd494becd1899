"""When a schedule began, and what that means for the hours before."""

from __future__ import annotations

from datetime import time

import pytest

from runbooks.models import Rotation
from runbooks.oncall.selectors import begun_at, since_begun, turns_between
from runbooks.oncall.services import add_override
from tests.factories import NOON, make_owner
from tests.runbooks.oncall_world import (
    MONDAY,
    at,
    make_rotation,
    make_schedule,
    two_people,
)

pytestmark = pytest.mark.django_db


def test_a_schedule_begins_with_what_was_first_in_it_even_if_it_was_replaced() -> None:
    ana, ben = two_people()
    schedule = make_schedule()
    assert begun_at(schedule, now=NOON) == NOON
    make_rotation(schedule, ana, now=at(3))
    make_rotation(schedule, ben, now=at(8))
    assert begun_at(schedule, now=at(9)) == at(3)
    add_override(
        schedule=schedule,
        owner=ana,
        starts_at=at(4),
        ends_at=at(5),
        by=None,
        now=at(2),
    )
    assert begun_at(schedule, now=at(9)) == at(2)


def test_a_rotation_that_counts_since_ever_begins_with_its_first_hand_over() -> None:
    schedule = make_schedule()
    make_rotation(schedule, make_owner(), starts_on=MONDAY)
    Rotation.objects.update(counts_from=None)
    assert begun_at(schedule, now=at(20)) == at(7, 9)
    assert begun_at(schedule, now=at(6)) == at(6)


def test_only_a_gap_loses_what_lies_before_the_beginning() -> None:
    schedule = make_schedule()
    make_rotation(schedule, make_owner(), covers_from=time(8), covers_until=time(20))
    found = turns_between(schedule, start=at(8, 6), end=at(8, 22))
    spans = [(turn.starts_at, turn.ends_at) for turn in since_begun(found, at(8, 7))]
    assert spans == [(at(8, 7), at(8, 8)), (at(8, 8), at(8, 20)), (at(8, 20), at(8, 22))]
    spans = [(turn.starts_at, turn.ends_at) for turn in since_begun(found, at(8, 21))]
    assert spans == [(at(8, 8), at(8, 20)), (at(8, 21), at(8, 22))]
