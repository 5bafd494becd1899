"""Exceptions to a schedule's rotations: overrides and swaps. What is over stays as it was."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction

from fleet.models import Owner
from runbooks.models import Schedule, ScheduleOverride
from runbooks.oncall.audit import write_down
from runbooks.oncall.errors import OnCallError
from runbooks.oncall.rota import Layer, Turn, turn_span, turns
from runbooks.oncall.selectors import LONGEST_SPAN, rota_of

Origin = ScheduleOverride.Origin
_INSTANT = timedelta(microseconds=1)


@transaction.atomic
def add_override(
    *,
    schedule: Schedule,
    owner: Owner,
    starts_at: datetime,
    ends_at: datetime,
    by: User | None,
    now: datetime,
    reason: str = "",
) -> ScheduleOverride:
    """Put `owner` on call from `starts_at` to `ends_at`, whoever the rotations name.

    What lies before `now` is left as it was. Raises OnCallError.
    """
    check_span(starts_at, ends_at, now)
    override = ScheduleOverride.objects.create(
        schedule=schedule,
        owner=owner,
        starts_at=max(starts_at, now),
        ends_at=ends_at,
        reason=reason.strip()[:200],
        created_at=now,
        created_by=by,
    )
    write_down(
        "schedule.overridden",
        schedule.slug,
        by=by,
        now=now,
        override_id=override.pk,
        owner_id=owner.pk,
    )
    return override


@transaction.atomic
def remove_override(*, override: ScheduleOverride, by: User | None, now: datetime) -> None:
    """Take an override back; one under way ends now. A swap goes as a whole.

    Once removed it stays removed: doing it again changes nothing. Raises OnCallError when it is
    over.
    """
    rows = ScheduleOverride.objects.filter(pk=override.pk)
    if override.origin == Origin.SWAP and override.uid:
        rows = ScheduleOverride.objects.filter(
            schedule=override.schedule_id, uid=override.uid, origin=Origin.SWAP
        )
    standing = rows.filter(removed_at__isnull=True)
    # The rows are locked, so that two people do not cut the same span to different ends.
    if not list(standing.select_for_update().values_list("pk", flat=True)):
        return
    # 1. First what is under way, or it would match again once its end is now.
    ended = standing.filter(starts_at__lt=now, ends_at__gt=now).update(ends_at=now)
    # 2. Then what has not begun.
    removed = standing.filter(starts_at__gte=now).update(removed_at=now)
    if not ended and not removed:
        raise OnCallError("override_over", "This override is over; what has been stays as it was.")
    write_down(
        "schedule.override_removed",
        override.schedule.slug,
        by=by,
        now=now,
        override_id=override.pk,
    )


@transaction.atomic
def swap_turns(
    *,
    schedule: Schedule,
    first_at: datetime,
    second_at: datetime,
    by: User | None,
    now: datetime,
    reason: str = "",
) -> list[ScheduleOverride]:
    """Let the people of the turns under way at the two moments take each other's.

    A turn is the whole of it, with all its hours; of one under way the rest is swapped. Returns
    the overrides made, both sides with one `uid`. Raises OnCallError.
    """
    # Held until COMMIT, so that two swaps of one turn see each other.
    Schedule.objects.select_for_update(no_key=True).get(pk=schedule.pk)
    first_id, first = _turn_at(schedule, first_at, now)
    second_id, second = _turn_at(schedule, second_at, now)
    if first_id == second_id:
        raise OnCallError("same_person", "Both turns are one person's; choose turns of two people.")
    uid = f"swap-{uuid.uuid4()}"
    made = [
        ScheduleOverride(
            schedule=schedule,
            owner_id=taker,
            starts_at=turn.starts_at,
            ends_at=turn.ends_at,
            origin=Origin.SWAP,
            uid=uid,
            reason=reason.strip()[:200],
            created_at=now,
            created_by=by,
        )
        for side, taker in ((first, second_id), (second, first_id))
        for turn in side
    ]
    ScheduleOverride.objects.bulk_create(made)
    write_down("schedule.swapped", schedule.slug, by=by, now=now, uid=uid)
    return made


def check_span(starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    """Refuse a span that ends before it starts, is over, or is longer than 400 days."""
    if ends_at <= starts_at:
        raise OnCallError("ends_first", "It ends before it starts; give a later end.")
    if ends_at <= now:
        raise OnCallError("in_the_past", "It is over already; give an end that is still to come.")
    if ends_at - starts_at > LONGEST_SPAN:
        raise OnCallError(
            "too_long",
            f"It is longer than {LONGEST_SPAN.days} days; change the rotation instead.",
        )


def _turn_at(schedule: Schedule, at: datetime, now: datetime) -> tuple[int, list[Turn]]:
    """Return whose turn is under way at `at`, and its stretches from `now` on, at least one."""
    rota = rota_of(schedule, start=at - LONGEST_SPAN, end=at + LONGEST_SPAN)
    here = turns(rota, start=at, end=at + _INSTANT)[0]
    if here.owner_id is None:
        raise OnCallError(
            "nobody_to_swap",
            "Nobody is on call then, so there is no turn to swap; add an override.",
        )
    # A rotation has at most one turn at a time, and its name need not be its own alone.
    layers = [layer for layer in rota.layers if layer.name == here.layer]
    start, end = _bounds(here, layers, rota.time_zone, at)
    start = max(start, now)
    stretches = [] if start >= end else turns(rota, start=start, end=end)
    mine = [
        turn
        for turn in stretches
        if (turn.owner_id, turn.layer, turn.override_id)
        == (here.owner_id, here.layer, here.override_id)
    ]
    if not mine:
        raise OnCallError("turn_over", "That turn is over; choose one that is still to come.")
    return here.owner_id, mine


def _bounds(
    here: Turn, layers: list[Layer], time_zone: str, at: datetime
) -> tuple[datetime, datetime]:
    for layer in layers:
        span = turn_span(layer, time_zone=time_zone, at=at)
        if span is not None and here.override_id is None:
            return span
    return at - LONGEST_SPAN, at + LONGEST_SPAN
