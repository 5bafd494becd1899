"""Schedules as calendars (RFC 5545): read the events of one, write the turns of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import recurring_ical_events  # type: ignore[import-untyped]  # it ships no types
from icalendar import Calendar, Component, Event, vCalAddress

from fleet.models import Owner
from runbooks.models import Schedule
from runbooks.oncall.errors import OnCallError
from runbooks.oncall.rota import MIDNIGHT, moment_of
from runbooks.oncall.selectors import LONGEST_SPAN, ShownTurn, turns_between

MOST_CHARACTERS = 1_000_000
MOST_EVENTS = 2_000
#: Occurrences are worked out month by month, so that an endless calendar ends early.
_MONTH = timedelta(days=30)
_DAY = timedelta(days=1)
#: The id here of whose turn it is: tells people of one name apart, and says nothing elsewhere.
_OWNER = "X-HEARTHWATCH-OWNER"
_OWNER_DIGITS = 18
_FREQUENCIES = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
#: With these, one rule may mean an event every second.
_FINE_PARTS = ("BYHOUR", "BYMINUTE", "BYSECOND")
#: A rule is followed from its first day on, so one that begins in the year 1 takes minutes.
_FIRST_YEAR = 1990
_BROKEN = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError)


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """One occurrence of an event. Times are UTC; `emails` are those of its attendees.

    `owner_id` is whom a calendar of ours says it is about, None where it says nothing.
    """

    uid: str
    starts_at: datetime
    ends_at: datetime
    summary: str
    emails: tuple[str, ...]
    owner_id: int | None = None


def read_calendar(
    text: str, *, time_zone: str, start: datetime, end: datetime
) -> list[CalendarEvent]:
    """Return every occurrence between `start` and `end`, recurring ones included, in order.

    Whole days and times without a zone are local to `time_zone`. Raises OnCallError when it is
    no calendar, or too much of one.
    """
    if len(text) > MOST_CHARACTERS:
        raise OnCallError(
            "calendar_too_large",
            f"The calendar is larger than {MOST_CHARACTERS:,} characters; export less of it.",
        )
    zone = ZoneInfo(time_zone)
    try:
        calendar = Calendar.from_ical(text)
        _check_rules(calendar)
        found = {
            (event.uid, event.starts_at): event
            for component in _occurrences(calendar, start, end)
            for event in _read_event(component, zone)
            if event.starts_at < end and start < event.ends_at
        }
    except _BROKEN as error:
        # What the parsers raise on broken text depends on where it is broken.
        raise OnCallError(
            "bad_calendar",
            "This is no calendar that can be read; export it as iCalendar (.ics) and try again.",
        ) from error
    return sorted(found.values(), key=lambda event: (event.starts_at, event.uid))


def export_calendar(
    schedule: Schedule,
    *,
    start: datetime,
    end: datetime,
    with_addresses: bool,
    with_reasons: bool = True,
) -> bytes:
    """Return the turns from `start` to `end` as an iCalendar file; gaps are left out.

    `with_addresses` names people as attendees by the email of their account; without it the file
    holds no address and can be taken in again all the same. `with_reasons` tells why somebody
    stands in, as was written down.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//Hearthwatch//On call//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", f"On call: {schedule.name}")
    for turn in turns_between(schedule, start=start, end=end):
        if turn.owner is not None:
            event = _write_event(schedule, turn, turn.owner, start)
            reason = turn.reason if with_reasons else ""
            event.add("description", turn.layer or reason or turn.origin)
            if with_addresses and turn.owner.user is not None and turn.owner.user.email:
                event.add("attendee", vCalAddress(f"mailto:{turn.owner.user.email}"))
            calendar.add_component(event)
    return bytes(calendar.to_ical())


def _write_event(schedule: Schedule, turn: ShownTurn, owner: Owner, stamp: datetime) -> Event:
    event = Event()
    event.add("uid", f"{schedule.slug}-{turn.starts_at:%Y%m%dT%H%M%SZ}@hearthwatch")
    event.add("dtstamp", stamp.astimezone(UTC))
    event.add("dtstart", turn.starts_at)
    event.add("dtend", turn.ends_at)
    event.add("summary", owner.name)
    event.add(_OWNER, str(owner.pk))
    return event


def _check_rules(calendar: Component) -> None:
    events = calendar.walk("VEVENT")
    if calendar.name != "VCALENDAR":
        raise ValueError("no VCALENDAR")
    if len(events) > MOST_EVENTS:
        raise _too_many()
    for event in events:
        if not isinstance(event, Event) or event.start.year < _FIRST_YEAR:
            raise ValueError("began before anybody was on call")
        if event.end - event.start > LONGEST_SPAN:
            raise ValueError("longer than any turn")
        rules = event.get("RRULE", [])
        for rule in rules if isinstance(rules, list) else [rules]:
            _check_rule(rule, str(event.get("SUMMARY", "")))


def _check_rule(rule: Any, summary: str) -> None:
    frequency = str(rule.get("FREQ", ["?"])[0]).upper()
    is_often = frequency not in _FREQUENCIES or any(part in rule for part in _FINE_PARTS)
    if is_often or int(rule.get("INTERVAL", [1])[0]) < 1:
        raise OnCallError(
            "bad_rule",
            f"The event {summary[:60]!r} recurs more than once a day; events may recur daily, "
            "weekly, monthly or yearly.",
        )


def _occurrences(calendar: Component, start: datetime, end: datetime) -> Iterator[Component]:
    query = recurring_ical_events.of(calendar)
    count = 0
    # A day early and late: whole days and floating times are not yet in the zone they are meant.
    begins, last = start - _DAY, end + _DAY
    while begins < last:
        for component in query.between(begins, min(begins + _MONTH, last)):
            count += 1
            if count > MOST_EVENTS:
                raise _too_many()
            yield component
        begins += _MONTH


def _too_many() -> OnCallError:
    return OnCallError(
        "too_many_events",
        f"The calendar has more than {MOST_EVENTS:,} events in this span; export less of it.",
    )


def _read_event(component: Component, zone: ZoneInfo) -> Iterator[CalendarEvent]:
    is_cancelled = str(component.get("STATUS", "")).upper() == "CANCELLED"
    if is_cancelled or not isinstance(component, Event):
        return
    starts_at, ends_at = _moment(component.start, zone), _moment(component.end, zone)
    if ends_at <= starts_at:
        return
    attendees = component.get("ATTENDEE", [])
    emails = attendees if isinstance(attendees, list) else [attendees]
    owner = str(component.get(_OWNER, ""))
    is_number = owner.isascii() and owner.isdigit() and len(owner) <= _OWNER_DIGITS
    yield CalendarEvent(
        # As in the calendar, with the occurrence: a recurring event has one UID for all.
        uid=f"{str(component.get('UID', ''))[:200]}/{starts_at:%Y%m%dT%H%M%SZ}",
        starts_at=starts_at,
        ends_at=ends_at,
        summary=str(component.get("SUMMARY", "")).strip(),
        emails=tuple(str(email).lower().removeprefix("mailto:").strip() for email in emails),
        owner_id=int(owner) if is_number else None,
    )


def _moment(value: date | datetime, zone: ZoneInfo) -> datetime:
    if not isinstance(value, datetime):
        return moment_of(value, MIDNIGHT, zone)
    if value.tzinfo is None:
        return moment_of(value.date(), value.time(), zone)
    return value.astimezone(UTC)
