"""What a schedule's page shows: two weeks of it, the rules behind them, and what may be changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.utils.safestring import SafeString

from fleet.access import AnyUser
from fleet.models import Owner
from fleet.names import listed
from fleet.noc.oncall_duty import policies_asking
from fleet.noc.oncall_rights import may_change_plans, owner_of
from fleet.noc.oncall_words import local_time, place_of, plain_time
from fleet.noc.schedule_days import DAYS, Day, days_of, span_of
from runbooks.models import Holiday, Rotation, Schedule, ScheduleOverride
from runbooks.oncall.selectors import (
    ShownTurn,
    begun_at,
    holidays_of,
    holidays_that_counted,
    last_position,
    overrides_of,
    rotations_of,
    since_begun,
    turns_between,
)

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
#: Turns offered for a swap begin within so long.
_SWAPPABLE: Final = timedelta(days=42)


@dataclass(frozen=True, slots=True)
class RotationRow:
    """One layer in words, and its people in the order of their turns."""

    rotation: Rotation
    words: str
    people: Sequence[str]


@dataclass(frozen=True, slots=True)
class OverrideRow:
    """What stands instead of the rotations; times on the schedule's clocks."""

    override: ScheduleOverride
    starts: SafeString
    ends: SafeString


@dataclass(frozen=True, slots=True)
class TurnChoice:
    """One turn that may be swapped: a moment within it, and what the choice says."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class ScheduleBoard:
    """The whole page."""

    schedule: Schedule
    place: str
    days: Sequence[Day]
    earlier: date
    later: date
    is_now_shown: bool
    on_call: ShownTurn
    until: SafeString | str
    next_name: str
    gaps: Sequence[SafeString]
    rotations: Sequence[RotationRow]
    overrides: Sequence[OverrideRow]
    holidays: Sequence[Holiday]
    policies: Sequence[str]
    owners: Sequence[Owner]
    swaps: Sequence[TurnChoice]
    next_position: int
    weekdays: Sequence[tuple[str, str]]
    may_change: bool

    @property
    def is_empty(self) -> bool:
        """Whether it has neither a rotation nor an override, so that nobody is ever on call."""
        return not self.rotations and not self.overrides


def schedule_board(
    *, user: AnyUser, schedule: Schedule, first: date | None, now: datetime
) -> ScheduleBoard:
    """Return fourteen days from the local day `first` (None: today) and what belongs to them."""
    zone = ZoneInfo(schedule.time_zone)
    begins_on = first or now.astimezone(zone).date()
    start, end = span_of(begins_on, zone)
    whole = turns_between(schedule, start=start, end=end)
    turns = since_begun(whole, begun_at(schedule, now=now))
    ahead = turns_between(schedule, start=now, end=now + _SWAPPABLE)
    holidays = list(holidays_of(schedule).filter(day__gte=now.astimezone(zone).date()))
    named = holidays_that_counted(schedule)
    after = [turn for turn in ahead[1:] if turn.owner != ahead[0].owner]
    rotations = list(rotations_of(schedule))
    return ScheduleBoard(
        schedule=schedule,
        place=place_of(schedule.time_zone),
        days=days_of(turns, first=begins_on, zone=zone, holidays=named, now=now, me=owner_of(user)),
        earlier=begins_on - timedelta(days=DAYS),
        later=begins_on + timedelta(days=DAYS),
        is_now_shown=first is None or start <= now < end,
        on_call=ahead[0],
        until=local_time(after[0].starts_at, schedule.time_zone) if after else "",
        next_name=_name_of(after[0].owner) if after else "",
        gaps=[_gap_words(turn, schedule.time_zone) for turn in turns if _is_ahead(turn, now)],
        rotations=[_rotation_row(row) for row in rotations],
        overrides=[_override_row(row, schedule.time_zone) for row in _exceptions(schedule, now)],
        holidays=holidays,
        policies=policies_asking().get(schedule.slug, []),
        owners=list(Owner.objects.only("name")),
        swaps=list(_swaps(ahead, now, schedule.time_zone)),
        next_position=last_position(schedule) + 1,
        weekdays=[(str(number), name) for number, name in enumerate(WEEKDAYS)],
        may_change=may_change_plans(user),
    )


def rotation_words(rotation: Rotation) -> str:
    """Return a layer in words: `Weekly, hands over at 09:00; Mon to Fri, 08:00 to 18:00`."""
    every = {1: "Daily", 7: "Weekly"}.get(rotation.turn_days, f"Every {rotation.turn_days} days")
    parts = [f"{every}, hands over at {rotation.hands_over_at:%H:%M}"]
    days = weekday_words(rotation.weekdays)
    if days:
        parts.append(days)
    if rotation.covers_from is not None and rotation.covers_until is not None:
        parts.append(f"{rotation.covers_from:%H:%M} to {rotation.covers_until:%H:%M}")
    parts.append(f"from {rotation.starts_on:%-d %b %Y}")
    if rotation.ends_on is not None:
        parts.append(f"until {rotation.ends_on:%-d %b %Y}")
    if rotation.rests_on_holidays:
        parts.append("rests on holidays")
    return ", ".join(parts)


def weekday_words(days: Sequence[int]) -> str:
    """Return weekdays (Monday 0) for people: `Mon to Fri`; empty where it is all or none."""
    wanted = sorted(days)
    if not wanted or len(wanted) == len(WEEKDAYS):
        return ""
    is_run = wanted == list(range(wanted[0], wanted[-1] + 1))
    if is_run and len(wanted) > 2:
        return f"{WEEKDAYS[wanted[0]]} to {WEEKDAYS[wanted[-1]]}"
    return listed([WEEKDAYS[day] for day in wanted])


def _exceptions(schedule: Schedule, now: datetime) -> Iterable[ScheduleOverride]:
    return overrides_of(schedule, since=now)


def _rotation_row(rotation: Rotation) -> RotationRow:
    people = [member.owner.name for member in rotation.members.all()]
    return RotationRow(rotation, rotation_words(rotation), people)


def _override_row(override: ScheduleOverride, zone: str) -> OverrideRow:
    return OverrideRow(
        override, local_time(override.starts_at, zone), local_time(override.ends_at, zone)
    )


def _is_ahead(turn: ShownTurn, now: datetime) -> bool:
    return turn.is_gap and turn.ends_at > now


def _gap_words(turn: ShownTurn, zone: str) -> SafeString:
    return local_time(turn.starts_at, zone)


def _name_of(owner: Owner | None) -> str:
    return owner.name if owner else "nobody"


def _swaps(turns: Sequence[ShownTurn], now: datetime, zone: str) -> Iterable[TurnChoice]:
    for turn in turns:
        if turn.owner is None:
            continue
        begins = "now" if turn.starts_at <= now else plain_time(turn.starts_at, zone)
        label = f"{turn.owner.name}, {begins} to {plain_time(turn.ends_at, zone)}"
        yield TurnChoice(max(turn.starts_at, now).isoformat(), label)
