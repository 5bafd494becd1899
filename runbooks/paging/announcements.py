"""Tell people what is about no alert: by their first contact that works, else by the next one.

At least once, like a page, and under one id; it is of no use once what it tells of is over, so
nothing is tried after that.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet

from fleet.models import Contact, Owner
from fleet.services.engine import Module, engine_transaction
from runbooks.models import Announcement
from runbooks.paging.content import PageFacts
from runbooks.paging.courier import LONGEST_ROUND_SECONDS, Flight, fly
from runbooks.paging.leases import LEASE_SLACK
from runbooks.paging.notices import KEEPS_STATE
from runbooks.paging.outcome import Answer, Fate, describe, fate_of, retry_delay
from runbooks.paging.own import own_facts
from runbooks.paging.people import WORKING
from runbooks.paging.timeline import clip
from runbooks.paging.transports.registry import TRANSPORTS, endpoint_of

logger = logging.getLogger(__name__)

State = Announcement.State

MOST_AT_ONCE = 20
MOST_LOOKED_AT = 100


def contacts_to_tell(owner: Owner | OuterRef) -> QuerySet[Contact]:
    """Return the owner's working contacts that can be told something without opening an alert."""
    return Contact.objects.filter(WORKING, owner=owner).exclude(kind__in=KEEPS_STATE)


def first_to_tell(people: Iterable[Owner | None]) -> Owner | None:
    """Return the first of these people who can be told something; None is nobody."""
    reachable = (one for one in people if one is not None and contacts_to_tell(one).exists())
    return next(reachable, None)


def those_to_tell(people: QuerySet[Owner]) -> QuerySet[Owner]:
    """Return those of these people who can be told something; they are looked up together."""
    return people.filter(Exists(contacts_to_tell(OuterRef("pk"))))


def deliver_announcements(
    *,
    now: datetime,
    limit: int = MOST_AT_ONCE,
    rng: random.Random | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Send the announcements that are due, each to one contact; return how many were tried."""
    telling = _Round(now, limit, rng or random.SystemRandom(), clock)
    fly(telling.next_flights)
    return telling.tried


class _Round:
    """One call of `deliver_announcements`: its clock, its limits and its tally."""

    def __init__(
        self, now: datetime, limit: int, rng: random.Random, clock: Callable[[], float]
    ) -> None:
        self.tried = 0
        self._now = now
        self._limit = limit
        self._rng = rng
        self._clock = clock
        self._began = clock()

    def next_flights(self, busy_contacts: Collection[int], places: int) -> Sequence[Flight]:
        """Claim announcements until one can be sent; none when none is due or it is over."""
        while True:
            elapsed = self._clock() - self._began
            if self.tried >= self._limit or elapsed > LONGEST_ROUND_SECONDS:
                return []
            at = self._now + timedelta(seconds=elapsed)
            claimed = _claim(at, busy_contacts)
            if claimed is None:
                return []
            self.tried += 1
            one, contact = claimed
            kind = contact.kind if contact else ""
            land = partial(_record, one, kind, at=at, rng=self._rng)
            if contact is not None:
                return [Flight(contact.pk, _request(one, contact, at), land)]
            # Tried again: a contact may be mended before it is too late.
            land(Answer(status=None, error="No contact of theirs works."))


def _claim(
    at: datetime, busy_contacts: Collection[int]
) -> tuple[Announcement, Contact | None] | None:
    """Take the announcement that has waited longest, and the contact whose turn it is.

    Those to `busy_contacts` are passed over; whoever dies meanwhile lets go by itself.
    """
    pending = Announcement.objects.filter(state=State.PENDING)
    taken_until = at + timedelta(seconds=settings.HEARTHWATCH_PAGE_TIMEOUT_SECONDS) + LEASE_SLACK
    with engine_transaction(module=Module.DELIVERY):
        pending.filter(ends_at__lte=at).update(state=State.DEAD)
        due = pending.filter(next_attempt_at__lte=at).select_related("owner")
        for one in due.order_by("next_attempt_at", "pk")[:MOST_LOOKED_AT]:
            contact = _contact_for(one)
            if contact is not None and contact.pk in busy_contacts:
                continue
            # Asked again in the update: of two workers one has it.
            free = pending.filter(pk=one.pk, attempts_made=one.attempts_made)
            one.attempts_made += 1
            if free.update(next_attempt_at=taken_until, attempts_made=one.attempts_made):
                return one, contact
    return None


def _contact_for(one: Announcement) -> Contact | None:
    """Return the contact whose turn it is: the first, after a failure the next one."""
    contacts = list(contacts_to_tell(one.owner))
    return contacts[one.attempts_made % len(contacts)] if contacts else None


def _request(one: Announcement, contact: Contact, at: datetime) -> Callable[[], Answer]:
    return partial(
        TRANSPORTS[contact.kind],
        facts_about(one),
        endpoint=endpoint_of(contact, at),
        at=at,
        timeout_seconds=settings.HEARTHWATCH_PAGE_TIMEOUT_SECONDS,
        allowed=settings.HEARTHWATCH_PAGE_HOSTS,
    )


def facts_about(one: Announcement) -> PageFacts:
    """Return what an announcement says; `next_at` is when the thing ends, or is told anew."""
    return own_facts(
        purpose="notice",
        page_id=f"msg_{one.pk.hex}",
        kind=one.kind,
        reason="it concerns you",
        owner_name=one.owner.name,
        summary=one.summary,
        attempt=one.attempts_made,
        now=one.created_at,
        next_at=one.ends_at,
        notice_url=f"{settings.HEARTHWATCH_BASE_URL}{one.path}",
    )


def _record(
    one: Announcement, kind: str, answer: Answer, *, at: datetime, rng: random.Random
) -> None:
    if fate_of(answer) is Fate.SENT:
        fields: dict[str, object] = {"state": State.SENT, "sent_at": at, "last_error": ""}
    else:
        delay = retry_delay(
            answer, attempts_made=one.attempts_made, now=at, give_up_at=one.ends_at, rng=rng
        )
        is_over = at + delay >= one.ends_at
        fields = {
            "state": State.DEAD if is_over else State.PENDING,
            "next_attempt_at": at + delay,
            "last_error": clip(describe(answer, kind=kind), 300),
        }
    with engine_transaction(module=Module.DELIVERY):
        # By the attempt that was claimed: whoever took it over meanwhile writes their own.
        mine = Announcement.objects.filter(
            pk=one.pk, state=State.PENDING, attempts_made=one.attempts_made
        )
        mine.update(**fields)
    logger.info(
        "announcement.tried",
        extra={"announcement": str(one.pk), "outcome": describe(answer, kind=kind)},
    )
