"""What was announced already, and calling off what is not so any more."""

from __future__ import annotations

from collections.abc import Collection, Set
from datetime import datetime

from runbooks.models import Announcement

#: What an announcement is about and when that ends: it is made once for each.
Told = tuple[str, datetime]


def call_off_others(*, kinds: Collection[Announcement.Kind], still_so: Set[Told]) -> None:
    """Call off the announcements of these kinds that nobody was told yet and that are not so."""
    waiting = Announcement.objects.filter(kind__in=kinds, state=Announcement.State.PENDING)
    over = [
        pk
        for pk, *told in waiting.values_list("pk", "source", "ends_at")
        if tuple(told) not in still_so
    ]
    if over:
        waiting.filter(pk__in=over).update(state=Announcement.State.CANCELLED)


def announced_of(told: Collection[Told]) -> set[Told]:
    """Return those of these that were announced, whatever became of it."""
    if not told:
        return set()
    rows = Announcement.objects.filter(source__in={source for source, _ in told})
    return set(rows.values_list("source", "ends_at")) & set(told)
