"""When many pages wait for one contact: a few travel alone, the rest together in one request.

A contact gets a handful of single pages in ten minutes. What waits beyond that goes as one
request, the bundle, at most one a minute: its leader, the most pressing of them, is a page like
any other, and the others point to it. Who is in a bundle is settled before its first attempt and
never grows, so that a receiver that knows its `webhook-id` already has lost nothing.

What is urgent does not wait for the minute: it goes at once, without the others, and where
another urgent page has just done so, it waits a sixth of the minute at most and goes with those
that are urgent too.

To wait for a bundle is no failure. While the contact works, no page is given up meanwhile,
whatever its step's end.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.conf import settings
from django.db.models import Count, Max, Q, QuerySet

from fleet.models import Contact
from runbooks.models import Page, PageAttempt
from runbooks.paging.clock import CLOCKS_APART
from runbooks.paging.turns import URGENT
from telemetry.models import Finding

#: Urgent requests may follow one another so many times as closely as the others.
URGENT_SOONER = 6
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
    """How the next page to a contact travels, and until when it waits (`LATER` alone).

    `is_ahead` says that only urgent pages travel with it (`BUNDLED` alone).
    """

    way: Way
    until: datetime | None = None
    is_ahead: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """How many requests a contact had lately or has yet to take, and when the last ones were.

    Whether an urgent page led them is told apart: neither kind makes the other wait. `is_failing`
    says that pages wait for another attempt, and none was delivered since they failed.
    """

    requests: int = 0
    last_at: datetime | None = None
    last_urgent_at: datetime | None = None
    is_failing: bool = False


def place_of(page: Page, *, contact: Contact, load: Load, now: datetime) -> Place:
    """Return how a page that is due travels; the caller holds the contact's row lock."""
    limit: int = settings.HEARTHWATCH_PAGES_PER_CONTACT
    if not _is_counted(page, contact) or load.requests < limit:
        return Place(Way.ALONE)
    # Past its end it is given up at once, so that somebody else is tried.
    if load.is_failing and page.give_up_at <= now:
        return Place(Way.ALONE)
    is_urgent = page.alert.severity == Finding.Severity.URGENT
    last_at = load.last_urgent_at if is_urgent else load.last_at
    wait = spacing() / URGENT_SOONER if is_urgent and not load.is_failing else spacing()
    # The first bundle goes at once: it carries what the single pages left behind.
    if load.requests > limit and last_at is not None and last_at + wait > now:
        return Place(Way.LATER, until=last_at + wait)
    return Place(Way.BUNDLED, is_ahead=is_urgent and load.requests > limit)


def spacing() -> timedelta:
    """Return the shortest time between two bundles to one contact."""
    return timedelta(seconds=settings.HEARTHWATCH_BUNDLE_SECONDS)


def loads_of(contact_ids: Collection[int], *, now: datetime) -> dict[int, Load]:
    """Return the load of each contact, in two statements, three where attempts are under way."""
    own = Page.objects.filter(contact__in=contact_ids, purpose=Page.Purpose.PAGE).order_by()
    counts: Counter[int] = Counter()
    #: By contact and whether it is urgent.
    moments: dict[tuple[int, bool], list[datetime]] = defaultdict(list)
    delivered, failed = dict[int, datetime](), dict[int, datetime]()
    sent = own.filter(bundle__isnull=True, state=Page.State.SENT, sent_at__gt=now - WINDOW)
    for contact_id, count, *lasts in sent.values_list("contact_id").annotate(
        count=Count("pk"), **_lasts("sent_at", URGENT)
    ):
        counts[contact_id] += count
        _note(moments, contact_id, lasts)
        delivered[contact_id] = max(at for at in lasts if at is not None)
    # Attempts that failed count too: a receiver in trouble is not asked a hundred times a minute.
    columns = ("pk", "contact_id", "state", "alert__severity", "last_error")
    in_hand = list(own.filter(TRIED, state__in=LIVE).values_list(*columns))
    for _, contact_id, state, severity, _ in in_hand:
        counts[contact_id] += 1
        if state == Page.State.LEASED:
            moments[contact_id, severity == Finding.Severity.URGENT].append(now)
    if in_hand:
        tried = PageAttempt.objects.filter(page__in=[pk for pk, *_ in in_hand]).order_by()
        of_urgent = Q(page__alert__severity=Finding.Severity.URGENT)
        for contact_id, *lasts in tried.values_list("page__contact_id").annotate(
            **_lasts("started_at", of_urgent)
        ):
            _note(moments, contact_id, lasts)
            failed[contact_id] = max(at for at in lasts if at is not None)
    troubled = {contact_id for _, contact_id, *_, last_error in in_hand if last_error}
    return {
        contact_id: Load(
            requests=counts[contact_id],
            last_at=_last(moments[contact_id, False], now),
            last_urgent_at=_last(moments[contact_id, True], now),
            is_failing=contact_id in troubled
            and _is_later(failed.get(contact_id), delivered.get(contact_id)),
        )
        for contact_id in contact_ids
    }


def _lasts(moment: str, is_urgent: Q) -> dict[str, Max]:
    return {
        "last": Max(moment, filter=~is_urgent),
        "last_urgent": Max(moment, filter=is_urgent),
    }


def _note(
    moments: dict[tuple[int, bool], list[datetime]],
    contact_id: int,
    lasts: Sequence[datetime | None],
) -> None:
    """Keep the last moments of a contact: of what is not urgent, then of what is."""
    for at, is_urgent in zip(lasts, (False, True), strict=True):
        if at is not None:
            moments[contact_id, is_urgent].append(at)


def _last(moments: Sequence[datetime], now: datetime) -> datetime | None:
    # One of the time to come is of a clock that was set back: nobody waits for a bundle until then.
    return max((at for at in moments if at <= now + CLOCKS_APART), default=None)


def _is_later(failed_at: datetime | None, delivered_at: datetime | None) -> bool:
    return failed_at is not None and (delivered_at is None or failed_at >= delivered_at)


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


def _is_counted(page: Page, contact: Contact) -> bool:
    """Tell whether the page is one more for this contact, rather than one that goes anyway."""
    is_working = contact.is_enabled and not contact.disabled_reason and contact.tested_at
    had_its_own_request = page.attempts_made > 0 and page.bundle_id is None
    return bool(
        page.purpose == Page.Purpose.PAGE
        and contact.kind not in GROUPING_KINDS
        and not had_its_own_request
        # Given up at once, so that the next contact is tried.
        and is_working
    )
