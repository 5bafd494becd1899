"""The lasting parts of a schedule: itself, its rotations, its holidays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from fleet.models import Owner
from fleet.models.site import validate_time_zone
from runbooks.models import Holiday, Rotation, RotationMember, Schedule
from runbooks.oncall.audit import write_down
from runbooks.oncall.errors import OnCallError
from runbooks.oncall.rota import MIDNIGHT, moment_of

MOST_MEMBERS = 100
LONGEST_TURN_DAYS = 366
_SLUG = re.compile(r"[-a-zA-Z0-9_]{1,60}")


@transaction.atomic
def create_schedule(
    *, slug: str, name: str, time_zone: str, by: User | None, now: datetime
) -> Schedule:
    """Make a schedule without rotations: nobody is on call yet. Raises OnCallError."""
    check_slug(slug, name)
    try:
        validate_time_zone(time_zone)
    except ValidationError as error:
        raise OnCallError("bad_time_zone", error.messages[0]) from error
    schedule, is_new = Schedule.objects.get_or_create(
        slug=slug, defaults={"name": name, "time_zone": time_zone}
    )
    if not is_new:
        raise OnCallError(
            "schedule_exists", f"There is a schedule {slug!r} already; give another short name."
        )
    write_down("schedule.created", slug, by=by, now=now)
    return schedule


@transaction.atomic
def set_rotation(
    *,
    schedule: Schedule,
    position: int,
    name: str,
    members: Sequence[Owner],
    starts_on: date,
    hands_over_at: time,
    by: User | None,
    now: datetime,
    turn_days: int = 7,
    ends_on: date | None = None,
    weekdays: Sequence[int] = (),
    covers_from: time | None = None,
    covers_until: time | None = None,
    rests_on_holidays: bool = False,
) -> Rotation:
    """Put a rotation at `position` (1 counts first), instead of the one there, from `now` on.

    Days and hours are the schedule's; both hours None means all day. Raises OnCallError.
    """
    _check_rotation(members, turn_days, weekdays)
    _check_bounds(starts_on, ends_on, covers_from, covers_until)
    _make_room(schedule, position, now)
    rotation = Rotation.objects.create(
        schedule=schedule,
        position=position,
        name=name,
        starts_on=starts_on,
        ends_on=ends_on,
        hands_over_at=hands_over_at,
        turn_days=turn_days,
        weekdays=sorted(set(weekdays)),
        covers_from=covers_from,
        covers_until=covers_until,
        rests_on_holidays=rests_on_holidays,
        counts_from=now,
    )
    write_down("schedule.rotation_set", schedule.slug, by=by, now=now, position=position)
    return _with_members(rotation, members)


@transaction.atomic
def remove_rotation(*, rotation: Rotation, by: User | None, now: datetime) -> None:
    """Take a rotation out of its schedule; from `now` on the layers below cover where it did."""
    _end(Rotation.objects.filter(pk=rotation.pk), now)
    write_down(
        "schedule.rotation_removed",
        rotation.schedule.slug,
        by=by,
        now=now,
        position=rotation.position,
    )


@transaction.atomic
def add_holiday(
    *, schedule: Schedule, day: date, name: str, by: User | None, now: datetime
) -> Holiday:
    """Let rotations that rest on holidays not cover on the local `day`, from `now` on.

    Naming it anew changes its name. Raises OnCallError: `day_over`, because past days stay as
    they were.
    """
    today = now.astimezone(ZoneInfo(schedule.time_zone)).date()
    if day < today:
        raise OnCallError(
            "day_over", f"{day:%F} is over and stays as it was; name a day from {today:%F} on."
        )
    holiday, _ = Holiday.objects.update_or_create(
        schedule=schedule,
        day=day,
        counts_until=None,
        defaults={"name": name[:120]},
        create_defaults={"name": name[:120], "counts_from": now},
    )
    write_down("schedule.holiday_added", schedule.slug, by=by, now=now, day=f"{day:%F}")
    return holiday


@transaction.atomic
def remove_holiday(*, holiday: Holiday, by: User | None, now: datetime) -> None:
    """Make the day an ordinary one again, from `now` on; what has been stays as it was."""
    standing = Holiday.objects.filter(pk=holiday.pk, counts_until__isnull=True)
    begins = moment_of(holiday.day, MIDNIGHT, ZoneInfo(holiday.schedule.time_zone))
    if now <= begins or (holiday.counts_from is not None and holiday.counts_from >= now):
        standing.delete()
    else:
        standing.update(counts_until=now)
    write_down(
        "schedule.holiday_removed", holiday.schedule.slug, by=by, now=now, day=f"{holiday.day:%F}"
    )


def check_slug(slug: str, name: str) -> None:
    """Refuse what the words of a policy could not name."""
    if not name.strip() or _SLUG.fullmatch(slug) is None:
        raise OnCallError(
            "bad_name",
            "Give a name, and a short name of up to 60 letters, digits, hyphens and underscores.",
        )


def _with_members(rotation: Rotation, members: Sequence[Owner]) -> Rotation:
    RotationMember.objects.bulk_create(
        RotationMember(rotation=rotation, owner=owner, position=place)
        for place, owner in enumerate(members, start=1)
    )
    return rotation


def _make_room(schedule: Schedule, position: int, now: datetime) -> None:
    # Held until COMMIT, so that of two rotations for one place the second replaces the first.
    Schedule.objects.select_for_update(no_key=True).get(pk=schedule.pk)
    _end(schedule.rotations.filter(position=position), now)


def _end(rotations: QuerySet[Rotation], now: datetime) -> None:
    """Let those that stand count until `now`; what has never counted leaves nothing behind."""
    standing = rotations.filter(counts_until__isnull=True)
    standing.filter(counts_from__gte=now).delete()
    standing.update(counts_until=now)


def _check_bounds(
    starts_on: date, ends_on: date | None, opens: time | None, closes: time | None
) -> None:
    if ends_on is not None and ends_on <= starts_on:
        raise OnCallError("ends_first", "The rotation ends before it starts; give a later end.")
    if (opens is None) != (closes is None):
        raise OnCallError(
            "half_hours", "Give both the first and the last hour, or neither for the whole day."
        )


def _check_rotation(members: Sequence[Owner], turn_days: int, weekdays: Sequence[int]) -> None:
    if not 0 < len(members) <= MOST_MEMBERS:
        raise OnCallError(
            "no_members", f"A rotation needs 1 to {MOST_MEMBERS} people; name who takes turns."
        )
    if not 1 <= turn_days <= LONGEST_TURN_DAYS:
        raise OnCallError("bad_turn", f"A turn lasts 1 to {LONGEST_TURN_DAYS} days; 7 is a week.")
    if not set(weekdays) <= set(range(7)):
        raise OnCallError("bad_weekdays", "Weekdays are numbers from 0 (Monday) to 6 (Sunday).")
