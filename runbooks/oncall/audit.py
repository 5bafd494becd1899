"""Who changed a schedule, written down in the same transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from fleet.models import AuditEntry


def write_down(
    action: str, subject: object, *, by: User | None, now: datetime, **detail: Any
) -> None:
    """Keep that `by` did `action` (a dotted past participle) to `subject`."""
    AuditEntry.objects.create(
        at=now, actor=by, action=action, subject=str(subject)[:200], detail=detail
    )
