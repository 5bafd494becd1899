"""Tells of runbooks whose review is overdue: whoever owns the runbook, else who published it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from django.db.models import Q

from fleet.models import Owner
from fleet.services.engine import Module, engine_transaction
from runbooks.library.desk import DueReview, due_for_review
from runbooks.models import Announcement, PagingGroup
from runbooks.paging.announced import Told, announced_of, call_off_others
from runbooks.paging.announcements import those_to_tell

Kind = Announcement.Kind

#: Told anew after so long, while it is still overdue.
TOLD_EVERY: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class _Lapse:
    """One review whose day has passed; `told_again_at` follows from that day."""

    due: DueReview
    told_again_at: datetime

    @property
    def told(self) -> Told:
        """What it is announced once by."""
        return f"runbook {self.due.version.runbook.slug}", self.told_again_at


def remind_of_reviews(*, now: datetime) -> int:
    """Tell of each review that is overdue, once and then every 30 days; return how many.

    A runbook that was reviewed or withdrawn meanwhile is not told of any more.
    """
    with engine_transaction(module=Module.RUNS):
        found = {lapse.told: lapse for lapse in _lapses(now)}
        call_off_others(kinds=[Kind.REVIEW_OVERDUE], still_so=found.keys())
        known = announced_of(found)
        fresh = [lapse for told, lapse in found.items() if told not in known]
        people = _people_for([lapse.due for lapse in fresh])
        made = [
            _row(lapse, person, now)
            for lapse in fresh
            if (person := _person_to_tell(lapse.due, people)) is not None
        ]
        Announcement.objects.bulk_create(made, ignore_conflicts=True)
    return len(made)


def _lapses(now: datetime) -> list[_Lapse]:
    reviews = due_for_review(by=now.date() - timedelta(days=1))
    return [_Lapse(due, _told_again_at(due.review_by, now)) for due in reviews]


def _told_again_at(review_by: date, now: datetime) -> datetime:
    # The whole day counts: it is overdue from the midnight after it.
    overdue_since = datetime.combine(review_by, time(), UTC) + timedelta(days=1)
    return overdue_since + ((now - overdue_since) // TOLD_EVERY + 1) * TOLD_EVERY


def _row(lapse: _Lapse, person: Owner, now: datetime) -> Announcement:
    source, ends_at = lapse.told
    due, version = lapse.due, lapse.due.version
    return Announcement(
        owner=person,
        kind=Kind.REVIEW_OVERDUE,
        source=source,
        ends_at=ends_at,
        summary=(
            f"{version.runbook.title} v{version.number}, owned by {due.owner}, was to be "
            f"reviewed by {due.review_by:%F}. Read it, and publish an edition with a new "
            "review-by day; alerts get it as it is meanwhile."
        ),
        path=f"/runbooks/{version.runbook.slug}/",
        created_at=now,
        next_attempt_at=now,
    )


def _people_for(dues: Sequence[DueReview]) -> Sequence[Owner]:
    """Return everybody who can be told of one of these, at most two queries for any number.

    A review that nobody can be told of is looked at in every cycle until somebody can be.
    """
    if not dues:
        return []
    meant = Q(is_catch_all=True)
    for name in {due.owner for due in dues}:
        groups = PagingGroup.objects.filter(Q(name__iexact=name) | Q(slug__iexact=name))
        meant |= Q(name__iexact=name) | Q(paging_groups__in=groups)
    publishers = {due.version.published_by_id for due in dues} - {None}
    meant |= Q(user__in=publishers, user__is_active=True)
    people = those_to_tell(Owner.objects.filter(meant)).distinct()
    return list(people.select_related("user").prefetch_related("paging_groups"))


def _person_to_tell(due: DueReview, people: Sequence[Owner]) -> Owner | None:
    """Return the first with a contact that works: of the owner's name, publisher, catch-all.

    The owner of a runbook is a name: of a person, or of a group of people who are paged together.
    """
    name, publisher = due.owner.casefold(), due.version.published_by_id
    ways: Sequence[Callable[[Owner], bool]] = (
        lambda one: one.name.casefold() == name,
        lambda one: any(_is_called(group, name) for group in one.paging_groups.all()),
        lambda one: one.user is not None and one.user.is_active and one.user.pk == publisher,
        lambda one: one.is_catch_all,
    )
    return next((one for is_meant in ways for one in people if is_meant(one)), None)


def _is_called(group: PagingGroup, name: str) -> bool:
    return name in (group.name.casefold(), group.slug.casefold())
