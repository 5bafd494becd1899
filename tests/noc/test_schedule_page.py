"""A schedule's page: fourteen days as bars, gaps, rules in words, and every form it has."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from icalendar import Calendar

from fleet.models import Owner
from runbooks.models import Rotation, Schedule
from runbooks.oncall.selectors import on_call_at, overrides_of
from runbooks.oncall.services import add_holiday
from tests.factories import make_owner, make_site, make_user
from tests.noc.detail_world import NOW, signed_in, stop_clock
from tests.noc.paging_world import make_europe
from tests.runbooks.oncall_world import at, make_schedule

pytestmark = pytest.mark.django_db

CALENDAR = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Example//EN
BEGIN:VEVENT
UID:one
DTSTART:20300103T090000Z
DTEND:20300104T090000Z
SUMMARY:{name}
END:VEVENT
END:VCALENDAR
"""


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.fixture
def people() -> tuple[Owner, Owner]:
    return make_owner(name="Anne Roux"), make_owner(name="Mei Tanaka")


@pytest.fixture
def europe(people: tuple[Owner, Owner]) -> Schedule:
    return make_europe(*people, now=NOW)


def page_for(user: Any, slug: str = "europe", query: str = "") -> str:
    answer = signed_in(user).get(reverse("noc:schedule", args=[slug]) + query)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def send(act: str, role: str = "engineer", **said: Any) -> Any:
    address = reverse("noc:schedule-change", args=["europe", act])
    return signed_in(make_user(role)).post(address, said)


def bars_of(page: str) -> str:
    return page[page.index('<div class="weeks"') : page.index('id="rotations-title"')]


def test_it_says_who_is_on_call_and_draws_fourteen_days(europe: Schedule) -> None:
    page = page_for(make_user("viewer"))
    assert "Anne Roux is on call in Europe" in page
    assert "Mon 7 Jan, 09:00 in Paris" in page
    assert page.count('role="listitem"') == 14
    assert "Tue 1 Jan" in bars_of(page)
    assert "Mon 14 Jan" in bars_of(page)


def test_a_hand_over_splits_the_day_at_its_local_hour(europe: Schedule) -> None:
    bars = bars_of(page_for(make_user("viewer")))
    assert 'class="turn c0 w18 shade0" title="Anne Roux, 00:00 to 09:00"' in bars
    assert 'class="turn c18 w30 shade1" title="Mei Tanaka, 09:00 to 24:00"' in bars


def test_my_own_turns_stand_out(europe: Schedule, people: tuple[Owner, Owner]) -> None:
    user = make_user("viewer")
    Owner.objects.filter(pk=people[1].pk).update(user=user)
    assert 'shade1 mine" title="Mei Tanaka, 09:00 to 24:00"' in bars_of(page_for(user))


def test_gaps_are_marked_and_counted() -> None:
    make_europe(make_owner(name="Anne Roux"), now=NOW, weekdays=[0, 1, 2, 3, 4])
    page = page_for(make_user("viewer"))
    assert "2 gaps in these days, the first from" in page
    assert 'turn c0 w48 gap" title="Nobody, 00:00 to 24:00"' in bars_of(page)


def test_nothing_before_a_schedule_began_is_drawn_or_counted_as_a_gap() -> None:
    make_europe(make_owner(name="Anne Roux"), now=NOW)
    Rotation.objects.update(starts_on=date(2030, 1, 3))
    page = page_for(make_user("viewer"))
    assert "1 gap in these days" in page
    assert "Tue 1 Jan, 13:20 in Paris" in page[page.index("1 gap") : page.index('class="weeks"')]
    assert 'gap" title="Nobody, 13:20 to 24:00"' in bars_of(page)
    assert "Nobody" not in bars_of(page_for(make_user("viewer"), query="?from=2029-12-18"))


def test_an_empty_schedule_owes_nobody_for_the_hours_before_now() -> None:
    make_schedule(slug="europe", time_zone="Europe/Paris", now=NOW)
    assert 'gap" title="Nobody, 13:20 to 24:00"' in bars_of(page_for(make_user("viewer")))


def test_other_days_are_asked_by_the_address(europe: Schedule) -> None:
    page = page_for(make_user("viewer"), query="?from=2030-02-04")
    assert "Mon 4 Feb" in bars_of(page)
    assert 'href="?from=2030-02-18"' in page
    assert "nowline" not in page


@pytest.mark.parametrize("day", ["yesterday", "9999-12-31", "0001-01-01", "2030-02-31"])
def test_a_day_that_cannot_be_shown_means_today(europe: Schedule, day: str) -> None:
    assert "Tue 1 Jan" in bars_of(page_for(make_user("viewer"), query=f"?from={day}"))


def test_a_holiday_stands_on_its_day(europe: Schedule) -> None:
    add_holiday(schedule=europe, day=date(2030, 1, 4), name="Founders", by=None, now=NOW)
    assert "Founders" in bars_of(page_for(make_user("viewer")))


def test_an_override_is_read_on_the_schedules_clocks_and_takes_over(
    europe: Schedule, people: tuple[Owner, Owner]
) -> None:
    said = {"owner": people[1].pk, "starts": "2030-01-02T09:00", "ends": "2030-01-02T17:00"}
    answer = send("override", **said, reason="Dentist")
    assert answer["Location"] == reverse("noc:schedule", args=["europe"])
    assert on_call_at(europe, at=at(2, 8)) == people[1]
    assert on_call_at(europe, at=at(2, 16)) == people[0]
    page = page_for(make_user("viewer"))
    assert "Dentist" in page
    assert 'other" title="Mei Tanaka, 09:00 to 17:00, override"' in bars_of(page)


def test_an_override_is_taken_back(europe: Schedule, people: tuple[Owner, Owner]) -> None:
    send("override", owner=people[1].pk, ends="2030-01-03T17:00")
    row = overrides_of(europe, since=NOW).get()
    assert send("override-remove", override=row.pk).status_code == 302
    assert on_call_at(europe, at=NOW) == people[0]


@pytest.mark.parametrize(
    ("act", "said", "sentence"),
    [
        ("override", {"owner": "0", "ends": "2030-01-03T17:00"}, "Choose who is on call"),
        ("override", {"owner": "OWNER", "ends": "soon"}, "The end is no time"),
        ("override", {"owner": "OWNER", "ends": "2029-01-03T17:00"}, "later end"),
        ("override", {"owner": "OWNER", "ends": "2030-03-31T02:30"}, "does not exist in"),
        ("override-remove", {"override": "999"}, "not there any more"),
        ("swap", {"first": "2030-01-02T00:00", "second": "2030-01-03T00:00"}, "Both turns are"),
        ("swap", {"first": "", "second": ""}, "The first turn is no time"),
        ("import", {}, "Choose a calendar file"),
        ("holiday", {"day": "2030-01-40", "name": "x"}, "The holiday is no day"),
        ("holiday", {"day": "", "name": ""}, "needs its day and its name"),
        ("holiday-remove", {"holiday": "x"}, "not there any more"),
        ("rotation", {"name": "Nights"}, "needs a name, a first day"),
        ("rotation-remove", {"rotation": "7"}, "not there any more"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words_and_changes_nothing(
    act: str,
    said: dict[str, str],
    sentence: str,
    europe: Schedule,
    people: tuple[Owner, Owner],
) -> None:
    typed = {name: word.replace("OWNER", str(people[1].pk)) for name, word in said.items()}
    answer = send(act, **typed)
    assert answer.status_code == 422
    assert sentence in answer.content.decode().replace("&#x27;", "'")
    assert not overrides_of(europe, since=NOW).exists()
    assert on_call_at(europe, at=NOW) == people[0]


def test_two_turns_are_swapped(europe: Schedule, people: tuple[Owner, Owner]) -> None:
    page = page_for(make_user("engineer"))
    assert f'<option value="{NOW.isoformat()}">Anne Roux, now to Mon 7 Jan, 09:00</option>' in page
    send("swap", first=NOW.isoformat(), second=at(8).isoformat())
    assert on_call_at(europe, at=at(3)) == people[1]
    assert on_call_at(europe, at=at(10)) == people[0]


def test_a_calendar_is_taken_in_and_strangers_in_it_are_named(
    europe: Schedule, people: tuple[Owner, Owner]
) -> None:
    text = CALENDAR.format(name="Mei Tanaka")
    stranger = text.replace("BEGIN:VEVENT\nUID:one", "BEGIN:VEVENT\nUID:two").replace(
        "Mei Tanaka", "Nobody Here"
    )
    inner = stranger[stranger.index("BEGIN:VEVENT") : stranger.index("END:VCALENDAR")]
    sent = SimpleUploadedFile(
        "a.ics", text.replace("END:VCALENDAR", inner + "END:VCALENDAR").encode()
    )
    engineer = signed_in(make_user("engineer"))
    address = reverse("noc:schedule-change", args=["europe", "import"])
    page = engineer.post(address, {"calendar": sent}, follow=True).content.decode()
    assert "Taken in: 1 new, 0 as before, 0 taken back." in page
    assert "Nobody here is called Nobody Here" in page
    assert on_call_at(europe, at=at(3, 12)) == people[1]


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b"hello", b"x" * 4_000_001])
def test_a_file_that_is_no_calendar_is_refused_in_words(europe: Schedule, body: bytes) -> None:
    answer = send("import", calendar=SimpleUploadedFile("a.ics", body))
    assert answer.status_code == 422
    assert 'class="fault"' in answer.content.decode()


def test_the_turns_are_taken_away_as_a_calendar(europe: Schedule) -> None:
    address = reverse("noc:schedule-calendar", args=["europe"])
    answer = signed_in(make_user("viewer")).get(address)
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="europe.ics"'
    events = Calendar.from_ical(answer.content).walk("VEVENT")
    assert str(events[0]["SUMMARY"]) == "Anne Roux"


@pytest.mark.parametrize(
    ("role", "is_told"), [("viewer", False), ("operator", False), ("engineer", True)]
)
def test_only_who_may_change_schedules_is_told_the_addresses(
    europe: Schedule, people: tuple[Owner, Owner], role: str, is_told: bool
) -> None:
    Owner.objects.filter(pk=people[0].pk).update(user=make_user(email="anne@example.org"))
    address = reverse("noc:schedule-calendar", args=["europe"])
    text = signed_in(make_user(role)).get(address).content.decode()
    assert ("anne@example.org" in text) is is_told


def test_a_rotation_is_set_with_its_people_in_order(people: tuple[Owner, Owner]) -> None:
    europe = make_schedule(slug="europe", name="Europe", time_zone="Europe/Paris")
    page = page_for(make_user("engineer"))
    assert "This schedule puts nobody on call." in page
    said = {
        "name": "Weeks",
        "position": "1",
        "member": [people[1].pk, "", people[0].pk],
        "starts_on": "2029-12-31",
        "ends_on": "",
        "hands_over_at": "09:00",
        "turn_days": "7",
        "weekday": ["0", "1", "2", "9"],
    }
    assert send("rotation", **said).status_code == 302
    rotation = europe.rotations.get()
    assert [row.owner for row in rotation.members.all()] == [people[1], people[0]]
    assert rotation.weekdays == [0, 1, 2]
    assert on_call_at(europe, at=NOW) == people[1]
    send("rotation-remove", rotation=rotation.pk)
    assert on_call_at(europe, at=NOW) is None


def test_a_rotation_that_is_there_stands_in_the_form_to_be_changed(europe: Schedule) -> None:
    rotation = europe.rotations.get()
    page = page_for(make_user("engineer"), query=f"?rotation={rotation.pk}")
    form = page[page.index('id="form-rotation" open') :]
    assert 'name="name" required maxlength="120" autocomplete="off" value="Weeks"' in form
    assert 'value="2026-01-05"' in form
    first = form[form.index('id="r-member-1"') : form.index('id="r-member-2"')]
    assert "selected>Anne Roux" in first


def test_a_refused_rotation_keeps_its_people_and_days(
    europe: Schedule, people: tuple[Owner, Owner]
) -> None:
    said = {"name": "Nights", "position": "2", "member": [people[1].pk], "weekday": ["5"]}
    page = send("rotation", **said).content.decode()
    assert 'value="5" checked' in page
    first = page[page.index('id="r-member-1"') : page.index('id="r-member-2"')]
    assert "selected>Mei Tanaka" in first


def test_a_holiday_is_added_and_removed(europe: Schedule) -> None:
    send("holiday", day="2030-01-04", name="Founders")
    row = europe.holidays.get()
    assert row.day == date(2030, 1, 4)
    send("holiday-remove", holiday=row.pk)
    assert not europe.holidays.exists()


def test_somebody_who_may_only_look_sees_no_forms_and_may_not_send_them(europe: Schedule) -> None:
    page = page_for(make_user("operator"))
    # What everybody may do is follow it in a calendar.
    assert re.findall('action="/oncall/schedules/([^"]*)"', page) == ["europe/feeds/"]
    assert "Changing schedules takes the role of engineer" in page
    assert send("holiday", role="operator", day="2030-01-04", name="x").status_code == 403
    assert not europe.holidays.exists()


def test_an_engineer_of_one_site_may_not_change_what_all_sites_follow(europe: Schedule) -> None:
    engineer = signed_in(make_user("engineer", site=make_site()))
    address = reverse("noc:schedule-change", args=["europe", "holiday"])
    assert engineer.post(address, {"day": "2030-01-04", "name": "x"}).status_code == 403
    assert not europe.holidays.exists()


def test_a_change_that_nobody_knows_is_not_found(europe: Schedule) -> None:
    assert send("explode").status_code == 404


def test_a_schedule_that_is_not_there_is_not_found() -> None:
    viewer = signed_in(make_user("viewer"))
    assert viewer.get(reverse("noc:schedule", args=["mars"])).status_code == 404
    assert viewer.get(reverse("noc:schedule-calendar", args=["mars"])).status_code == 404
