"""Who has a run on a screen at this moment, so that two people on one run know of each other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction

from runbooks.models import Run, RunPresence
from runbooks.runs.log import name_of, tell

#: A tablet asks for news every 30 s while it is looked at.
_SEEN_WITHIN: Final = timedelta(seconds=90)
LONGEST_STEP: Final = 60

Json = dict[str, Any]


@transaction.atomic
def note_presence(
    *, run: Run, device_id: str, user: User | None, step_id: str, now: datetime
) -> str:
    """Note that somebody looks at a step of the run; return what others are told apart by.

    Whoever watches the run is told when somebody comes or goes to another step.
    """
    who = f"device:{device_id}" if device_id else f"user:{user.pk if user else 0}"
    before = RunPresence.objects.filter(run=run, who=who).first()
    name = _name(run, device_id, user)
    RunPresence.objects.bulk_create(
        [RunPresence(run=run, who=who, name=name, step_id=step_id, seen_at=now)],
        update_conflicts=True,
        unique_fields=["run", "who"],
        update_fields=["name", "step_id", "seen_at"],
    )
    is_news = before is None or before.step_id != step_id or now - before.seen_at > _SEEN_WITHIN
    if is_news:
        tell(run)
    return who


def present(*, run: Run, now: datetime, but: str = "") -> Sequence[RunPresence]:
    """Return who has the run on a screen, without `but`, the newest first."""
    seen = run.present.filter(seen_at__gt=now - _SEEN_WITHIN, seen_at__lte=now + _SEEN_WITHIN)
    return list(seen.exclude(who=but).order_by("-seen_at", "pk"))


def presence_json(rows: Sequence[RunPresence]) -> list[Json]:
    """Return presences as devices read them."""
    return [
        {"name": row.name, "step": row.step_id, "seen_at": row.seen_at.isoformat()} for row in rows
    ]


def _name(run: Run, device_id: str, user: User | None) -> str:
    if user is not None:
        return name_of(user)
    # Somebody without an account has said a name with what they entered.
    last = run.entries.filter(device_id=device_id).exclude(actor_name="").order_by("-pk").first()
    return last.actor_name if last else "Somebody with another tablet"
