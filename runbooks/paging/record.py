"""What came of an attempt, in rows: the attempt, the page, the timeline, and who is next."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime
from random import Random
from uuid import UUID

from django.db.models import F, Q

from fleet.models import Contact
from fleet.services.engine import Module, engine_transaction
from runbooks.models import AlertEvent, Page, PageAttempt
from runbooks.paging import leases
from runbooks.paging.attempts import Attempt
from runbooks.paging.dead import follow_up, lock_escalation
from runbooks.paging.outcome import (
    Answer,
    Fate,
    asks_to_acknowledge,
    describe,
    fate_of,
    gone_sentence,
    is_content_refused,
    retry_delay,
)
from runbooks.paging.timeline import clip, write_entries, write_entry

__all__ = ["Attempt", "give_up", "record_answer", "record_deliveries"]

logger = logging.getLogger(__name__)


@engine_transaction(module=Module.DELIVERY)
def record_deliveries(attempts: Sequence[Attempt], *, now: datetime) -> set[UUID]:
    """Write down plain successes, all in one transaction; return the ids of their pages.

    A page that was cancelled meanwhile, or whose row somebody holds, is left out: it is for
    `record_answer`, which waits. So nobody ever waits here while holding the rows of others.
    """
    ids = _locked([attempt.page for attempt in attempts if attempt.is_plain_success])
    done = [attempt for attempt in attempts if attempt.page.pk in ids]
    for status, is_handed_on in {(one.answer.status, one.is_handed_on) for one in done}:
        same = [
            one.page.pk
            for one in done
            if (one.answer.status, one.is_handed_on) == (status, is_handed_on)
        ]
        receipt = {"receipt": Page.Receipt.QUEUED} if is_handed_on else {}
        Page.objects.filter(pk__in=same).update(
            state=Page.State.SENT,
            sent_at=now,
            last_status=status,
            last_error="",
            lease_token=None,
            lease_expires_at=None,
            **receipt,
        )
    PageAttempt.objects.bulk_create([one.row() for one in done], batch_size=500)
    write_entries([one.sent_entry(now) for one in done])
    for one in done:
        logger.info("page.sent", extra={"page": str(one.page.pk), "alert_id": one.page.alert_id})
    return ids


def record_answer(
    page: Page,
    answer: Answer,
    *,
    started_at: datetime,
    now: datetime,
    rng: Random,
    companions: Sequence[Page] = (),
) -> list[Fate]:
    """Write down one attempt and what becomes of its pages; return the fate of each.

    The attempt is kept in any case. A page itself changes only while its lease is held: one that
    was cancelled meanwhile stays cancelled, whatever the receiver said. `companions` travelled in
    the same request and share its answer.
    """
    give_up_at = min(one.give_up_at for one in (*companions, page))
    next_attempt_at = now + retry_delay(
        answer, attempts_made=page.attempts_made, now=now, give_up_at=give_up_at, rng=rng
    )
    is_untied = bool(companions) and is_content_refused(answer)
    others = len(companions)
    together = [Attempt(one, started_at, answer, others) for one in companions]
    done = _record_together(together, fate_of(answer), next_attempt_at, now)
    fates = [fate_of(answer)] * len(done)
    # Each other page in a transaction of its own: one over many alerts could wait in a circle with
    # somebody who acts on many alerts at once. The leader last: after a crash in between, those
    # that are left come once more under the same id.
    left = [attempt for attempt in together if attempt.page.pk not in done]
    for attempt in (*left, Attempt(page, started_at, answer, others)):
        one = attempt.page
        with engine_transaction(module=Module.DELIVERY):
            attempt.row().save(force_insert=True)
            if is_untied:
                _untie(one, answer, now)
                fates.append(Fate.RETRY)
            else:
                fates.append(_settle(attempt, next_attempt_at, now))
    return fates


@engine_transaction(module=Module.DELIVERY)
def give_up(page: Page, *, reason: str, now: datetime) -> None:
    """End a claimed page without another attempt."""
    # Locked before the page, in the order of everybody else: alert, escalation, pages.
    lock_escalation(page)
    # The claim counted an attempt that is not made.
    Page.objects.filter(pk=page.pk, lease_token=page.lease_token).update(
        attempts_made=F("attempts_made") - 1
    )
    _bury(page, Answer(status=page.last_status, error=reason), now)


def _locked(pages: Collection[Page]) -> set[UUID]:
    """Lock those of `pages` that are still leased and that nobody else holds; return their ids."""
    locked = leases.held(pages).select_for_update(skip_locked=True, no_key=True)
    return set(locked.order_by().values_list("pk", flat=True))


def _record_together(
    attempts: Sequence[Attempt], fate: Fate, next_attempt_at: datetime, now: datetime
) -> set[UUID]:
    """Write down what plainly became of pages of one request; return their ids.

    They may be a thousand, and the leases end.
    """
    if not attempts:
        return set()
    if fate is Fate.SENT:
        return record_deliveries(attempts, now=now)
    if fate is Fate.RETRY:
        in_time = [one for one in attempts if next_attempt_at < one.page.give_up_at]
        return _record_retries(in_time, next_attempt_at)
    return set()


@engine_transaction(module=Module.DELIVERY)
def _record_retries(attempts: Sequence[Attempt], next_attempt_at: datetime) -> set[UUID]:
    """Write down, all in one transaction, that pages of one request failed and are tried again.

    Return their ids; others are left out as in `record_deliveries`.
    """
    ids = _locked([attempt.page for attempt in attempts])
    failed = [attempt for attempt in attempts if attempt.page.pk in ids]
    if failed:
        # One request, and so one answer for all of them.
        Page.objects.filter(pk__in=ids).update(
            lease_token=None, lease_expires_at=None, **_when_failed(failed[0], next_attempt_at)
        )
    PageAttempt.objects.bulk_create([attempt.row() for attempt in failed], batch_size=500)
    for attempt in failed:
        _log_failed(attempt)
    return ids


def _settle(attempt: Attempt, next_attempt_at: datetime, now: datetime) -> Fate:
    page, answer = attempt.page, attempt.answer
    fate = fate_of(answer)
    if fate is Fate.RETRY and next_attempt_at >= page.give_up_at:
        fate = Fate.DEAD
    if fate is Fate.SENT:
        _mark_sent(attempt, now)
    elif fate is Fate.RETRY:
        leases.settle(page, **_when_failed(attempt, next_attempt_at))
        _log_failed(attempt)
    else:
        if fate is Fate.GONE:
            _switch_off(page.contact, answer, now)
        _bury(page, answer, now)
    return fate


def _mark_sent(attempt: Attempt, now: datetime) -> None:
    page, answer = attempt.page, attempt.answer
    # Only a webhook's receiver is written for us; what other services answer means nothing here.
    is_ours = page.contact.kind == Contact.Kind.WEBHOOK and page.purpose == Page.Purpose.PAGE
    if is_ours and asks_to_acknowledge(answer):
        # Kept though the page was cancelled while its request was in the air: somebody answered.
        Page.objects.filter(pk=page.pk).update(replied_at=now)
    fields: dict[str, object] = {"state": Page.State.SENT, "sent_at": now, "last_error": ""}
    if attempt.is_handed_on:
        fields["receipt"] = Page.Receipt.QUEUED
    if leases.settle(page, last_status=answer.status, **fields) or _has_arrived(page, answer):
        logger.info("page.sent", extra={"page": str(page.pk), "alert_id": page.alert_id})
        write_entries([attempt.sent_entry(now)])


def _has_arrived(page: Page, answer: Answer) -> bool:
    """Tell whether a receipt for this attempt came before its answer; the answer is kept, too."""
    arrived = Page.objects.filter(
        ~Q(receipt=Page.Receipt.NONE),
        pk=page.pk,
        state=Page.State.SENT,
        attempts_made=page.attempts_made,
    )
    return bool(arrived.update(last_status=answer.status))


def _when_failed(attempt: Attempt, next_attempt_at: datetime) -> dict[str, object]:
    return {
        "state": Page.State.PENDING,
        "next_attempt_at": next_attempt_at,
        "last_status": attempt.answer.status,
        "last_error": clip(attempt.outcome, 300),
    }


def _log_failed(attempt: Attempt) -> None:
    page = attempt.page
    extra = {"page": str(page.pk), "attempt": page.attempts_made, "outcome": attempt.outcome}
    logger.warning("page.attempt_failed", extra=extra)


def _untie(page: Page, answer: Answer, now: datetime) -> None:
    """Let a page of a bundle that the receiver did not understand go alone, at once."""
    leases.settle(
        page,
        state=Page.State.PENDING,
        bundle=None,
        next_attempt_at=now,
        last_status=answer.status,
        last_error=clip(_describe(page, answer), 300),
    )
    logger.warning(
        "bundle.refused", extra={"page": str(page.pk), "outcome": _describe(page, answer)}
    )


def _switch_off(contact: Contact, answer: Answer, now: datetime) -> None:
    Contact.objects.filter(pk=contact.pk, disabled_reason="").update(
        disabled_reason=gone_sentence(answer, now=now)
    )
    logger.error("contact.switched_off", extra={"contact_id": contact.pk})


def _bury(page: Page, answer: Answer, now: datetime) -> None:
    """Mark the page dead; page the owner's next contact, or have the next step taken now."""
    escalation = lock_escalation(page)
    outcome = _describe(page, answer)
    if not leases.settle(
        page,
        state=Page.State.DEAD,
        last_status=answer.status,
        last_error=clip(outcome, 300),
    ):
        return
    logger.error("page.dead", extra={"page": str(page.pk), "outcome": outcome})
    what = "Page" if page.purpose == Page.Purpose.PAGE else "Notice"
    write_entry(
        alert=page.alert,
        kind=AlertEvent.Kind.PAGE_FAILED,
        sentence=(
            f"{what} to {page.owner.name} by {page.contact.label} failed for good "
            f"({clip(outcome, 150)}). {follow_up(page, escalation=escalation, now=now)}"
        ),
        now=now,
    )


def _describe(page: Page, answer: Answer) -> str:
    return describe(answer, kind=page.contact.kind)
