"""Pages that their receiver took and has not delivered: ask it, and do not wait for it for ever."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.conf import settings
from django.db.models import F, Q, QuerySet

from fleet.models import Contact
from fleet.services.engine import Module, engine_transaction
from runbooks.models import Alert, AlertEvent, Page
from runbooks.paging.courier import LONGEST_ROUND_SECONDS, Flight, fly
from runbooks.paging.dead import follow_up, lock_escalation, queue_next_contact
from runbooks.paging.facts import webhook_id
from runbooks.paging.outcome import Answer, Fate, fate_of
from runbooks.paging.people import WORKING
from runbooks.paging.receipts import is_needed, record_receipt
from runbooks.paging.timeline import write_entry
from runbooks.paging.transports.registry import ASKERS, endpoint_of
from runbooks.paging.worklist import work_through

logger = logging.getLogger(__name__)

#: A receiver is asked when a page has been queued there for so long, and again as often.
ASKED_EVERY: Final = timedelta(minutes=1)
#: Whoever has not learnt of a page by then hears nothing new from its receiver.
ASKED_FOR: Final = timedelta(hours=1)
MOST_ASKED: Final = 10
#: What is still queued after so long counts as failed over: the owner's next contact is tried.
FAILED_OVER_AFTER: Final = timedelta(minutes=3)
_HIGHEST_SEQ: Final = 2**63 - 1


def fail_over_queued(*, now: datetime, limit: int = 200) -> int:
    """Try the next contact of owners whose page has been queued for three minutes; return how many.

    The page itself stays where it is: it may arrive yet. Each fails over once, and only while
    its alert still pages; the policy's steps keep their times.
    """
    overdue = (
        _let_go(_queued(sent_by=now - FAILED_OVER_AFTER))
        .filter(failed_over_at__isnull=True)
        .order_by("sent_at", "pk")
    )
    return work_through(
        overdue,
        partial(_fail_over, now=now),
        module=Module.DELIVERY,
        limit=limit,
        event="page.failing_over_failed",
    )


def follow_up_released(*, now: datetime, limit: int = 200) -> int:
    """Try who is next after pages that failed while their alert was held back; return how many.

    Such a page is followed up once, when nothing holds its alert back any more; where somebody
    has it by then, or it is over, nobody is tried.
    """
    owed = _let_go(Page.objects.filter(is_follow_up_owed=True)).order_by("receipt_at", "pk")
    return work_through(
        owed,
        partial(_follow_up, now=now),
        module=Module.DELIVERY,
        limit=limit,
        event="page.follow_up_failed",
    )


def ask_receivers(
    *,
    now: datetime,
    limit: int = MOST_ASKED,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Ask the receivers of queued pages what became of them; return how many were asked.

    At most `limit` a call, those asked longest ago first; no transaction is open meanwhile.
    """
    began = clock()
    waiting = _claim(now, limit)
    count = len(waiting)

    def next_flights(busy_contacts: Collection[int], places: int) -> Sequence[Flight]:
        page = next((one for one in waiting if one.contact_id not in busy_contacts), None)
        # Those left over have their turn in a minute.
        if page is None or clock() - began > LONGEST_ROUND_SECONDS:
            return []
        waiting.remove(page)
        at = now + timedelta(seconds=clock() - began)
        return [Flight(page.contact_id, _question(page, at), partial(_land, page, at))]

    fly(next_flights)
    return count


def _let_go(pages: QuerySet[Page]) -> QuerySet[Page]:
    """Return those whose alert nothing holds back, to be worked through."""
    # The alert is locked, not the page: others lock alerts first.
    locked = pages.select_for_update(skip_locked=True, no_key=True, of=("alert",))
    return locked.filter(alert__is_suppressed=False).select_related("alert", "owner", "contact")


def _queued(*, sent_by: datetime) -> QuerySet[Page]:
    """Return the pages that their receivers took by then, have not delivered, and that matter."""
    return Page.objects.filter(
        state=Page.State.SENT,
        receipt=Page.Receipt.QUEUED,
        purpose=Page.Purpose.PAGE,
        sent_at__lte=sent_by,
        alert__response=Alert.Response.UNACKNOWLEDGED,
        alert__condition=Alert.Condition.FIRING,
    )


def _fail_over(page: Page, *, now: datetime) -> None:
    # Asked again: a receipt may have come while the alert's lock was waited for.
    still = Page.objects.filter(
        pk=page.pk, state=Page.State.SENT, receipt=Page.Receipt.QUEUED, failed_over_at__isnull=True
    )
    if not still.update(failed_over_at=now):
        return
    contact = queue_next_contact(page, now=now)
    logger.warning("page.failed_over", extra={"page": str(page.pk), "has_next": bool(contact)})
    minutes = int(FAILED_OVER_AFTER.total_seconds() // 60)
    next_one = f"{contact.label} is tried next." if contact else "There is no other contact to try."
    write_entry(
        alert=page.alert,
        kind=AlertEvent.Kind.PAGE_FAILED,
        sentence=(
            f"{page.contact.label} of {page.owner.name} took the page {minutes} minutes ago, and "
            f"nothing says that it arrived. {next_one}"
        ),
        now=now,
    )


def _follow_up(page: Page, *, now: datetime) -> None:
    escalation = lock_escalation(page)
    owed = Page.objects.filter(pk=page.pk, is_follow_up_owed=True, alert__is_suppressed=False)
    if not owed.update(is_follow_up_owed=False) or not is_needed(page.alert):
        return
    next_one = follow_up(page, escalation=escalation, now=now)
    write_entry(
        alert=page.alert,
        kind=AlertEvent.Kind.PAGE_FAILED,
        sentence=(
            f"The page to {page.owner.name} by {page.contact.label} failed while the alert was "
            f"held back. {next_one}"
        ),
        now=now,
    )


def _claim(now: datetime, limit: int) -> list[Page]:
    """Return the pages whose receivers are to be asked; no other worker asks them meanwhile."""
    due = (
        _queued(sent_by=now - ASKED_EVERY)
        .filter(
            Q(asked_at__isnull=True) | Q(asked_at__lte=now - ASKED_EVERY),
            is_askable=True,
            sent_at__gt=now - ASKED_FOR,
            contact__in=_contacts_to_ask(),
        )
        .select_for_update(skip_locked=True, no_key=True, of=("self",))
        .select_related("contact")
        .order_by(F("asked_at").asc(nulls_first=True), "sent_at", "pk")
    )
    with engine_transaction(module=Module.DELIVERY):
        pages = list(due[:limit])
        Page.objects.filter(pk__in=[page.pk for page in pages]).update(asked_at=now)
    return pages


def _contacts_to_ask() -> QuerySet[Contact]:
    return Contact.objects.filter(WORKING, kind__in=list(ASKERS))


def _question(page: Page, at: datetime) -> Callable[[], Answer]:
    return partial(
        ASKERS[page.contact.kind],
        webhook_id(page),
        endpoint=endpoint_of(page.contact, at),
        at=at,
        timeout_seconds=settings.HEARTHWATCH_PAGE_TIMEOUT_SECONDS,
        allowed=settings.HEARTHWATCH_PAGE_HOSTS,
    )


def _land(page: Page, at: datetime, answer: Answer) -> None:
    said = _receipt_in(answer) if fate_of(answer) is Fate.SENT else None
    if said is None:
        outcome = answer.error or f"HTTP {answer.status}"
        logger.warning("page.receipt_not_said", extra={"page": str(page.pk), "outcome": outcome})
        return
    receipt, seq = said
    with engine_transaction(module=Module.DELIVERY):
        record_receipt(page=page, receipt=receipt, seq=seq, now=at)


def _receipt_in(answer: Answer) -> tuple[Page.Receipt, int] | None:
    """Return what the answer says became of the page; None where it cannot be read."""
    try:
        said = json.loads(answer.body_head)
    # A thousand opening brackets are too deep for the decoder; that is no fault of ours.
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    word, seq = said.get("receipt"), said.get("seq")
    if not isinstance(seq, int) or isinstance(seq, bool) or not 1 <= seq <= _HIGHEST_SEQ:
        return None
    if not word or word not in Page.Receipt.values:
        return None
    return Page.Receipt(word), seq
