"""Pages: queue one as a row, cancel those not yet out, deliver those that are due."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from django.conf import settings
from django.db import InterfaceError, OperationalError

from fleet.models import Contact
from runbooks.models import Page
from runbooks.paging import leases
from runbooks.paging.courier import Flight, fly
from runbooks.paging.facts import facts_of
from runbooks.paging.outbox import cancel_pages, queue_page
from runbooks.paging.outcome import Answer, Fate
from runbooks.paging.payload import PageFacts
from runbooks.paging.record import give_up, record_answer
from runbooks.paging.transports import webhook

__all__ = ["Delivery", "cancel_pages", "deliver_due_pages", "queue_page"]

logger = logging.getLogger(__name__)

#: No page is claimed after this; a worker must end before Celery ends it.
LONGEST_ROUND_SECONDS = 60


class Transport(Protocol):
    """A way to get a page out. Runs in a thread, without the database; does not raise."""

    def __call__(
        self,
        facts: PageFacts,
        *,
        url: str,
        secret: str,
        at: datetime,
        timeout_seconds: float,
        allowed: list[str],
    ) -> Answer: ...


TRANSPORTS: Mapping[str, Transport] = {Contact.Kind.WEBHOOK: webhook.send}


@dataclass(frozen=True, slots=True)
class Delivery:
    """How many attempts were answered 2xx, how many failed, and how many pages were dropped
    because nobody needed them any more."""

    sent: int
    failed: int
    cancelled: int = 0


def deliver_due_pages(
    *,
    now: datetime,
    limit: int = 50,
    rng: random.Random | None = None,
    clock: Callable[[], float] = time.monotonic,
    should_stop: Callable[[], bool] = lambda: False,
) -> Delivery:
    """Deliver the pages that are due at `now` or become due meanwhile, at most `limit`.

    `rng` spreads the retries; `clock` tells the seconds that pass during the call.
    """
    delivery_round = _Round(now, limit, rng or random.SystemRandom(), clock, should_stop)
    fly(delivery_round.next_flight)
    return Delivery(delivery_round.sent, delivery_round.failed, delivery_round.cancelled)


class _Round:
    """One call of `deliver_due_pages`: its clock, its limits and its tally."""

    def __init__(
        self,
        now: datetime,
        limit: int,
        rng: random.Random,
        clock: Callable[[], float],
        should_stop: Callable[[], bool],
    ) -> None:
        self.sent = self.failed = self.cancelled = 0
        self._now = now
        self._left = limit
        self._rng = rng
        self._clock = clock
        self._began = clock()
        self._should_stop = should_stop
        self._timeout = timedelta(seconds=settings.HEARTHWATCH_PAGE_TIMEOUT_SECONDS)

    def next_flight(self, busy_contacts: Collection[int]) -> Flight | None:
        """Claim pages until one is to be sent; None when nothing is due or the round is over."""
        while not self._is_over():
            page = leases.claim_page(
                now=self._moment(), timeout=self._timeout, busy_contacts=busy_contacts
            )
            if page is None:
                return None
            self._left -= 1
            flight = self._prepare(page)
            if flight is not None:
                return flight
        return None

    def _is_over(self) -> bool:
        elapsed = self._clock() - self._began
        return self._left <= 0 or elapsed > LONGEST_ROUND_SECONDS or self._should_stop()

    def _moment(self) -> datetime:
        return self._now + timedelta(seconds=self._clock() - self._began)

    def _prepare(self, claimed: Page) -> Flight | None:
        page = leases.page_to_send(claimed)
        if page is None:
            self.cancelled += 1
            leases.settle(claimed, state=Page.State.CANCELLED)
            return None
        now = self._moment()
        if now >= page.give_up_at or not _is_working(page.contact):
            self.failed += 1
            give_up(page, reason=_why_not(page), now=now)
            return None
        try:
            send = self._request(page, now)
        except (OperationalError, InterfaceError):
            raise
        except Exception as fault:
            # A page that cannot be written must not hold up the others, nor be forgotten: it
            # goes the way of a failed attempt, to its retries and to the next person.
            logger.exception("page.not_written", extra={"page": str(page.pk)})
            sentence = f"The page could not be written: {type(fault).__name__}."
            self._land(page, now, Answer(status=None, error=sentence))
            return None
        return Flight(page.contact_id, send, partial(self._land, page, now))

    def _request(self, page: Page, now: datetime) -> Callable[[], Answer]:
        return partial(
            TRANSPORTS[page.contact.kind],
            facts_of(page, at=now),
            url=page.contact.url,
            secret=page.contact.secret,
            at=now,
            timeout_seconds=self._timeout.total_seconds(),
            allowed=settings.HEARTHWATCH_PAGE_HOSTS,
        )

    def _land(self, page: Page, started_at: datetime, answer: Answer) -> None:
        fate = record_answer(page, answer, started_at=started_at, now=self._moment(), rng=self._rng)
        if fate is Fate.SENT:
            self.sent += 1
        else:
            self.failed += 1


def _why_not(page: Page) -> str:
    if _is_working(page.contact):
        return "no success before the end of its step"
    return "the contact is switched off"


def _is_working(contact: Contact) -> bool:
    return contact.is_enabled and not contact.disabled_reason and contact.tested_at is not None
