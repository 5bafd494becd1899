"""The demo's on-call schedule, its planned work and what it holds back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from fleet.management.demo import world
from fleet.models import MaintenanceWindow, Owner, Site
from runbooks.models import Schedule
from runbooks.oncall.selectors import schedule_named
from runbooks.oncall.services import add_override, create_schedule, set_rotation
from runbooks.suppression.maintenance import plan_maintenance

_DAY = timedelta(days=1)
_MONDAY = 0


def seed_schedule(owners: Mapping[str, Owner], now: datetime) -> Schedule:
    """Make the NOC's schedule once: weekly turns round the clock, days in Europe before them."""
    known = schedule_named(world.SCHEDULE)
    if known is not None:
        return known
    schedule = create_schedule(
        slug=world.SCHEDULE, name="NOC on call", time_zone="Europe/Paris", by=None, now=now
    )
    _seed_rotations(schedule, owners, now)
    add_override(
        schedule=schedule,
        owner=owners["beatriz"],
        starts_at=now + 4 * _DAY,
        ends_at=now + 5 * _DAY,
        reason="Luis is at a wedding",
        by=None,
        now=now,
    )
    return schedule


def _seed_rotations(schedule: Schedule, owners: Mapping[str, Owner], now: datetime) -> None:
    today = now.astimezone(ZoneInfo(schedule.time_zone)).date()
    monday = today - (today.weekday() - _MONDAY) * _DAY
    set_rotation(
        schedule=schedule,
        position=1,
        name="European working days",
        members=[owners["anne"], owners["tom"], owners["marta"]],
        starts_on=monday,
        hands_over_at=time(8),
        covers_from=time(8),
        covers_until=time(18),
        weekdays=[0, 1, 2, 3, 4],
        turn_days=1,
        by=None,
        now=now,
    )
    set_rotation(
        schedule=schedule,
        position=2,
        name="Round the clock",
        members=[owners["mei"], owners["luis"], owners["anjali"]],
        starts_on=monday,
        hands_over_at=time(8),
        by=None,
        now=now,
    )


def seed_maintenance(sites: Mapping[str, Site], now: datetime) -> None:
    """Plan a weekly filter change at one site, once."""
    site = sites[world.FILTERED]
    if MaintenanceWindow.objects.filter(site=site).exists():
        return
    begins = (now.astimezone(ZoneInfo(site.time_zone)) + 2 * _DAY).replace(
        hour=6, minute=0, second=0, microsecond=0
    )
    plan_maintenance(
        site=site,
        starts_at=begins,
        ends_at=begins + timedelta(hours=1, minutes=30),
        every=MaintenanceWindow.Every.WEEK,
        reason="Filter change by the contractor",
        by=None,
        now=now,
    )
