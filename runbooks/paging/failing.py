"""Contacts that fail on real pages: the person's next one is tried besides, and readiness says so.

Retries of a page go on until its step's end, which may be a quarter of an hour away: too long to
wait for with another contact at hand.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Greatest

from fleet.models import Contact
from fleet.services.engine import Module
from runbooks.models import Alert, AlertEvent, Page
from runbooks.paging.bundles import LIVE
from runbooks.paging.dead import queue_next_contact
from runbooks.paging.people import WORKING
from runbooks.paging.timeline import write_entry
from runbooks.paging.worklist import work_through

logger = logging.getLogger(__name__)

#: What has not been delivered for so long, or failed so often, is tried by the next contact too.
FAILED_OVER_AFTER: Final = timedelta(minutes=1)
FAILED_OVER_ATTEMPTS: Final = 5
#: Failures longer ago say nothing of a contact any more.
_REMEMBERED: Final = timedelta(days=30)
#: Live pages whose last attempt failed.
_FAILED: Final = Q(state__in=LIVE, purpose=Page.Purpose.PAGE) & ~Q(last_error="")


@dataclass(frozen=True, slots=True)
class Failure:
    """When a contact failed last, and what came of it."""

    at: datetime
    outcome: str


def fail_over_failing(*, now: datetime, limit: int = 200) -> int:
    """Try the next contact of owners whose page fails for a minute; return how many pages did.

    Those count too that wait behind such a page at a contact that took nothing meanwhile. The page
    itself goes on being tried until its end, and may arrive yet. Each fails over once, and only
    while its alert pages; the policy's steps keep their times.
    """
    # The alert is locked, not the page: others lock alerts first.
    locked = _overdue(now).select_for_update(skip_locked=True, no_key=True, of=("alert",))
    return work_through(
        locked.select_related("alert", "owner", "contact").order_by(
            "alert__severity", "created_at", "pk"
        ),
        partial(_fail_over, now=now),
        module=Module.DELIVERY,
        limit=limit,
        event="page.failing_over_failed",
    )


def failing_contacts(*, now: datetime) -> Mapping[int, Failure]:
    """Return by id the working contacts that failed on real pages, and took nothing since.

    A page counts that was given up, or that failed over. What the contact took since is a page, or
    a test page.
    """
    gave_up = Q(state=Page.State.DEAD, created_at__gt=now - _REMEMBERED)
    failed = Page.objects.filter(
        gave_up | _FAILED & Q(failed_over_at__isnull=False),
        purpose=Page.Purpose.PAGE,
        attempts_made__gt=0,
        contact__in=Contact.objects.filter(WORKING),
    )
    taken = Page.objects.filter(contact=OuterRef("contact"), state=Page.State.SENT)
    rows = (
        failed.annotate(
            failed_at=Greatest(Max("attempts__started_at"), F("receipt_at")),
            taken_at=Greatest(
                Subquery(taken.order_by("-sent_at").values("sent_at")[:1]), F("contact__tested_at")
            ),
        )
        .filter(failed_at__gt=F("taken_at"))
        .order_by("failed_at")
    )
    columns = ("contact_id", "failed_at", "last_error")
    return {key: Failure(at, outcome) for key, at, outcome in rows.values_list(*columns)}


def _overdue(now: datetime) -> QuerySet[Page]:
    is_late = Q(created_at__lte=now - FAILED_OVER_AFTER)
    # Also where a clock that was set back makes pages look younger than they are.
    is_late |= Q(attempts_made__gte=FAILED_OVER_ATTEMPTS)
    late = Page.objects.filter(is_late, purpose=Page.Purpose.PAGE, state__in=LIVE)
    contact = {"contact": OuterRef("contact")}
    lately = Page.objects.filter(
        **contact, state=Page.State.SENT, sent_at__gt=now - FAILED_OVER_AFTER
    )
    is_behind = Exists(late.filter(_FAILED, **contact)) & ~Exists(lately)
    return late.filter(
        _FAILED | Q(is_behind, attempts_made=0),
        failed_over_at__isnull=True,
        alert__response=Alert.Response.UNACKNOWLEDGED,
        alert__condition=Alert.Condition.FIRING,
        alert__is_suppressed=False,
    )


def _fail_over(page: Page, *, now: datetime) -> None:
    # Asked again: it may have been delivered while the alert's lock was waited for.
    still = Page.objects.filter(pk=page.pk, state__in=LIVE, failed_over_at__isnull=True)
    if not still.update(failed_over_at=now):
        return
    contact = queue_next_contact(page, now=now)
    logger.warning("page.failed_over", extra={"page": str(page.pk), "has_next": bool(contact)})
    next_one = (
        f"{contact.label} is tried besides." if contact else "There is no other contact to try."
    )
    tried = f"fails so far ({page.last_error.rstrip('.')})"
    why = f"{tried} and goes on being tried" if page.last_error else "waits, as others to it fail"
    write_entry(
        alert=page.alert,
        kind=AlertEvent.Kind.PAGE_FAILED,
        sentence=f"The page to {page.owner.name} by {page.contact.label} {why}. {next_one}",
        now=now,
    )
