"""The outbox: a page is a row before it is a request."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Min

from fleet.models import Contact, Owner
from fleet.queue import Job, enqueue_on_commit
from runbooks.models import Alert, Page
from runbooks.paging.timeline import clip

logger = logging.getLogger(__name__)

#: Whose turn it is when many wait about equally bad alerts; the lower goes first.
FIRST_OF_SITE, OTHERS, NOTICES = 0, 1, 2
#: A site that paged nobody about anything as bad for so long has its next page jump the queue.
QUIET = timedelta(minutes=10)
#: A silence may cancel the pages of thousands of alerts; a line in the log names some of them.
MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Order:
    """One page that step `sequence` of an alert's escalation owes one contact.

    `reason` says in words why this person is paged; after `give_up_at` nothing is attempted.
    """

    alert: Alert
    owner: Owner
    contact: Contact
    sequence: int
    step_index: int
    reason: str
    give_up_at: datetime
    purpose: Page.Purpose = Page.Purpose.PAGE


def queue_pages(orders: Sequence[Order], *, now: datetime) -> None:
    """Write the pages that are owed, in a few statements; asked twice, each is one page."""
    if not orders:
        return
    enqueue_on_commit(Job.DELIVER_PAGES)
    Page.objects.bulk_create(
        [
            Page(
                alert=order.alert,
                owner=order.owner,
                contact=order.contact,
                purpose=order.purpose,
                sequence=order.sequence,
                step_index=order.step_index,
                priority=priority,
                reason=clip(order.reason, 200),
                created_at=now,
                next_attempt_at=now,
                give_up_at=order.give_up_at,
            )
            for order, priority in zip(orders, _priorities(orders, now), strict=True)
        ],
        ignore_conflicts=True,
        batch_size=500,
    )


def cancel_pages(*, alert_ids: Collection[int]) -> int:
    """Cancel every page of these alerts that is not out yet, leased ones too; return how many.

    A worker that holds such a page finds its lease gone and sends nothing, or, when the request
    is already in the air, leaves the page cancelled. Notices that nobody need act any more are
    not called off: they are what receivers that keep a state wait for.
    """
    waiting = Page.objects.filter(
        alert__in=alert_ids,
        purpose=Page.Purpose.PAGE,
        state__in=[Page.State.PENDING, Page.State.LEASED],
    )
    # Locked by number first: a worker that settles a bundle holds several of them, too.
    locked = waiting.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True)
    count = Page.objects.filter(pk__in=list(locked)).update(
        state=Page.State.CANCELLED, lease_token=None, lease_expires_at=None
    )
    if count:
        extra = {"count": count, "alert_ids": sorted(alert_ids)[:MOST_NAMED]}
        logger.info("pages.cancelled", extra=extra)
    return count


def hasten_pages(*, alert: Alert, now: datetime) -> None:
    """Let pages of an alert that got worse ask anew how they travel, rather than wait on."""
    waiting = Page.objects.filter(
        alert=alert, state=Page.State.PENDING, attempts_made=0, next_attempt_at__gt=now
    )
    # Passed over where a worker holds it: then it is on its way.
    locked = waiting.select_for_update(no_key=True, skip_locked=True).order_by("pk")
    ids = list(locked.values_list("pk", flat=True))
    if ids:
        enqueue_on_commit(Job.DELIVER_PAGES)
        Page.objects.filter(pk__in=ids).update(next_attempt_at=now)


def _priorities(orders: Sequence[Order], now: datetime) -> list[int]:
    """Return whose turn each page is among equally bad alerts.

    A site's first page in a while about anything as bad, another page, or a notice.
    """
    asking = [order for order in orders if order.purpose == Page.Purpose.PAGE]
    alert_ids = {order.alert.pk for order in asking}
    lately = Page.objects.filter(
        alert__site__in={order.alert.site_id for order in asking},
        purpose=Page.Purpose.PAGE,
        created_at__gt=now - QUIET,
    ).order_by()
    # The steps that paged for each site, with how bad that was; everybody whom its first one pages
    # is told first, and so is the contact tried next.
    steps: dict[int, dict[tuple[int, int], int]] = defaultdict(dict)
    others = lately.exclude(alert__in=alert_ids).values_list("alert__site_id")
    for site_id, worst in others.annotate(worst=Min("alert__severity")):
        steps[site_id][0, 0] = worst
    own = lately.filter(alert__in=alert_ids)
    of_own = ("alert__site_id", "alert_id", "sequence", "alert__severity")
    for site_id, alert_id, sequence, severity in own.values_list(*of_own).distinct():
        steps[site_id][alert_id, sequence] = severity
    priorities = []
    for order in orders:
        step_of_order = (order.alert.pk, order.sequence)
        severity, of_site = order.alert.severity, steps[order.alert.site_id]
        is_first = not any(
            step != step_of_order and its_severity <= severity
            for step, its_severity in of_site.items()
        )
        of_site[step_of_order] = severity
        priority = FIRST_OF_SITE if is_first else OTHERS
        priorities.append(priority if order.purpose == Page.Purpose.PAGE else NOTICES)
    return priorities
