"""What the schedule page's forms say, read with named faults; each changes one thing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time
from typing import TypeAlias

from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from fleet.models import Owner
from fleet.noc.span_form import FormFault, read_day, read_moment
from fleet.noc.whole_numbers import read_whole
from runbooks.models import Schedule
from runbooks.oncall.ical import MOST_CHARACTERS
from runbooks.oncall.selectors import holidays_of, rotations_of
from runbooks.oncall.services import (
    add_holiday,
    add_override,
    import_calendar,
    remove_holiday,
    remove_override,
    remove_rotation,
    set_rotation,
    swap_turns,
)

# In quotes: the class takes its argument in the checker only.
Files: TypeAlias = "MultiValueDict[str, UploadedFile[bytes]]"
#: Takes what was said and returns, in a sentence, what came of it. Raises FormFault, OnCallError.
Act = Callable[[Schedule, QueryDict, Files, User, datetime], str]

_MOST_POSITION = 20


def override(schedule: Schedule, said: QueryDict, _: Files, by: User, now: datetime) -> str:
    """Put somebody on call instead of whoever the rotations name."""
    zone = schedule.time_zone
    owner = _owner(said.get("owner", ""))
    starts = said.get("starts", "")
    add_override(
        schedule=schedule,
        owner=owner,
        starts_at=read_moment(starts, zone=zone, what="start") if starts else now,
        ends_at=read_moment(said.get("ends", ""), zone=zone, what="end"),
        reason=said.get("reason", ""),
        by=by,
        now=now,
    )
    return f"{owner.name} is on call then."


def override_remove(schedule: Schedule, said: QueryDict, _: Files, by: User, now: datetime) -> str:
    """Take an override, a swap or an imported span back."""
    row = schedule.overrides.filter(pk=_number(said.get("override", ""))).first()
    if row is None:
        raise FormFault("That override is not there any more. Reload to see who is on call.")
    remove_override(override=row, by=by, now=now)
    return "It is taken back. The rotations count again."


def swap(schedule: Schedule, said: QueryDict, _: Files, by: User, now: datetime) -> str:
    """Let the people of two turns take each other's."""
    swap_turns(
        schedule=schedule,
        first_at=read_moment(said.get("first", ""), zone="UTC", what="first turn"),
        second_at=read_moment(said.get("second", ""), zone="UTC", what="second turn"),
        reason=said.get("reason", ""),
        by=by,
        now=now,
    )
    return "The two turns are swapped."


def calendar(schedule: Schedule, said: QueryDict, files: Files, by: User, now: datetime) -> str:
    """Take in the events of an .ics file."""
    sent = files.get("calendar")
    if sent is None:
        raise FormFault("Choose a calendar file (.ics) first.")
    # Four bytes a character at most: what is longer is refused before it is read.
    if (sent.size or 0) > 4 * MOST_CHARACTERS:
        raise FormFault(f"The file is larger than {MOST_CHARACTERS:,} characters; export less.")
    try:
        text = sent.read().decode()
    except UnicodeDecodeError:
        raise FormFault("The file is no text in UTF-8; export it as iCalendar (.ics).") from None
    done = import_calendar(schedule=schedule, text=text, by=by, now=now)
    sentence = f"Taken in: {done.added} new, {done.kept} as before, {done.removed} taken back."
    if done.unknown:
        sentence += f" Nobody here is called {', '.join(done.unknown[:5])}; those were left out."
    return sentence


def holiday(schedule: Schedule, said: QueryDict, _: Files, by: User, now: datetime) -> str:
    """Name a day on which rotations that rest on holidays do not cover."""
    day = read_day(said.get("day", ""), what="holiday")
    name = said.get("name", "").strip()
    if day is None or not name:
        raise FormFault("A holiday needs its day and its name.")
    add_holiday(schedule=schedule, day=day, name=name, by=by, now=now)
    return f"{name} is a holiday here."


def holiday_remove(schedule: Schedule, said: QueryDict, _: Files, by: User, now: datetime) -> str:
    """Make a holiday an ordinary day again."""
    row = holidays_of(schedule).filter(pk=_number(said.get("holiday", ""))).first()
    if row is None:
        raise FormFault("That holiday is not there any more.")
    remove_holiday(holiday=row, by=by, now=now)
    return "It is an ordinary day again."


def rotation(schedule: Schedule, said: QueryDict, _: Files, by: User, now: datetime) -> str:
    """Put a rotation in its place, instead of the one there."""
    starts_on = read_day(said.get("starts_on", ""), what="first day")
    name = said.get("name", "").strip()
    position = _number(said.get("position", ""))
    if starts_on is None or not name or not 0 < position <= _MOST_POSITION:
        raise FormFault("A rotation needs a name, a first day and a place from 1 to 20.")
    hands_over_at = _clock(said.get("hands_over_at", ""), "hand-over")
    set_rotation(
        schedule=schedule,
        position=position,
        name=name[:120],
        members=[_owner(word) for word in said.getlist("member") if word],
        starts_on=starts_on,
        ends_on=read_day(said.get("ends_on", ""), what="last day"),
        hands_over_at=hands_over_at or time(9),
        turn_days=_number(said.get("turn_days", "")),
        weekdays=[int(day) for day in said.getlist("weekday") if day in tuple("0123456")],
        covers_from=_clock(said.get("covers_from", ""), "first hour"),
        covers_until=_clock(said.get("covers_until", ""), "last hour"),
        rests_on_holidays=said.get("rests") == "1",
        by=by,
        now=now,
    )
    return f"The rotation {name} counts from its first day on."


def rotation_remove(schedule: Schedule, said: QueryDict, _: Files, by: User, now: datetime) -> str:
    """Take a rotation out."""
    row = rotations_of(schedule).filter(pk=_number(said.get("rotation", ""))).first()
    if row is None:
        raise FormFault("That rotation is not there any more.")
    remove_rotation(rotation=row, by=by, now=now)
    return f"The rotation {row.name} is taken out."


#: What the page's forms may ask, by the last part of their address.
ACTS: dict[str, Act] = {
    "override": override,
    "override-remove": override_remove,
    "swap": swap,
    "import": calendar,
    "holiday": holiday,
    "holiday-remove": holiday_remove,
    "rotation": rotation,
    "rotation-remove": rotation_remove,
}


def _owner(text: str) -> Owner:
    owner = Owner.objects.filter(pk=_number(text)).first()
    if owner is None:
        raise FormFault("Choose who is on call from the list.")
    return owner


def _number(text: str) -> int:
    return read_whole(text, digits=9) or 0


def _clock(text: str, what: str) -> time | None:
    if not text.strip():
        return None
    try:
        return time.fromisoformat(text.strip()).replace(tzinfo=None)
    except ValueError:
        raise FormFault(f"The {what} is no time of day; write it like 09:00.") from None
