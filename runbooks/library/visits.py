"""Who has a draft open to write in it: a mark that its page renews while it is open."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import User

from runbooks.models import DraftVisit, RunbookDraft

#: A page asks every 15 s; one that missed three times is closed.
STILL_OPEN: Final = timedelta(seconds=60)
#: Who had it open before that is no help to anybody.
_REMEMBERED: Final = timedelta(hours=24)
_MOST: Final = 5


def note_visit(*, draft: RunbookDraft, by: User, now: datetime) -> None:
    """Say that `by` has the draft open; one statement."""
    DraftVisit.objects.bulk_create(
        [DraftVisit(draft=draft, user=by, seen_at=now)],
        update_conflicts=True,
        unique_fields=["draft", "user"],
        update_fields=["seen_at"],
    )


def other_visits(*, draft: RunbookDraft, than: User, now: datetime) -> list[DraftVisit]:
    """Return who else has the draft open, or had it open within a day, the latest first."""
    recent = draft.visits.filter(seen_at__gt=now - _REMEMBERED).exclude(user=than)
    return list(recent.select_related("user").order_by("-seen_at", "pk")[:_MOST])
