"""The outbox: a page is a row before it is a request."""

from __future__ import annotations

import logging
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


def queue_page(
    *,
    alert: Alert,
    owner: Owner,
    contact: Contact,
    sequence: int,
    step_index: int,
    reason: str,
    give_up_at: datetime,
    now: datetime,
    purpose: Page.Purpose = Page.Purpose.PAGE,
) -> Page:
    """Write the page that step `sequence` owes this contact; asked twice, it is one page.

    `reason` says in words why this person is paged; after `give_up_at` nothing is attempted.
    """
    enqueue_on_commit(Job.DELIVER_PAGES)
    page, _ = Page.objects.get_or_create(
        alert=alert,
        sequence=sequence,
        contact=contact,
        purpose=purpose,
        defaults={
            "owner": owner,
            "priority": _priority(alert, sequence, purpose, now),
            "step_index": step_index,
            "reason": clip(reason, 200),
            "created_at": now,
            "next_attempt_at": now,
            "give_up_at": give_up_at,
        },
    )
    return page


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


def _priority(alert: Alert, sequence: int, purpose: Page.Purpose, now: datetime) -> int:
    if purpose != Page.Purpose.PAGE:
        return NOTICES
    lately = Page.objects.filter(
        alert__site=alert.site_id, purpose=Page.Purpose.PAGE, created_at__gt=now - QUIET
    )
    # Everybody whom the same step pages is told first, and so is the contact tried next.
    return OTHERS if lately.exclude(alert=alert, sequence=sequence).exists() else FIRST_OF_SITE
