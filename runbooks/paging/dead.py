"""Pages that nobody will try again: who is tried next, and sending one once more by hand."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction

from fleet.models import Contact
from fleet.names import name_of
from fleet.queue import Job, enqueue_on_commit
from runbooks.models import Alert, AlertEvent, Escalation, Page
from runbooks.paging.outbox import Order, queue_pages
from runbooks.paging.people import WORKING, next_contact
from runbooks.paging.timeline import spell_time, write_entry
from runbooks.refused import Refused

logger = logging.getLogger(__name__)

#: How long a page that was sent once more by hand is tried.
REDELIVERY = timedelta(minutes=5)
_LONGEST_TRY = timedelta(hours=1)
#: A round that reached nobody begins anew no sooner than so long after its last step.
ROUNDS_APART = timedelta(minutes=5)


class RedeliveryError(Refused):
    """A page is not sent once more: a `code` for machines, a sentence for people."""


@transaction.atomic
def redeliver_page(*, page: Page, by: User, now: datetime) -> Page:
    """Try a dead page anew for five minutes, under the same id; return it as it is now.

    The receiver that has it already knows it by that id. Raises RedeliveryError: `page_not_dead`,
    `alert_closed`, `alert_taken`, `alert_cleared`, `contact_not_working`. Callers have checked,
    through `fleet.access`, that the person may act.
    """
    # Alert before page, in the order of everybody else.
    alert = Alert.objects.select_for_update(no_key=True).get(pk=page.alert_id)
    current = Page.objects.select_for_update(no_key=True, of=("self",)).get(pk=page.pk)
    refuse_redelivery(current, alert=alert)
    Page.objects.filter(pk=page.pk, state=Page.State.DEAD).update(
        state=Page.State.PENDING,
        bundle=None,
        next_attempt_at=now,
        give_up_at=now + REDELIVERY,
        receipt=Page.Receipt.NONE,
        is_follow_up_owed=False,
        # What it failed for before is no failure of this try.
        last_error="",
    )
    enqueue_on_commit(Job.DELIVER_PAGES)
    logger.info("page.redelivered", extra={"page": str(page.pk), "user_id": by.pk})
    current.refresh_from_db()
    write_entry(
        alert=alert,
        kind=AlertEvent.Kind.REDELIVERED,
        sentence=(
            f"{name_of(by)} had the page to {current.owner.name} by {current.contact.label} "
            "sent once more."
        ),
        now=now,
        actor=by,
    )
    return current


def refuse_redelivery(page: Page, *, alert: Alert) -> None:
    """Raise RedeliveryError when sending the page once more would help nobody."""
    number = f"A-{alert.pk}"
    if page.state != Page.State.DEAD:
        raise RedeliveryError(
            "page_not_dead", "This page is on its way or has arrived. Reload to see where it is."
        )
    if alert.response == Alert.Response.CLOSED:
        raise RedeliveryError("alert_closed", f"{number} is closed; nobody needs this page.")
    if page.purpose == Page.Purpose.PAGE and alert.response == Alert.Response.ACKNOWLEDGED:
        raise RedeliveryError(
            "alert_taken", f"Somebody has {number} already. Release it to have people paged anew."
        )
    if page.purpose == Page.Purpose.PAGE and alert.condition == Alert.Condition.CLEARED:
        raise RedeliveryError("alert_cleared", f"{number} has cleared; nobody needs this page.")
    if page.purpose == Page.Purpose.PAGE and alert.is_suppressed:
        raise RedeliveryError(
            "alert_held_back",
            f"{number} is held back, so the page would wait and be given up. It pages anew by "
            "itself when that ends.",
        )
    if not Contact.objects.filter(WORKING, pk=page.contact_id).exists():
        raise RedeliveryError(
            "contact_not_working",
            f"{page.contact} does not work: it is switched off, gone or never passed a test. Mend "
            "the contact and test it, then send the page once more.",
        )


def lock_escalation(page: Page) -> Escalation | None:
    """Lock the escalation whose current step asked for the page; None when it has moved on.

    Locked before the page, in the order of everybody else: alert, escalation, pages. Held, so
    that of the last two pages of a step that die at once, one sees that it is the last.
    """
    running = Escalation.objects.select_for_update(no_key=True).filter(
        alert=page.alert_id, state=Escalation.State.RUNNING, sequence=page.sequence
    )
    return running.first()


def follow_up(page: Page, *, escalation: Escalation | None, now: datetime) -> str:
    """Page the owner's next contact, or have the next step taken now; return a sentence on it."""
    if page.purpose != Page.Purpose.PAGE:
        return "Its receiver may go on showing the alert as it was."
    contact = None if _has_failed_over(page) else queue_next_contact(page, now=now)
    if contact is not None:
        return f"{contact.label} is tried next."
    due_at = _hurry(escalation, page, now) if escalation is not None else None
    if due_at is not None:
        when = "now" if due_at == now else f"at {spell_time(due_at)}"
        return f"Nobody of this step was reached, so the next step is taken {when}."
    return "There is no other contact to try."


def queue_next_contact(page: Page, *, now: datetime) -> Contact | None:
    """Page the owner's first working contact that this step has not tried; None without one."""
    tried = Page.objects.filter(
        alert=page.alert_id, sequence=page.sequence, owner=page.owner_id, purpose=page.purpose
    )
    contact = next_contact(page.owner, tried=tried.values_list("contact_id", flat=True))
    if contact is not None:
        order = Order(
            alert=page.alert,
            owner=page.owner,
            contact=contact,
            sequence=page.sequence,
            step_index=page.step_index,
            reason=page.reason,
            # As long as the first contact had; one sent by hand may have been owed for days.
            give_up_at=now + min(page.give_up_at - page.created_at, _LONGEST_TRY),
        )
        queue_pages([order], now=now)
    return contact


def _has_failed_over(page: Page) -> bool:
    """Tell whether the owner's next contact was tried while this page was still under way.

    What becomes of that one's page, it has a next one of its own.
    """
    if not Page.objects.filter(pk=page.pk, failed_over_at__isnull=False).exists():
        return False
    others = Page.objects.filter(
        alert=page.alert_id, sequence=page.sequence, owner=page.owner_id, purpose=page.purpose
    )
    return others.exclude(pk=page.pk).filter(created_at__gt=page.created_at).exists()


def _hurry(escalation: Escalation, page: Page, now: datetime) -> datetime | None:
    """Make the next step due when no page of this one arrived or still may; return when.

    A new round waits a little: where every page dies at once, the rounds would be spent in seconds.
    """
    others = Page.objects.filter(
        alert=page.alert_id, sequence=page.sequence, purpose=Page.Purpose.PAGE
    ).exclude(state__in=[Page.State.DEAD, Page.State.CANCELLED])
    if others.exists():
        return None
    due_at = now
    if escalation.step_index == 0:
        due_at = max(now, (escalation.last_step_at or now) + ROUNDS_APART)
    waiting = Escalation.objects.filter(pk=escalation.pk, next_due_at__gt=due_at)
    if not waiting.update(next_due_at=due_at):
        return None
    enqueue_on_commit(Job.ESCALATE_DUE)
    return due_at
