"""Maintenance: planned work, once or recurring, while which alerts page nobody. Plan, call off.

Callers have checked, through `fleet.access`, that the person may act at the site.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction

from fleet.models import AuditEntry, MaintenanceWindow, Node, Site
from fleet.models.site import validate_time_zone
from fleet.spans import LONGEST, next_span_of, span_at
from runbooks.models import Suppression
from runbooks.suppression.causes import open_alerts
from runbooks.suppression.cycle import settle_planned
from runbooks.suppression.errors import MaintenanceError
from runbooks.suppression.matchers import Matcher, checked_matchers, write_matchers

LONGEST_REASON: Final = 300
Every = MaintenanceWindow.Every


@transaction.atomic
def plan_maintenance(
    *,
    site: Site,
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
    by: User | None,
    now: datetime,
    node: Node | None = None,
    matchers: Sequence[Matcher] = (),
    every: MaintenanceWindow.Every = Every.ONCE,
    last_day: date | None = None,
    time_zone: str = "",
) -> MaintenanceWindow:
    """Plan work at a site or one of its nodes; when it is on, pages in flight are cancelled.

    Without `matchers` it holds back every alert there. A recurring window keeps its local times
    in `time_zone` (the site's where it is empty) until `last_day`, the last on which it begins.
    Raises MaintenanceError and MatcherError, which change nothing.
    """
    window = MaintenanceWindow(
        site=site,
        node=node,
        matchers=write_matchers(checked_matchers(matchers)),
        reason=reason.strip(),
        starts_at=starts_at,
        ends_at=ends_at,
        every=Every(every),
        last_day=None if every == Every.ONCE else last_day,
        time_zone=time_zone or site.time_zone,
        created_at=now,
        created_by=by,
    )
    _check(window, now)
    window.save(force_insert=True)
    _audit("maintenance.planned", window, by, now)
    if span_at(window, at=now) is not None:
        alerts = open_alerts().filter(site=site)
        settle_planned(alert_ids=list(alerts.values_list("pk", flat=True)), now=now)
    return window


@transaction.atomic
def cancel_maintenance(*, window: MaintenanceWindow, by: User | None, now: datetime) -> bool:
    """Call the whole of it off; what it alone holds back pages again. False when it was before."""
    standing = MaintenanceWindow.objects.filter(pk=window.pk, cancelled_at__isnull=True)
    if not standing.update(cancelled_at=now):
        return False
    _audit("maintenance.cancelled", window, by, now)
    held = Suppression.objects.filter(maintenance=window, ended_at__isnull=True)
    settle_planned(alert_ids=list(held.values_list("alert_id", flat=True)), now=now)
    return True


def _check(window: MaintenanceWindow, now: datetime) -> None:
    if not 0 < len(window.reason) <= LONGEST_REASON:
        raise MaintenanceError(
            "reason_missing", f"Say what is worked on, in 1 to {LONGEST_REASON} characters."
        )
    _check_zone(window.time_zone)
    if window.node is not None and window.node.site_id != window.site.pk:
        raise MaintenanceError(
            "node_elsewhere", f"{window.node.name} is no node of {window.site}; choose one of its."
        )
    if window.ends_at <= window.starts_at:
        raise MaintenanceError("ends_before_start", "It ends before it starts; choose a later end.")
    if window.ends_at - window.starts_at > LONGEST[window.every]:
        raise MaintenanceError("too_long", _too_long(window))
    first_day = window.starts_at.astimezone(ZoneInfo(window.time_zone)).date()
    if window.last_day is not None and window.last_day < first_day:
        raise MaintenanceError(
            "last_day_before_start", "Its last day comes before the first; choose a later one."
        )
    if next_span_of(window, at=now) is None:
        raise MaintenanceError("already_over", "It is over already; choose later times.")


def _check_zone(name: str) -> None:
    try:
        validate_time_zone(name)
    except ValidationError as fault:
        raise MaintenanceError("unknown_time_zone", fault.messages[0]) from None


def _too_long(window: MaintenanceWindow) -> str:
    longest = LONGEST[window.every]
    if window.every == Every.ONCE:
        return f"Maintenance lasts at most {longest.days} days; choose an earlier end."
    hours = int(longest.total_seconds() // 3600)
    return (
        f"What recurs every {window.every} lasts at most {hours} hours at a time, so that one ends "
        "before the next begins; choose an earlier end."
    )


def _audit(action: str, window: MaintenanceWindow, by: User | None, now: datetime) -> None:
    AuditEntry.objects.create(
        at=now,
        actor=by,
        action=action,
        subject=f"maintenance {window.pk} at {window.site.slug}",
        detail={"starts_at": window.starts_at.isoformat(), "every": window.every},
    )
