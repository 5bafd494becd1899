"""When many pages wait for one contact: a few travel alone, the rest together in one request.

A contact gets a handful of single pages in ten minutes. What waits beyond that goes as one
request, the bundle, at most one a minute: its leader is a page like any other, and the others
point to it. Who is in a bundle is settled before its first attempt and never grows, so that a
receiver that knows its `webhook-id` already has lost nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.conf import settings
from django.db.models import Count, Max, Q, QuerySet

from fleet.models import Contact
from runbooks.models import Page, PageAttempt

#: The most pages that one request may carry.
LARGEST_BUNDLE = 100
#: The span in which a contact's requests are counted.
WINDOW = timedelta(minutes=10)
#: Receivers that are machines and group by themselves; each page must reach them as its own.
GROUPING_KINDS = frozenset({Contact.Kind.PAGERDUTY, Contact.Kind.ALERTMANAGER})

LIVE = (Page.State.PENDING, Page.State.LEASED)
#: A page that had its own request; it keeps that place for its retries.
TRIED = Q(attempts_made__gt=0, bundle__isnull=True)


class Way(Enum):
    """How a page travels."""

    ALONE = "alone"
    BUNDLED = "bundled"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Place:
    """How the next page to a contact travels, and until when it waits (`LATER` alone)."""

    way: Way
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """How many requests a contact had lately or has yet to take, and when the last one was."""

    requests: int = 0
    last_at: datetime | None = None


def place_of(page: Page, *, contact: Contact, load: Load, now: datetime) -> Place:
    """Return how a page that is due travels; the caller holds the contact's row lock."""
    if not _is_counted(page, contact, now):
        return Place(Way.ALONE)
    limit: int = settings.HEARTHWATCH_PAGES_PER_CONTACT
    if load.requests < limit:
        return Place(Way.ALONE)
    spacing = timedelta(seconds=settings.HEARTHWATCH_BUNDLE_SECONDS)
    # The first bundle goes at once: it carries what the single pages left behind.
    if load.requests > limit and load.last_at is not None and load.last_at + spacing > now:
        return Place(Way.LATER, until=load.last_at + spacing)
    return Place(Way.BUNDLED)


def loads_of(contact_ids: Collection[int], *, now: datetime) -> dict[int, Load]:
    """Return the load of each contact, in two statements, three where attempts are under way."""
    own = Page.objects.filter(contact__in=contact_ids, purpose=Page.Purpose.PAGE).order_by()
    sent = own.filter(bundle__isnull=True, state=Page.State.SENT, sent_at__gt=now - WINDOW)
    counts: Counter[int] = Counter()
    moments: dict[int, list[datetime]] = defaultdict(list)
    of_contacts = sent.values_list("contact_id").annotate(count=Count("pk"), last=Max("sent_at"))
    for contact_id, count, last in of_contacts:
        counts[contact_id] += count
        moments[contact_id].append(last)
    # Attempts that failed count too: a receiver in trouble is not asked a hundred times a minute.
    in_hand = list(own.filter(TRIED, state__in=LIVE).values_list("pk", "contact_id", "state"))
    for _, contact_id, state in in_hand:
        counts[contact_id] += 1
        if state == Page.State.LEASED:
            moments[contact_id].append(now)
    if in_hand:
        tried = PageAttempt.objects.filter(page__in=[pk for pk, *_ in in_hand]).order_by()
        last_tries = tried.values_list("page__contact_id").annotate(last=Max("started_at"))
        for contact_id, last in last_tries:
            moments[contact_id].append(last)
    return {
        contact_id: Load(counts[contact_id], max(moments[contact_id], default=None))
        for contact_id in contact_ids
    }


def bundleable(due: QuerySet[Page]) -> QuerySet[Page]:
    """Return those of `due` that may travel in the bundle of another page."""
    return due.filter(purpose=Page.Purpose.PAGE).exclude(TRIED)


def members_waiting(leaders: Collection[Page], *, now: datetime) -> QuerySet[Page]:
    """Return the pages that travel with `leaders` at their next attempts, whenever those are."""
    return Page.objects.filter(
        Q(state=Page.State.PENDING) | Q(lease_expires_at__lte=now),
        bundle__in=leaders,
        state__in=LIVE,
        alert__is_suppressed=False,
    )


def _is_counted(page: Page, contact: Contact, now: datetime) -> bool:
    """Tell whether the page is one more for this contact, rather than one that goes anyway."""
    is_working = contact.is_enabled and not contact.disabled_reason and contact.tested_at
    had_its_own_request = page.attempts_made > 0 and page.bundle_id is None
    return bool(
        page.purpose == Page.Purpose.PAGE
        and contact.kind not in GROUPING_KINDS
        and not had_its_own_request
        # These two are given up at once, so that the next contact is tried.
        and is_working
        and page.give_up_at > now
    )
