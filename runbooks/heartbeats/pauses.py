"""A heartbeat that nobody expects for a while, and one that is expected again."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction

from runbooks.heartbeats.errors import HeartbeatError, already_revoked
from runbooks.heartbeats.rows import locked, record, write_down
from runbooks.models import Heartbeat

LONGEST_REASON = 300


@transaction.atomic
def pause_heartbeat(*, heartbeat: Heartbeat, reason: str, by: User | None, now: datetime) -> None:
    """Expect it no more until it is resumed, and end its alert; its key still works.

    Raises HeartbeatError: `no_reason`, `already_revoked`, `already_paused`.
    """
    reason = reason.strip()
    if not 0 < len(reason) <= LONGEST_REASON:
        raise HeartbeatError(
            "no_reason",
            f"Say in 1 to {LONGEST_REASON} letters why nobody expects it, for whoever comes next.",
        )
    row = locked(pk=heartbeat.pk)
    if row is None:
        raise already_revoked(heartbeat)
    if row.paused_at is not None:
        raise HeartbeatError(
            "already_paused", f"{heartbeat} was paused meanwhile: {row.pause_reason}"
        )
    Heartbeat.objects.filter(pk=row.pk).update(
        paused_at=now, paused_by=by, pause_reason=reason, is_late=False
    )
    if row.is_late:
        record(row, now, is_firing=False, summary=f"{row.name} is paused: {reason}"[:300])
    write_down("heartbeat.paused", row, now, by, reason=reason)


@transaction.atomic
def resume_heartbeat(*, heartbeat: Heartbeat, by: User | None, now: datetime) -> None:
    """Expect it again, within its period and grace from now.

    Raises HeartbeatError: `already_revoked`, `not_paused`.
    """
    row = locked(pk=heartbeat.pk)
    if row is None:
        raise already_revoked(heartbeat)
    if row.paused_at is None:
        raise HeartbeatError("not_paused", f"{heartbeat} is expected already; nothing to resume.")
    late_at = now + timedelta(seconds=row.period_seconds + row.grace_seconds)
    Heartbeat.objects.filter(pk=row.pk).update(
        paused_at=None, paused_by=None, pause_reason="", late_at=late_at
    )
    write_down("heartbeat.resumed", row, now, by)
