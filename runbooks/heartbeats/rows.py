"""Rows of heartbeats: one locked, its finding recorded, and who did what to it written down."""

from __future__ import annotations

from datetime import UTC, datetime

from django.contrib.auth.models import User

from fleet.models import AuditEntry
from runbooks.models import Heartbeat
from telemetry.detectors.detection import HIGH, Detection
from telemetry.findings import record_detections
from telemetry.models import Finding


def fingerprint_of(heartbeat: Heartbeat) -> str:
    """Return the identity of its finding, which is the dedup key of its alert."""
    return f"heartbeat/{heartbeat.pk}"


def locked(*, pk: int) -> Heartbeat | None:
    """Return the heartbeat as it is now, locked, with its site and node; None once revoked."""
    rows = Heartbeat.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("site", "node").filter(pk=pk, revoked_at__isnull=True).first()


def record(heartbeat: Heartbeat, now: datetime, *, is_firing: bool, summary: str) -> None:
    """Record that it is late, or is so no more."""
    last = heartbeat.last_seen_at
    record_detections(
        site=heartbeat.site,
        detections=[
            Detection(
                kind=Finding.Kind.HEARTBEAT_LATE,
                fingerprint=fingerprint_of(heartbeat),
                is_firing=is_firing,
                severity=HIGH,
                at=heartbeat.late_at.timestamp(),
                node=heartbeat.node.name if heartbeat.node else None,
                summary=summary,
                evidence={
                    "heartbeat": heartbeat.name,
                    "period_seconds": heartbeat.period_seconds,
                    "grace_seconds": heartbeat.grace_seconds,
                    "last_seen_at": last.astimezone(UTC).isoformat() if last else None,
                    # It is missing now, however long ago it was due: this is no old news.
                    "window_end": now.timestamp(),
                },
            )
        ],
        now=now,
        source=Finding.Source.HEARTBEAT,
    )


def write_down(
    action: str, heartbeat: Heartbeat, now: datetime, by: User | None, **detail: object
) -> None:
    """Keep that `by` did `action` (a dotted past participle) to the heartbeat; never its key."""
    AuditEntry.objects.create(
        at=now,
        actor=by,
        action=action,
        subject=f"{heartbeat.site.slug} {heartbeat.prefix}",
        detail={"name": heartbeat.name, "period_seconds": heartbeat.period_seconds, **detail},
    )
