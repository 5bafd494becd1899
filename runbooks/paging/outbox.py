"""The outbox: a page is a row before it is a request."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleet.models import Contact, Owner
from fleet.queue import Job, enqueue_on_commit
from runbooks.models import Alert, Page
from runbooks.paging.timeline import clip

logger = logging.getLogger(__name__)

#: Whose turn it is when many wait; the lower goes first.
FIRST_OF_SITE, OTHERS, NOTICES = 0, 1, 2
#: A site that paged nobody for so long has its next page jump the queue.
QUIET = timedelta(minutes=10)


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


def cancel_pages(*, alert: Alert, now: datetime) -> int:
    """Cancel every page of the alert that is not out yet, leased ones too; return how many.

    A worker that holds such a page finds its lease gone and sends nothing, or, when the request
    is already in the air, leaves the page cancelled. Notices that nobody need act any more are
    not called off: they are what receivers that keep a state wait for.
    """
    waiting = Page.objects.filter(
        alert=alert,
        purpose=Page.Purpose.PAGE,
        state__in=[Page.State.PENDING, Page.State.LEASED],
    )
    count = waiting.update(state=Page.State.CANCELLED, lease_token=None, lease_expires_at=None)
    if count:
        logger.info(
            "pages.cancelled",
            extra={"alert_id": alert.pk, "count": count, "cancelled_at": now.isoformat()},
        )
    return count


def _priorities(orders: Sequence[Order], now: datetime) -> list[int]:
    """Return whose turn each page is: a site's first page in a while, another page, a notice."""
    asking = [order for order in orders if order.purpose == Page.Purpose.PAGE]
    alert_ids = {order.alert.pk for order in asking}
    lately = Page.objects.filter(
        alert__site__in={order.alert.site_id for order in asking},
        purpose=Page.Purpose.PAGE,
        created_at__gt=now - QUIET,
    ).order_by()
    others = lately.exclude(alert__in=alert_ids).values_list("alert__site_id", flat=True)
    # The steps that paged for each site; everybody whom its first one pages is told first, and so
    # is the contact tried next.
    steps: dict[int, set[tuple[int, int]]] = {site_id: {(0, 0)} for site_id in others.distinct()}
    own = lately.filter(alert__in=alert_ids)
    for site_id, *step in own.values_list("alert__site_id", "alert_id", "sequence").distinct():
        steps.setdefault(site_id, set()).add((step[0], step[1]))
    priorities = []
    for order in orders:
        step_of_order = (order.alert.pk, order.sequence)
        of_site = steps.setdefault(order.alert.site_id, set())
        is_first = not of_site - {step_of_order}
        of_site.add(step_of_order)
        priority = FIRST_OF_SITE if is_first else OTHERS
        priorities.append(priority if order.purpose == Page.Purpose.PAGE else NOTICES)
    return priorities
