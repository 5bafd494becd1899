"""Pages: queue one as a row, cancel those not yet out, deliver those that are due."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import InterfaceError, OperationalError

from fleet.models import Contact
from runbooks.models import Page
from runbooks.paging import leases
from runbooks.paging.claims import claim_pages
from runbooks.paging.courier import LONGEST_ROUND_SECONDS, Flight, Landed, fly
from runbooks.paging.facts import NextOf, facts_of
from runbooks.paging.outbox import queue_pages
from runbooks.paging.outcome import Answer, Fate
from runbooks.paging.people import KnownOwners, known_owners
from runbooks.paging.record import Attempt, give_up, record_answer, record_deliveries
from runbooks.paging.transports.registry import TRANSPORTS, endpoint_of

__all__ = ["Delivery", "deliver_due_pages", "queue_pages"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How many pages were delivered, how many attempts at one failed, and how many pages were
    dropped because nobody needed them any more."""

    sent: int
    failed: int
    cancelled: int = 0


def deliver_due_pages(
    *,
    now: datetime,
    next_of: NextOf,
    limit: int = 50,
    rng: random.Random | None = None,
    clock: Callable[[], float] = time.monotonic,
    should_stop: Callable[[], bool] = lambda: False,
) -> Delivery:
    """Deliver the pages that are due at `now` or become due meanwhile, in at most `limit` requests.

    `next_of` tells what a page says comes next; `rng` spreads the retries; `clock` tells the
    seconds that pass during the call.
    """
    spread = rng or random.SystemRandom()
    delivery_round = _Round(now, next_of, limit, spread, clock, should_stop)
    fly(delivery_round.next_flights, delivery_round.land_together)
    return Delivery(delivery_round.sent, delivery_round.failed, delivery_round.cancelled)


@dataclass(frozen=True, slots=True)
class _Trip(Flight):
    """The request of one page and those that travel with it."""

    page: Page
    companions: Sequence[Page]
    started_at: datetime


class _Round:
    """One call of `deliver_due_pages`: its clock, its limits and its tally."""

    def __init__(
        self,
        now: datetime,
        next_of: NextOf,
        limit: int,
        rng: random.Random,
        clock: Callable[[], float],
        should_stop: Callable[[], bool],
    ) -> None:
        self.sent = self.failed = self.cancelled = 0
        self._now = now
        self._next_of = next_of
        self._left = limit
        self._rng = rng
        self._clock = clock
        self._began = clock()
        self._should_stop = should_stop
        self._timeout = timedelta(seconds=settings.HEARTHWATCH_PAGE_TIMEOUT_SECONDS)
        #: When each contact was last tried in this round, whatever came of it: one whose receiver
        #: is dead goes to the back as if it had been served.
        self._served: dict[int, datetime] = {}

    def next_flights(self, busy_contacts: Collection[int], places: int) -> Sequence[_Trip]:
        """Claim pages until some are to be sent; none when nothing is due or the round is over."""
        while not self._is_over():
            now = self._moment()
            pages = claim_pages(
                now=now,
                timeout=self._timeout,
                most=min(places, self._left),
                busy_contacts=busy_contacts,
                served=self._served,
            )
            if not pages:
                return []
            self._served |= {page.contact_id: now for page in pages}
            self._left -= len(pages)
            trips = self._prepare(pages)
            if trips:
                return trips
        return []

    def land_together(self, landed: Landed[_Trip]) -> Landed[_Trip]:
        """Write down what was plainly delivered; return the others."""
        attempts = [
            Attempt(trip.page, trip.started_at, answer)
            for trip, answer in landed
            if not trip.companions
        ]
        recorded = record_deliveries(attempts, now=self._moment()) if attempts else set()
        self.sent += len(recorded)
        return [(trip, answer) for trip, answer in landed if trip.page.pk not in recorded]

    def _is_over(self) -> bool:
        elapsed = self._clock() - self._began
        return self._left <= 0 or elapsed > LONGEST_ROUND_SECONDS or self._should_stop()

    def _moment(self) -> datetime:
        return self._now + timedelta(seconds=self._clock() - self._began)

    def _prepare(self, claimed: Sequence[Page]) -> list[_Trip]:
        """Read the pages again, just before their requests; drop those nobody wants any more."""
        leaders = leases.leading(claimed)
        left = list(claimed)
        while True:
            current = leases.pages_to_send(left)
            together = {
                page.pk: leases.companions_to_send(page) for page in left if page.pk in leaders
            }
            kept = [
                page
                for page in left
                if self._keeps(page, current.get(page.pk), *together.get(page.pk, ([], [])))
            ]
            if len(kept) == len(left):
                break
            # Dropping one may wait for locks; meanwhile somebody may have taken the others.
            left = kept
        wanted = {key: companions for key, (companions, _) in together.items()}
        travelling = [*current.values(), *(one for many in wanted.values() for one in many)]
        known = known_owners(page.alert.site for page in travelling)
        trips = [self._trip(current[page.pk], wanted.get(page.pk, ()), known) for page in kept]
        return [trip for trip in trips if trip is not None]

    def _keeps(
        self,
        claimed: Page,
        page: Page | None,
        companions: Sequence[Page],
        unwanted: Sequence[Page],
    ) -> bool:
        """Tell whether the page is to be sent; let it and those that travel with it go if not."""
        for one in unwanted if page else [*unwanted, claimed]:
            self.cancelled += 1
            leases.let_go(one, now=self._moment())
        now = self._moment()
        if page is not None and now < page.give_up_at and _is_working(page.contact):
            return True
        if page is not None:
            self.failed += 1
            give_up(page, reason=_why_not(page), now=now)
        leases.set_free(companions, now=now)
        return False

    def _trip(self, page: Page, companions: Sequence[Page], known: KnownOwners) -> _Trip | None:
        now = self._moment()
        land = partial(self._land, page, companions, now)
        try:
            send = self._request(page, companions, now, known)
        except (OperationalError, InterfaceError):
            raise
        except Exception as fault:
            # A page that cannot be written must not hold up the others, nor be forgotten: it
            # goes the way of a failed attempt, to its retries and to the next person.
            logger.exception("page.not_written", extra={"page": str(page.pk)})
            sentence = f"The page could not be written: {type(fault).__name__}."
            land(Answer(status=None, error=sentence))
            return None
        return _Trip(page.contact_id, send, land, page, companions, now)

    def _request(
        self, page: Page, companions: Sequence[Page], now: datetime, known: KnownOwners
    ) -> Callable[[], Answer]:
        return partial(
            TRANSPORTS[page.contact.kind],
            facts_of(page, at=now, next_of=self._next_of, companions=companions, known=known),
            endpoint=endpoint_of(page.contact, now),
            at=now,
            timeout_seconds=self._timeout.total_seconds(),
            allowed=settings.HEARTHWATCH_PAGE_HOSTS,
        )

    def _land(
        self, page: Page, companions: Sequence[Page], started_at: datetime, answer: Answer
    ) -> None:
        fates = record_answer(
            page,
            answer,
            started_at=started_at,
            now=self._moment(),
            rng=self._rng,
            companions=companions,
        )
        delivered = fates.count(Fate.SENT)
        self.sent += delivered
        self.failed += len(fates) - delivered


def _why_not(page: Page) -> str:
    if _is_working(page.contact):
        return "no success before the end of its step"
    return "the contact is switched off"


def _is_working(contact: Contact) -> bool:
    return contact.is_enabled and not contact.disabled_reason and contact.tested_at is not None
