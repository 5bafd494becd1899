"""Who is on call when, read from the rows of a schedule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Max, Min, Prefetch, Q, QuerySet

from fleet.models import Owner
from runbooks.models import (
    Holiday,
    PagingGroup,
    Rotation,
    RotationMember,
    Schedule,
    ScheduleOverride,
)
from runbooks.oncall import rota as pure
from runbooks.oncall.rota import DAY, MIDNIGHT, Layer, Override, Rota, Turn, moment_of, turns

#: The longest span that is worked out at once.
LONGEST_SPAN = timedelta(days=400)
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """A span with one person on call, nobody where `owner` is None. Times are UTC.

    `layer` is the rotation's name, empty otherwise; `origin` is `rotation`, `gap`, or why the
    rotations do not count: `override`, `swap`, `import`.
    """

    owner: Owner | None
    starts_at: datetime
    ends_at: datetime
    layer: str = ""
    origin: str = "rotation"
    override_id: int | None = None
    reason: str = ""

    @property
    def is_gap(self) -> bool:
        """Tell whether nobody is on call."""
        return self.owner is None


def all_schedules() -> QuerySet[Schedule]:
    """Return every schedule, by name, with its rotations and their members."""
    standing = Rotation.objects.filter(counts_until__isnull=True)
    return Schedule.objects.prefetch_related(
        Prefetch("rotations", standing), "rotations__members__owner"
    )


def rotations_of(schedule: Schedule) -> QuerySet[Rotation]:
    """Return the rotations that stand, the one that counts first first, with their members."""
    standing = schedule.rotations.filter(counts_until__isnull=True)
    return standing.prefetch_related("members__owner")


def schedule_named(slug: str) -> Schedule | None:
    """Return the schedule, or None."""
    return all_schedules().filter(slug=slug).first()


def all_groups() -> QuerySet[PagingGroup]:
    """Return every group of people who are paged together, by name."""
    return PagingGroup.objects.prefetch_related("owners")


def holidays_of(schedule: Schedule) -> QuerySet[Holiday]:
    """Return the holidays that stand, by day, those of the past among them."""
    return schedule.holidays.filter(counts_until__isnull=True)


def holidays_that_counted(schedule: Schedule) -> dict[date, str]:
    """Return the names of the days that were or are a holiday for some of their hours, by day."""
    zone = ZoneInfo(schedule.time_zone)
    named: dict[date, str] = {}
    for row in schedule.holidays.all():
        begins = moment_of(row.day, MIDNIGHT, zone)
        ends = moment_of(row.day + DAY, MIDNIGHT, zone)
        is_in_time = row.counts_from is None or row.counts_from < ends
        if is_in_time and (row.counts_until is None or row.counts_until > begins):
            named[row.day] = row.name
    return named


def overrides_of(schedule: Schedule, *, since: datetime) -> QuerySet[ScheduleOverride]:
    """Return what stands instead of the rotations and is not over at `since`, soonest first."""
    rows = schedule.overrides.filter(removed_at__isnull=True, ends_at__gt=since)
    return rows.select_related("owner", "created_by").order_by("starts_at", "pk")


def on_call_at(schedule: Schedule, *, at: datetime) -> Owner | None:
    """Return who is on call at `at`, None in a gap."""
    return turns_between(schedule, start=at, end=at + _INSTANT)[0].owner


def on_call_ids(schedules: Iterable[Schedule], *, at: datetime) -> dict[int, int | None]:
    """Return the id of the owner on call at `at` by schedule id, None in a gap."""
    wanted = list(schedules)
    rotas = rotas_of(wanted, start=at, end=at + _INSTANT)
    return {row.pk: turns(rotas[row.pk], start=at, end=at + _INSTANT)[0].owner_id for row in wanted}


def turns_between(schedule: Schedule, *, start: datetime, end: datetime) -> list[ShownTurn]:
    """Return who is on call from `start` to `end`, without overlap, gaps included, in order.

    At most 400 days are worked out; `end` is brought forward where the span is longer.
    """
    end = min(end, start + LONGEST_SPAN)
    found = turns(rota_of(schedule, start=start, end=end), start=start, end=end)
    people = Owner.objects.select_related("user")
    owners = people.in_bulk([turn.owner_id for turn in found if turn.owner_id is not None])
    overrides = ScheduleOverride.objects.in_bulk(
        [turn.override_id for turn in found if turn.override_id is not None]
    )
    return [_shown(turn, owners, overrides) for turn in found]


def gaps_between(schedule: Schedule, *, start: datetime, end: datetime) -> list[ShownTurn]:
    """Return the spans from `start` to `end` in which nobody is on call, in order."""
    return [turn for turn in turns_between(schedule, start=start, end=end) if turn.is_gap]


def begun_at(schedule: Schedule, *, now: datetime) -> datetime:
    """Return when the schedule began: with its first rotation or override, whatever became of it.

    It is `now` at the latest: from then on somebody is missing where nobody is on call.
    """
    zone = ZoneInfo(schedule.time_zone)
    # Not `schedule.rotations`: what is fetched beforehand are those that stand.
    rotations = Rotation.objects.filter(schedule=schedule)
    begins = [
        counts_from or moment_of(day, clock, zone)
        for counts_from, day, clock in rotations.values_list(
            "counts_from", "starts_on", "hands_over_at"
        )
    ]
    first = schedule.overrides.aggregate(at=Min("created_at"))["at"]
    return min([now, *begins, first or now])


def since_begun(turns: Iterable[ShownTurn], begun: datetime) -> list[ShownTurn]:
    """Return the turns without the gaps before `begun`: nobody was meant to be on call then."""
    return [
        replace(turn, starts_at=max(turn.starts_at, begun)) if turn.is_gap else turn
        for turn in turns
        if not turn.is_gap or turn.ends_at > begun
    ]


def rota_of(schedule: Schedule, *, start: datetime, end: datetime) -> Rota:
    """Return the schedule as it counts between `start` and `end`."""
    return rotas_of([schedule], start=start, end=end)[schedule.pk]


def rotas_of(schedules: Iterable[Schedule], *, start: datetime, end: datetime) -> dict[int, Rota]:
    """Return the rota of each schedule by its id, in four queries however many there are."""
    wanted = {row.pk: row for row in schedules}
    layers: dict[int, list[Layer]] = {key: [] for key in wanted}
    overrides: dict[int, list[Override]] = {key: [] for key in wanted}
    holidays: dict[int, list[pure.Holiday]] = {key: [] for key in wanted}
    members: dict[int, list[int]] = {}
    places = RotationMember.objects.filter(rotation__schedule__in=wanted).order_by("position")
    for rotation_id, owner_id in places.values_list("rotation_id", "owner_id"):
        members.setdefault(rotation_id, []).append(owner_id)
    rotations = Rotation.objects.filter(
        Q(counts_from__isnull=True) | Q(counts_from__lt=end),
        Q(counts_until__isnull=True) | Q(counts_until__gt=start),
        schedule__in=wanted,
    )
    for rotation in rotations.order_by("position", "pk"):
        layers[rotation.schedule_id].append(_layer(rotation, members.get(rotation.pk, [])))
    exceptions = ScheduleOverride.objects.filter(
        schedule__in=wanted, removed_at__isnull=True, starts_at__lt=end, ends_at__gt=start
    )
    # The one made last counts where two overlap.
    for row in exceptions.order_by("created_at", "pk"):
        exception = Override(row.owner_id, row.starts_at, row.ends_at, row.pk)
        overrides[row.schedule_id].append(exception)
    for named in Holiday.objects.filter(schedule__in=wanted):
        holiday = pure.Holiday(named.day, named.counts_from, named.counts_until)
        holidays[named.schedule_id].append(holiday)
    return {
        key: Rota(
            time_zone=row.time_zone,
            layers=tuple(layers[key]),
            overrides=tuple(overrides[key]),
            holidays=tuple(holidays[key]),
        )
        for key, row in wanted.items()
    }


def last_position(schedule: Schedule) -> int:
    """Return the position of the schedule's last rotation, 0 without any."""
    return rotations_of(schedule).aggregate(last=Max("position"))["last"] or 0


def _layer(rotation: Rotation, members: list[int]) -> Layer:
    return Layer(
        name=rotation.name,
        members=tuple(members),
        starts_on=rotation.starts_on,
        hands_over_at=rotation.hands_over_at,
        turn_days=rotation.turn_days,
        ends_on=rotation.ends_on,
        weekdays=frozenset(rotation.weekdays),
        covers_from=rotation.covers_from,
        covers_until=rotation.covers_until,
        rests_on_holidays=rotation.rests_on_holidays,
        counts_from=rotation.counts_from,
        counts_until=rotation.counts_until,
    )


def _shown(
    turn: Turn, owners: dict[int, Owner], overrides: dict[int, ScheduleOverride]
) -> ShownTurn:
    override = overrides.get(turn.override_id or 0)
    owner = owners.get(turn.owner_id or 0)
    origin = "gap" if owner is None else "rotation"
    return ShownTurn(
        owner=owner,
        starts_at=turn.starts_at,
        ends_at=turn.ends_at,
        layer=turn.layer,
        origin=override.origin if override else origin,
        override_id=turn.override_id,
        reason=override.reason if override else "",
    )
