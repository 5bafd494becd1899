"""Calendars: turns as iCalendar, and somebody else's calendar instead of rotations."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from runbooks.models import Schedule, ScheduleOverride
from runbooks.oncall.calendars import HORIZON
from runbooks.oncall.errors import OnCallError
from runbooks.oncall.ical import export_calendar, read_calendar
from runbooks.oncall.selectors import on_call_at, turns_between
from runbooks.oncall.services import ImportOutcome, import_calendar
from tests.factories import NOON, make_owner, make_user
from tests.runbooks.oncall_world import at, make_schedule, two_people, weekly

SHIFT = """\
BEGIN:VEVENT
UID:{uid}
DTSTAMP:20300101T000000Z
DTSTART{start}
DTEND{end}
SUMMARY:{summary}
{more}END:VEVENT
"""
ONE_DAY = {"start": ":20300108T000000Z", "end": ":20300109T000000Z"}


def shift(uid: str = "a", summary: str = "Ana", more: str = "", **span: str) -> str:
    return SHIFT.format(uid=uid, summary=summary, more=more, **(ONE_DAY | span))


def calendar(*events: str) -> str:
    text = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//y//EN\n"
    return (text + "".join(events) + "END:VCALENDAR\n").replace("\n", "\r\n")


def take_in(schedule: Schedule, *events: str, now: datetime = NOON) -> ImportOutcome:
    return import_calendar(schedule=schedule, text=calendar(*events), by=None, now=now)


def spans(text: str, time_zone: str = "Europe/Paris", days: int = 400) -> list[tuple[str, str]]:
    found = read_calendar(text, time_zone=time_zone, start=NOON, end=NOON + timedelta(days=days))
    return [(f"{event.starts_at:%F %H:%M}", f"{event.ends_at:%F %H:%M}") for event in found]


@pytest.mark.django_db
def test_the_events_of_a_calendar_stand_instead_of_the_rotation() -> None:
    ana, ben = two_people()
    schedule = weekly(ben)
    assert take_in(schedule, shift()) == ImportOutcome(added=1, kept=0, removed=0, unknown=())
    assert on_call_at(schedule, at=at(8, 3)) == ana
    assert on_call_at(schedule, at=at(9, 3)) == ben


@pytest.mark.django_db
def test_the_same_calendar_again_changes_nothing() -> None:
    two_people()
    schedule = make_schedule()
    take_in(schedule, shift())
    outcome = take_in(schedule, shift(), now=NOON + timedelta(hours=1))
    assert outcome == ImportOutcome(added=0, kept=1, removed=0, unknown=())
    assert ScheduleOverride.objects.count() == 1


@pytest.mark.django_db
def test_the_same_calendar_while_a_shift_is_under_way_changes_nothing() -> None:
    two_people()
    schedule = make_schedule()
    take_in(schedule, shift())
    outcome = take_in(schedule, shift(), now=at(8, 5))
    assert outcome == ImportOutcome(added=0, kept=1, removed=0, unknown=())


@pytest.mark.django_db
def test_what_a_newer_calendar_no_longer_says_is_taken_back_but_not_what_was() -> None:
    ana, ben = two_people()
    schedule = make_schedule()
    take_in(schedule, shift())
    outcome = take_in(schedule, shift(summary="Ben"), now=at(8, 12))
    assert outcome == ImportOutcome(added=1, kept=0, removed=1, unknown=())
    assert on_call_at(schedule, at=at(8, 11)) == ana
    assert on_call_at(schedule, at=at(8, 12)) == ben


@pytest.mark.django_db
def test_overrides_made_by_hand_are_left_alone() -> None:
    ana, _ = two_people()
    schedule = make_schedule()
    ScheduleOverride.objects.create(
        schedule=schedule, owner=ana, starts_at=at(20), ends_at=at(21), created_at=NOON
    )
    take_in(schedule)
    assert on_call_at(schedule, at=at(20, 3)) == ana


@pytest.mark.django_db
def test_people_nobody_knows_are_named_and_the_others_taken_in() -> None:
    two_people()
    outcome = take_in(make_schedule(), shift(), shift("b", summary="Zoe"))
    assert outcome == ImportOutcome(added=1, kept=0, removed=0, unknown=("Zoe",))


@pytest.mark.django_db
def test_a_calendar_in_which_nobody_is_known_takes_nothing_back() -> None:
    ana, _ = two_people()
    schedule = make_schedule()
    take_in(schedule, shift())
    with pytest.raises(OnCallError, match="It names: Zoe") as refusal:
        take_in(schedule, shift(summary="Zoe"))
    assert refusal.value.code == "nobody_known"
    assert on_call_at(schedule, at=at(8, 3)) == ana


@pytest.mark.django_db
def test_a_person_is_known_by_the_email_of_an_attendee_before_the_title() -> None:
    ana, _ = two_people()
    chloe = make_owner(name="Chloe", user=make_user(email="chloe@example.org"))
    schedule = make_schedule()
    take_in(schedule, shift(summary=ana.name, more="ATTENDEE:MAILTO:Chloe@example.org\n"))
    assert on_call_at(schedule, at=at(8, 3)) == chloe


@pytest.mark.django_db
def test_a_name_that_two_people_share_is_nobodys() -> None:
    make_owner(name="Ana")
    make_owner(name="ana")
    make_owner(name="Ben")
    outcome = take_in(make_schedule(), shift(), shift("b", summary="Ben"))
    assert outcome.unknown == ("Ana",)


@pytest.mark.django_db
def test_events_beyond_the_horizon_wait_for_a_later_import() -> None:
    two_people()
    schedule = make_schedule()
    daily = shift(more="RRULE:FREQ=WEEKLY\n")
    first = take_in(schedule, daily)
    later = take_in(schedule, daily, now=NOON + timedelta(days=7))
    assert first.added == -(-(HORIZON.days - 6) // 7)
    assert later.added == 1


@pytest.mark.parametrize("has_addresses", [True, False])
@pytest.mark.django_db
def test_an_exported_schedule_comes_back_the_same(has_addresses: bool) -> None:
    ana, ben = two_people()
    schedule, copy = weekly(ana, ben), make_schedule()
    start, end = at(7, 9), at(7, 9) + timedelta(days=70)
    text = export_calendar(schedule, start=start, end=end, with_addresses=has_addresses).decode()
    import_calendar(schedule=copy, text=text, by=None, now=NOON)
    there = [(turn.owner, turn.starts_at) for turn in turns_between(schedule, start=start, end=end)]
    back = [(turn.owner, turn.starts_at) for turn in turns_between(copy, start=start, end=end)]
    assert back == there
    assert len(back) == 10


@pytest.mark.django_db
def test_a_calendar_names_people_and_leaves_gaps_out() -> None:
    ana = make_owner(name="Ana", user=make_user(email="ana@example.org"))
    schedule = weekly(ana, name="Europe")
    found = Calendar.from_ical(
        export_calendar(schedule, start=at(7, 9), end=at(8, 9), with_addresses=True)
    )
    (event,) = found.walk("VEVENT")
    assert str(event["SUMMARY"]) == "Ana"
    assert str(event["ATTENDEE"]) == "mailto:ana@example.org"
    assert str(found["X-WR-CALNAME"]) == "On call: Europe"
    empty = Calendar.from_ical(
        export_calendar(make_schedule(), start=at(7), end=at(8), with_addresses=True)
    )
    assert empty.walk("VEVENT") == []


def test_a_weekly_event_keeps_its_hours_on_the_clock_when_the_clocks_change() -> None:
    event = shift(
        start=";TZID=Europe/Paris:20300323T090000",
        end=";TZID=Europe/Paris:20300323T170000",
        more="RRULE:FREQ=WEEKLY;COUNT=3\n",
    )
    assert spans(calendar(event)) == [
        ("2030-03-23 08:00", "2030-03-23 16:00"),
        ("2030-03-30 08:00", "2030-03-30 16:00"),
        ("2030-04-06 07:00", "2030-04-06 15:00"),
    ]


def test_whole_days_and_times_without_a_zone_are_the_schedules_own() -> None:
    day = shift("a", start=";VALUE=DATE:20300108", end=";VALUE=DATE:20300109")
    hours = shift("b", start=":20300110T090000", end=":20300110T100000")
    assert spans(calendar(day, hours), "Asia/Tokyo") == [
        ("2030-01-07 15:00", "2030-01-08 15:00"),
        ("2030-01-10 00:00", "2030-01-10 01:00"),
    ]


def test_exceptions_and_cancelled_events_are_left_out() -> None:
    series = shift("a", more="RRULE:FREQ=DAILY;COUNT=3\nEXDATE:20300109T000000Z\n")
    cancelled = shift("b", more="STATUS:CANCELLED\n")
    assert [start for start, _ in spans(calendar(series, cancelled))] == [
        "2030-01-08 00:00",
        "2030-01-10 00:00",
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad_calendar"),
        ("half past nine", "bad_calendar"),
        ("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", "bad_calendar"),
        ("BEGIN:VEVENT\r\nUID:a\r\nEND:VEVENT\r\n", "bad_calendar"),
        (calendar(shift(start=":yesterday")), "bad_calendar"),
        (calendar("SUMMARY:" + "x" * 1_000_001 + "\n"), "calendar_too_large"),
        (calendar(shift(more="RRULE:FREQ=SECONDLY\n")), "bad_rule"),
        (calendar(shift(more="RRULE:FREQ=HOURLY\n")), "bad_rule"),
        (calendar(shift(more="RRULE:FREQ=DAILY;INTERVAL=0\n")), "bad_rule"),
        (calendar(shift(start=":00010101T000000Z", end=":00010102T000000Z")), "bad_calendar"),
        (calendar(shift(end=":23000101T000000Z")), "bad_calendar"),
        (calendar(shift(more="RRULE:FREQ=DAILY;BYMINUTE=1,2\n")), "bad_rule"),
        (calendar(*[shift(f"u{n}", more="RRULE:FREQ=DAILY\n") for n in range(6)]), "too_many"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(text: str, code: str) -> None:
    with pytest.raises(OnCallError) as refusal:
        spans(text)
    assert refusal.value.code.startswith(code)
    assert refusal.value.sentence.endswith(".")


LINES = st.sampled_from(
    [
        "BEGIN:VCALENDAR",
        "END:VCALENDAR",
        "BEGIN:VEVENT",
        "END:VEVENT",
        "UID:a",
        "DTSTART:20300108T000000Z",
        "DTSTART;VALUE=DATE:20300108",
        "DTSTART;TZID=Mars/Olympus:20300108T000000",
        "DTEND:20300109T000000Z",
        "DTEND:20300107T000000Z",
        "DURATION:PT1H",
        "DURATION:-PT1H",
        "RRULE:FREQ=WEEKLY;UNTIL=20300201",
        "RRULE:",
        "RRULE:FREQ=YEARLY;BYMONTHDAY=31;BYMONTH=2",
        "EXDATE:x",
        "RDATE;VALUE=PERIOD:20300108T000000Z/PT1H",
        "RECURRENCE-ID:20300108T000000Z",
        "ATTENDEE:",
        "ATTENDEE;CN=x:mailto:a@b",
        "SUMMARY:Ana",
        "STATUS:CANCELLED",
        "BEGIN:VTIMEZONE",
        "END:VTIMEZONE",
        "TZID:Mars/Olympus",
    ]
)


@given(st.lists(LINES | st.text(max_size=12), max_size=14))
def test_whatever_a_calendar_holds_a_refusal_is_an_on_call_error(lines: list[str]) -> None:
    text = "\r\n".join(["BEGIN:VCALENDAR", *lines, "END:VCALENDAR", ""])
    try:
        found = spans(text, days=60)
    except OnCallError as refusal:
        found = [(refusal.code, refusal.sentence)]
    assert all(first and second for first, second in found)


@pytest.mark.django_db
def test_without_addresses_people_of_one_name_are_told_apart_all_the_same() -> None:
    ana, other = (make_owner(name="Ana", user=make_user(email=f"{n}@example.org")) for n in "ab")
    schedule, copy = weekly(ana, other), make_schedule()
    start, end = at(7, 9), at(7, 9) + timedelta(days=28)
    text = export_calendar(schedule, start=start, end=end, with_addresses=False).decode()
    assert "example.org" not in text
    import_calendar(schedule=copy, text=text, by=None, now=NOON)
    there = [turn.owner for turn in turns_between(schedule, start=start, end=end)]
    assert [turn.owner for turn in turns_between(copy, start=start, end=end)] == there
    assert set(there) == {ana, other}


@pytest.mark.django_db
@pytest.mark.parametrize("number", ["{ben}", "9" * 30, "x", "-1"])
def test_a_number_never_puts_somebody_else_on_call_than_the_title_names(number: str) -> None:
    ana, ben = two_people()
    more = f"X-HEARTHWATCH-OWNER:{number.format(ben=ben.pk)}\n"
    event = shift(start=":20300107T090000Z", end=":20300108T090000Z", summary=ana.name, more=more)
    copy = make_schedule()
    import_calendar(schedule=copy, text=calendar(event), by=None, now=NOON)
    assert on_call_at(copy, at=at(7, 10)) == ana
