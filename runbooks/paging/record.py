"""What came of an attempt, in rows: the attempt, the page, the timeline, and who is next."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from uuid import UUID

from django.db.models import F

from fleet.models import Contact
from fleet.services.engine import Module, engine_transaction
from runbooks.models import AlertEvent, Page, PageAttempt
from runbooks.paging import leases
from runbooks.paging.dead import follow_up, lock_escalation
from runbooks.paging.outcome import (
    Answer,
    Fate,
    asks_to_acknowledge,
    describe,
    fate_of,
    is_content_refused,
    retry_delay,
)
from runbooks.paging.timeline import clip, write_entries, write_entry

logger = logging.getLogger(__name__)

#: What takes a page on behalf of somebody else, and delivers it later or never.
HANDED_ON = frozenset({Contact.Kind.EMAIL})
_TOLD = {
    Page.Purpose.ACKNOWLEDGED: "told that somebody has it",
    Page.Purpose.RESOLVED: "told that it is over",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that was made for one page alone, and what came of it."""

    page: Page
    started_at: datetime
    answer: Answer

    @property
    def is_plain_success(self) -> bool:
        """Whether the page was delivered, not handed on, and the answer asks for nothing."""
        is_delivered = fate_of(self.answer) is Fate.SENT
        is_handed_on = self.page.contact.kind in HANDED_ON
        return is_delivered and not is_handed_on and not asks_to_acknowledge(self.answer)


@engine_transaction(module=Module.DELIVERY)
def record_deliveries(attempts: Sequence[Attempt], *, now: datetime) -> set[UUID]:
    """Write down plain successes, all in one transaction; return the ids of their pages.

    A page that was cancelled meanwhile, or whose row somebody holds, is left out: it is for
    `record_answer`, which waits. So nobody ever waits here while holding the rows of others.
    """
    plain = [attempt for attempt in attempts if attempt.is_plain_success]
    locked = leases.held([attempt.page for attempt in plain])
    locked = locked.select_for_update(skip_locked=True, no_key=True)
    ids = set(locked.order_by().values_list("pk", flat=True))
    done = [attempt for attempt in plain if attempt.page.pk in ids]
    for status in {attempt.answer.status for attempt in done}:
        same = [attempt.page.pk for attempt in done if attempt.answer.status == status]
        Page.objects.filter(pk__in=same).update(
            state=Page.State.SENT,
            sent_at=now,
            last_status=status,
            last_error="",
            lease_token=None,
            lease_expires_at=None,
        )
    PageAttempt.objects.bulk_create(_row_of(a.page, a.answer, a.started_at) for a in done)
    write_entries([_sent_entry(attempt.page, attempt.answer, 0, now) for attempt in done])
    for attempt in done:
        page = attempt.page
        logger.info("page.sent", extra={"page": str(page.pk), "alert_id": page.alert_id})
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
    fates = []
    # Each page in a transaction of its own: one over many alerts could wait in a circle with
    # somebody who acts on many alerts at once. The leader last: after a crash in between, those
    # that are left come once more under the same id.
    for one in (*companions, page):
        with engine_transaction(module=Module.DELIVERY):
            _note_attempt(one, answer, started_at)
            if is_untied:
                _untie(one, answer, now)
                fates.append(Fate.RETRY)
            else:
                fates.append(_settle(one, answer, len(companions), next_attempt_at, now))
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


def _settle(
    page: Page, answer: Answer, others: int, next_attempt_at: datetime, now: datetime
) -> Fate:
    fate = fate_of(answer)
    if fate is Fate.RETRY and next_attempt_at >= page.give_up_at:
        fate = Fate.DEAD
    if fate is Fate.SENT:
        _mark_sent(page, answer, others, now)
    elif fate is Fate.RETRY:
        _mark_for_retry(page, answer, next_attempt_at)
    else:
        if fate is Fate.GONE:
            _switch_off(page.contact, now)
        _bury(page, answer, now)
    return fate


def _note_attempt(page: Page, answer: Answer, started_at: datetime) -> None:
    _row_of(page, answer, started_at).save(force_insert=True)


def _row_of(page: Page, answer: Answer, started_at: datetime) -> PageAttempt:
    return PageAttempt(
        page=page,
        number=page.attempts_made,
        started_at=started_at,
        duration_ms=answer.duration_ms,
        status=answer.status,
        error=clip(answer.error, 300),
        body_head=answer.body_head,
    )


def _mark_sent(page: Page, answer: Answer, others: int, now: datetime) -> None:
    # Only a webhook's receiver is written for us; what other services answer means nothing here.
    is_ours = page.contact.kind == Contact.Kind.WEBHOOK and page.purpose == Page.Purpose.PAGE
    if is_ours and asks_to_acknowledge(answer):
        # Kept though the page was cancelled while its request was in the air: somebody answered.
        Page.objects.filter(pk=page.pk).update(replied_at=now)
    fields: dict[str, object] = {"state": Page.State.SENT, "sent_at": now, "last_error": ""}
    if page.contact.kind in HANDED_ON:
        fields["receipt"] = Page.Receipt.QUEUED
    if leases.settle(page, last_status=answer.status, **fields):
        logger.info("page.sent", extra={"page": str(page.pk), "alert_id": page.alert_id})
        write_entries([_sent_entry(page, answer, others, now)])


def _sent_entry(page: Page, answer: Answer, others: int, now: datetime) -> AlertEvent:
    return AlertEvent(
        alert=page.alert,
        kind=AlertEvent.Kind.PAGE_SENT,
        at=now,
        sentence=_sent_sentence(page, answer, others),
    )


def _sent_sentence(page: Page, answer: Answer, others: int) -> str:
    how = f"({_attempts(page)}, {_describe(page, answer)})"
    if page.purpose != Page.Purpose.PAGE:
        told = _TOLD[Page.Purpose(page.purpose)]
        return f"{page.contact.label} of {page.owner.name} {told} {how}."
    plural = "page" if others == 1 else "pages"
    bundle = f" in one request with {others} other {plural}" if others else ""
    return f"Page delivered to {page.owner.name} by {page.contact.label}{bundle} {how}."


def _mark_for_retry(page: Page, answer: Answer, next_attempt_at: datetime) -> None:
    leases.settle(
        page,
        state=Page.State.PENDING,
        next_attempt_at=next_attempt_at,
        last_status=answer.status,
        last_error=clip(_describe(page, answer), 300),
    )
    logger.warning(
        "page.attempt_failed",
        extra={
            "page": str(page.pk),
            "attempt": page.attempts_made,
            "outcome": _describe(page, answer),
        },
    )


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


def _switch_off(contact: Contact, now: datetime) -> None:
    Contact.objects.filter(pk=contact.pk, disabled_reason="").update(
        disabled_reason=f"The receiver answered 410 Gone at {now:%F %H:%M} UTC."
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


def _attempts(page: Page) -> str:
    return f"attempt {page.attempts_made}"
