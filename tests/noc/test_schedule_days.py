"""Days as bars on local clocks, and the rules of a schedule in words."""

from __future__ import annotations

from datetime import date, time
from zoneinfo import ZoneInfo

import pytest

from fleet.noc.schedule_board import rotation_words, weekday_words
from fleet.noc.schedule_days import days_of
from runbooks.oncall.selectors import ShownTurn
from tests.factories import make_owner
from tests.noc.detail_world import NOW
from tests.runbooks.oncall_world import at, make_rotation, make_schedule

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("first", [date(2030, 3, 25), date(2030, 10, 21)])
def test_days_on_which_clocks_change_are_whole_days_of_bars(first: date) -> None:
    zone = ZoneInfo("Europe/Paris")
    owner = make_owner(name="Anne Roux")
    turn = ShownTurn(owner=owner, starts_at=at(1), ends_at=at(1).replace(year=2031))
    days = days_of([turn], first=first, zone=zone, holidays={}, now=NOW, me=None)
    assert [(bar.begins, bar.ends) for day in days for bar in day.bars] == [(0, 48)] * 14


def test_a_stretch_of_minutes_still_gets_a_column() -> None:
    turn = ShownTurn(owner=None, starts_at=at(7, 12), ends_at=at(7, 12).replace(minute=5))
    days = days_of(
        [turn], first=date(2030, 1, 7), zone=ZoneInfo("UTC"), holidays={}, now=NOW, me=None
    )
    assert [(bar.begins, bar.span) for bar in days[0].bars] == [(24, 1)]


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ([], ""),
        ([0, 1, 2, 3, 4, 5, 6], ""),
        ([0, 1, 2, 3, 4], "Mon to Fri"),
        ([5, 6], "Sat and Sun"),
        ([0, 2, 4], "Mon, Wed and Fri"),
    ],
)
def test_weekdays_are_said_as_people_say_them(days: list[int], words: str) -> None:
    assert weekday_words(days) == words


def test_a_rotation_is_said_in_words() -> None:
    rotation = make_rotation(
        make_schedule(),
        make_owner(),
        starts_on=date(2030, 1, 7),
        weekdays=[0, 1, 2, 3, 4],
        covers_from=time(8),
        covers_until=time(18),
        rests_on_holidays=True,
    )
    assert rotation_words(rotation) == (
        "Weekly, hands over at 09:00, Mon to Fri, 08:00 to 18:00, from 7 Jan 2030, "
        "rests on holidays"
    )
