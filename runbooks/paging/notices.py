"""Notices: tell receivers that keep a state of their own that nobody needs to act any more."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from fleet.models import Contact
from fleet.queue import Job, enqueue_on_commit
from runbooks.models import Alert, Page
from runbooks.paging.outbox import NOTICES

#: Receivers that show an alert until they are told otherwise.
KEEPS_STATE = (Contact.Kind.PAGERDUTY, Contact.Kind.ALERTMANAGER)
#: A receiver that was out for the night still learns that the alert is over.
TRIED_FOR = timedelta(hours=12)
#: No request is in the air for longer, whatever the time limit is set to.
LONGEST_FLIGHT = timedelta(seconds=65)

_REASONS = {
    Page.Purpose.ACKNOWLEDGED: "somebody has it",
    Page.Purpose.RESOLVED: "it is over",
}


def queue_notices(*, alert: Alert, purpose: Page.Purpose, now: datetime) -> int:
    """Tell every receiver that keeps a state and may know `alert`; return how many are told.

    `purpose` is `ACKNOWLEDGED` or `RESOLVED`. A notice goes out even where the contact has been
    switched on and off meanwhile, and at most once for each time the contact was paged.
    """
    return queue_notices_of(alert_ids=[alert.pk], purpose=purpose, now=now)


def queue_notices_of(*, alert_ids: Collection[int], purpose: Page.Purpose, now: datetime) -> int:
    """Do what `queue_notices` does for many alerts, in two statements."""
    purpose = Page.Purpose(purpose)
    reason = _REASONS[purpose]
    # Also pages that failed: a receiver whose answer was lost has taken them all the same.
    told = (
        Page.objects.filter(
            alert__in=list(alert_ids),
            purpose=Page.Purpose.PAGE,
            contact__kind__in=KEEPS_STATE,
            attempts_made__gt=0,
        )
        .order_by("alert_id", "contact_id", "-sequence")
        .distinct("alert_id", "contact_id")
    )
    notices = [
        Page(
            alert_id=page.alert_id,
            owner_id=page.owner_id,
            contact_id=page.contact_id,
            purpose=purpose,
            priority=NOTICES,
            sequence=page.sequence,
            step_index=page.step_index,
            reason=reason,
            created_at=now,
            next_attempt_at=_after_page(page, now),
            give_up_at=now + TRIED_FOR,
        )
        for page in told
    ]
    if not notices:
        return 0
    known = _count(alert_ids, purpose)
    Page.objects.bulk_create(notices, ignore_conflicts=True, batch_size=500)
    enqueue_on_commit(Job.DELIVER_PAGES)
    return _count(alert_ids, purpose) - known


def _after_page(page: Page, now: datetime) -> datetime:
    """Return when a notice may go out: after a page whose request may still be in the air.

    A page cancelled while it was leased keeps the time at which its lease would have run out. A
    notice that overtook it would end nothing, and the page would open what nobody ends.
    """
    may_be_in_the_air = page.state == Page.State.CANCELLED and page.attempts_made > 0
    if not may_be_in_the_air:
        return now
    return min(max(page.next_attempt_at, now), now + LONGEST_FLIGHT)


def _count(alert_ids: Collection[int], purpose: Page.Purpose) -> int:
    return Page.objects.filter(alert__in=list(alert_ids), purpose=purpose).count()
