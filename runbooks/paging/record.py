"""What came of an attempt, in rows: the attempt, the page, the timeline, and who is next."""

from __future__ import annotations

import logging
from datetime import datetime
from random import Random

from django.db import transaction
from django.db.models import F

from fleet.models import Contact
from fleet.queue import Job, enqueue_on_commit
from runbooks.models import AlertEvent, Escalation, Page, PageAttempt
from runbooks.paging import leases
from runbooks.paging.outbox import queue_page
from runbooks.paging.outcome import Answer, Fate, describe, fate_of, retry_delay
from runbooks.paging.people import next_contact
from runbooks.paging.timeline import clip, write_entry

logger = logging.getLogger(__name__)


def record_answer(
    page: Page, answer: Answer, *, started_at: datetime, now: datetime, rng: Random
) -> Fate:
    """Write down one attempt and what becomes of the page; return its fate.

    The attempt is kept in any case. The page itself changes only while its lease is held: a page
    that was cancelled meanwhile stays cancelled, whatever the receiver said.
    """
    fate = fate_of(answer)
    next_attempt_at = now + retry_delay(answer, attempts_made=page.attempts_made, now=now, rng=rng)
    if fate is Fate.RETRY and next_attempt_at >= page.give_up_at:
        fate = Fate.DEAD
    with transaction.atomic():
        PageAttempt.objects.create(
            page=page,
            number=page.attempts_made,
            started_at=started_at,
            duration_ms=answer.duration_ms,
            status=answer.status,
            error=clip(answer.error, 300),
            body_head=answer.body_head,
        )
        if fate is Fate.SENT:
            _mark_sent(page, answer, now)
        elif fate is Fate.RETRY:
            _mark_for_retry(page, answer, next_attempt_at)
        else:
            if fate is Fate.GONE:
                _switch_off(page.contact, now)
            _bury(page, answer, now)
    return fate


@transaction.atomic
def give_up(page: Page, *, reason: str, now: datetime) -> None:
    """End a claimed page without another attempt."""
    # The claim counted an attempt that is not made.
    Page.objects.filter(pk=page.pk, lease_token=page.lease_token).update(
        attempts_made=F("attempts_made") - 1
    )
    _bury(page, Answer(status=page.last_status, error=reason), now)


def _mark_sent(page: Page, answer: Answer, now: datetime) -> None:
    if leases.settle(
        page, state=Page.State.SENT, sent_at=now, last_status=answer.status, last_error=""
    ):
        logger.info("page.sent", extra={"page": str(page.pk), "alert_id": page.alert_id})
        write_entry(
            alert=page.alert,
            kind=AlertEvent.Kind.PAGE_SENT,
            sentence=(
                f"Page delivered to {page.owner.name} by {page.contact.label} "
                f"({_attempts(page)}, {describe(answer)})."
            ),
            now=now,
        )


def _mark_for_retry(page: Page, answer: Answer, next_attempt_at: datetime) -> None:
    leases.settle(
        page,
        state=Page.State.PENDING,
        next_attempt_at=next_attempt_at,
        last_status=answer.status,
        last_error=clip(describe(answer), 300),
    )
    logger.warning(
        "page.attempt_failed",
        extra={"page": str(page.pk), "attempt": page.attempts_made, "outcome": describe(answer)},
    )


def _switch_off(contact: Contact, now: datetime) -> None:
    Contact.objects.filter(pk=contact.pk, disabled_reason="").update(
        disabled_reason=f"The receiver answered 410 Gone at {now:%F %H:%M} UTC."
    )
    logger.error("contact.switched_off", extra={"contact_id": contact.pk})


def _bury(page: Page, answer: Answer, now: datetime) -> None:
    """Mark the page dead; page the owner's next contact, or have the next step taken now."""
    # Locked before the page, in the order of everybody else: alert, escalation, pages. Held, so
    # that of the last two pages of a step that die at once, one sees that it is the last.
    running = Escalation.objects.select_for_update(no_key=True).filter(
        alert=page.alert_id, state=Escalation.State.RUNNING, sequence=page.sequence
    )
    escalation = running.first()
    outcome = describe(answer)
    if not leases.settle(
        page,
        state=Page.State.DEAD,
        last_status=answer.status,
        last_error=clip(outcome, 300),
    ):
        return
    logger.error("page.dead", extra={"page": str(page.pk), "outcome": outcome})
    contact = _queue_next_contact(page, now)
    if contact is not None:
        follow_up = f"{contact.label} is tried next."
    elif escalation is not None and _hurry(escalation, page, now):
        follow_up = "Nobody of this step was reached, so the next step is taken now."
    else:
        follow_up = "There is no other contact to try."
    write_entry(
        alert=page.alert,
        kind=AlertEvent.Kind.PAGE_FAILED,
        sentence=(
            f"Page to {page.owner.name} by {page.contact.label} failed for good "
            f"({clip(outcome, 150)}). {follow_up}"
        ),
        now=now,
    )


def _queue_next_contact(page: Page, now: datetime) -> Contact | None:
    tried = Page.objects.filter(alert=page.alert_id, sequence=page.sequence, owner=page.owner_id)
    contact = next_contact(page.owner, tried=tried.values_list("contact_id", flat=True))
    if contact is not None:
        queue_page(
            alert=page.alert,
            owner=page.owner,
            contact=contact,
            sequence=page.sequence,
            step_index=page.step_index,
            reason=page.reason,
            # As long as the first contact had.
            give_up_at=now + (page.give_up_at - page.created_at),
            now=now,
        )
    return contact


def _hurry(escalation: Escalation, page: Page, now: datetime) -> bool:
    """Make the next step due when no page of this one arrived or still may.

    Never into a new round: where every page dies at once, the rounds would be spent in seconds.
    """
    others = Page.objects.filter(alert=page.alert_id, sequence=page.sequence).exclude(
        state__in=[Page.State.DEAD, Page.State.CANCELLED]
    )
    if others.exists():
        return False
    is_hurried = Escalation.objects.filter(
        pk=escalation.pk, step_index__gt=0, next_due_at__gt=now
    ).update(next_due_at=now)
    if is_hurried:
        enqueue_on_commit(Job.ESCALATE_DUE)
    return bool(is_hurried)


def _attempts(page: Page) -> str:
    return f"attempt {page.attempts_made}"
