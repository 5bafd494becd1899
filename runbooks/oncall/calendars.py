"""Take in somebody else's calendar: its events stand instead of the rotations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max

from fleet.models import Owner
from runbooks.models import Schedule, ScheduleOverride
from runbooks.oncall.audit import write_down
from runbooks.oncall.errors import OnCallError
from runbooks.oncall.ical import CalendarEvent, read_calendar

#: How far ahead events are taken in; a later import takes in the rest.
HORIZON = timedelta(days=180)
_MOST_NAMED = 20

#: What tells one imported span from another: uid, owner id, start, end.
_Key = tuple[str, int, datetime, datetime]


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What an import did, in spans: `unknown` are the people it named whom nobody knows here.

    Spans of unknown people are not taken in; the rotations count there.
    """

    added: int
    kept: int
    removed: int
    unknown: tuple[str, ...]


@transaction.atomic
def import_calendar(
    *, schedule: Schedule, text: str, by: User | None, now: datetime
) -> ImportOutcome:
    """Replace what was imported before by the events of this calendar, for 180 days from `now`.

    An attendee's email, or else the event's title, says who: a person's name, or the email or
    user name of their account. What is over stays as it was. Raises OnCallError.
    """
    events = read_calendar(text, time_zone=schedule.time_zone, start=now, end=now + HORIZON)
    # Held until COMMIT, so that two imports do not both add what the other adds.
    Schedule.objects.select_for_update(no_key=True).get(pk=schedule.pk)
    wanted, unknown = _wanted(events, now)
    standing = {
        (row.uid, row.owner_id, max(row.starts_at, now), row.ends_at): row
        for row in _imported(schedule, now)
    }
    added = sorted(wanted - standing.keys(), key=lambda key: key[2:])
    removed = [row.pk for key, row in standing.items() if key not in wanted]
    _take_back(removed, now)
    ScheduleOverride.objects.bulk_create(_override(schedule, key, by, now) for key in added)
    outcome = ImportOutcome(
        added=len(added),
        kept=len(standing) - len(removed),
        removed=len(removed),
        unknown=tuple(unknown),
    )
    write_down(
        "schedule.calendar_imported",
        schedule.slug,
        by=by,
        now=now,
        added=outcome.added,
        removed=outcome.removed,
        unknown=list(outcome.unknown)[:_MOST_NAMED],
    )
    return outcome


def ends_of_calendars(schedules: Iterable[Schedule]) -> list[tuple[Schedule, datetime]]:
    """Return each schedule that follows a calendar taken in, and when its last event ends."""
    by_id = {schedule.pk: schedule for schedule in schedules}
    rows = ScheduleOverride.objects.filter(
        schedule__in=by_id, origin=ScheduleOverride.Origin.IMPORT, removed_at__isnull=True
    )
    ends = rows.values_list("schedule_id").annotate(end=Max("ends_at")).order_by("schedule_id")
    return [(by_id[schedule_id], end) for schedule_id, end in ends]


def _wanted(events: list[CalendarEvent], now: datetime) -> tuple[set[_Key], list[str]]:
    """Return the spans of people who are known, and the names of those who are not."""
    people, names = _people()
    wanted: set[_Key] = set()
    unknown: dict[str, None] = {}
    for event in events:
        owner_id = _owner_of(event, people, names)
        if owner_id is None:
            unknown.setdefault(event.summary or "(no title)")
        else:
            wanted.add((event.uid, owner_id, max(event.starts_at, now), event.ends_at))
    if events and not wanted:
        raise OnCallError(
            "nobody_known",
            "None of the people in this calendar is known here; title each event with a "
            f"person's name as it is here. It names: {', '.join(list(unknown)[:_MOST_NAMED])}.",
        )
    return wanted, list(unknown)


def _people() -> tuple[dict[str, int | None], dict[int, str]]:
    """Return owner ids by every name they go by, None where two people share one; and back."""
    found: dict[str, int | None] = {}
    own_names: dict[int, str] = {}
    for owner in Owner.objects.select_related("user"):
        names = {owner.name}
        own_names[owner.pk] = owner.name.strip().casefold()
        if owner.user is not None:
            names |= {owner.user.username, owner.user.email, owner.user.get_full_name()}
        for name in {name.strip().casefold() for name in names} - {""}:
            found[name] = None if name in found else owner.pk
    return found, own_names


def _owner_of(
    event: CalendarEvent, people: dict[str, int | None], own_names: dict[int, str]
) -> int | None:
    named = [people.get(name.casefold()) for name in (*event.emails, event.summary)]
    by_name = next((owner_id for owner_id in named if owner_id is not None), None)
    # An id decides between people of one name, never against the name that people read.
    is_of_that_name = own_names.get(event.owner_id or 0) == event.summary.casefold()
    return event.owner_id if by_name is None and is_of_that_name else by_name


def _imported(schedule: Schedule, now: datetime) -> Iterable[ScheduleOverride]:
    return schedule.overrides.filter(
        origin=ScheduleOverride.Origin.IMPORT, removed_at__isnull=True, ends_at__gt=now
    )


def _take_back(override_ids: list[int], now: datetime) -> None:
    rows = ScheduleOverride.objects.filter(pk__in=override_ids)
    rows.filter(starts_at__gte=now).update(removed_at=now)
    rows.filter(starts_at__lt=now).update(ends_at=now)


def _override(schedule: Schedule, key: _Key, by: User | None, now: datetime) -> ScheduleOverride:
    uid, owner_id, starts_at, ends_at = key
    return ScheduleOverride(
        schedule=schedule,
        owner_id=owner_id,
        starts_at=starts_at,
        ends_at=ends_at,
        origin=ScheduleOverride.Origin.IMPORT,
        uid=uid,
        created_at=now,
        created_by=by,
    )
