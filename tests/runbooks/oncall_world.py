"""Schedules and people for the tests of who is on call."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Any

from fleet.models import Owner, Site
from runbooks.models import Rotation, Schedule
from runbooks.oncall.services import create_schedule, set_rotation
from tests.factories import NOON, make_owner

#: The Monday after NOON's Tuesday.
MONDAY = date(2030, 1, 7)
_numbers = count(1)


def make_schedule(**overrides: Any) -> Schedule:
    number = next(_numbers)
    fields: dict[str, Any] = {
        "slug": f"schedule-{number}",
        "name": f"Schedule {number}",
        "time_zone": "UTC",
        "by": None,
        "now": NOON,
    }
    return create_schedule(**(fields | overrides))


def make_rotation(schedule: Schedule, *members: Owner, **overrides: Any) -> Rotation:
    """Make a weekly rotation that hands over on Mondays at 09:00, set long ago."""
    fields: dict[str, Any] = {
        "position": 1,
        "name": "Weeks",
        "starts_on": MONDAY - timedelta(days=7 * 4 * len(members)),
        "hands_over_at": time(9),
        "by": None,
        "now": NOON - timedelta(days=30),
    }
    return set_rotation(schedule=schedule, members=members, **(fields | overrides))


def weekly(*members: Owner, **overrides: Any) -> Schedule:
    """Make a schedule in UTC whose first member takes over on MONDAY at 09:00."""
    schedule = make_schedule(**overrides)
    make_rotation(schedule, *members)
    return schedule


def two_people() -> tuple[Owner, Owner]:
    return make_owner(name="Ana"), make_owner(name="Ben")


def owner_of(site: Site) -> str:
    """Return the name of whoever answers for the site."""
    return Owner.objects.get(sites=site).name


def at(day: int, hour: int = 0) -> datetime:
    """Return a moment of January 2030; the 7th is a Monday."""
    return datetime(2030, 1, day, hour, tzinfo=UTC)
