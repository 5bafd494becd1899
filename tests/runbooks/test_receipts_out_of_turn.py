"""Receipts that come before the answer, after a lost one, or while the alert is held back."""

from __future__ import annotations

import random

import pytest

from runbooks.alerts.services import acknowledge_alert
from runbooks.escalation.services import advance_due_escalations
from runbooks.escalation.timers import lift_suspension, suspend_escalation
from runbooks.models import Alert, Page, PageAttempt
from runbooks.paging.outcome import Answer
from runbooks.paging.queued import FAILED_OVER_AFTER, fail_over_queued, follow_up_released
from runbooks.paging.receipts import record_receipt
from runbooks.paging.record import record_answer
from tests.factories import NOON, make_contact, make_owner, make_site, make_user
from tests.receiver import Receiver, broken_off, status
from tests.runbooks.world import (
    claim_page,
    deliver,
    make_pager,
    only_page,
    policy_of,
    queued,
    seconds,
    sentences_of,
    site_paging,
    states_of_pages,
    word,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

Receipt = Page.Receipt
LATER = NOON + seconds(2)
RELEASED_AT = NOON + seconds(3600)


def unanswered_page(receiver: Receiver, *, contacts: int = 1) -> Page:
    """Make a page that its receiver read, without an answer: it waits for another attempt."""
    first = make_pager(receiver, label="phone")
    for position in range(2, contacts + 1):
        make_pager(receiver, label=f"phone {position}", owner=first.owner, position=position)
    receiver.answers(broken_off(), status(200))
    page = only_page(queued(make_site(owner=first.owner)))
    deliver(NOON)
    page.refresh_from_db()
    assert (page.state, page.attempts_made) == ("pending", 1)
    return page


def sent_page(receiver: Receiver, *, contacts: int = 1) -> Page:
    first = make_pager(receiver, label="phone")
    for position in range(2, contacts + 1):
        make_pager(receiver, label=f"phone {position}", owner=first.owner, position=position)
    page = only_page(queued(make_site(owner=first.owner)))
    deliver(NOON)
    return page


@pytest.mark.parametrize("word_said", ["queued", "delivered", "read"])
def test_a_page_that_waits_for_another_attempt_is_not_sent_again_after_its_receipt(
    receiver: Receiver, word_said: str
) -> None:
    page = unanswered_page(receiver)
    assert record_receipt(page=page, receipt=Receipt(word_said), seq=1, now=LATER) is True
    page.refresh_from_db()
    assert (page.state, page.sent_at, page.receipt) == ("sent", LATER, word_said)
    assert page.last_error == ""
    deliver(NOON + seconds(60))
    assert len(receiver.requests) == 1


def test_one_that_its_receiver_has_only_queued_fails_over_as_any_other(receiver: Receiver) -> None:
    page = unanswered_page(receiver, contacts=2)
    record_receipt(page=page, receipt=Receipt.QUEUED, seq=1, now=LATER)
    assert fail_over_queued(now=LATER + FAILED_OVER_AFTER) == 1
    assert states_of_pages(page.alert) == ["sent", "pending"]


def test_one_that_its_receiver_could_not_deliver_goes_to_the_next_contact_at_once(
    receiver: Receiver,
) -> None:
    page = unanswered_page(receiver, contacts=2)
    record_receipt(page=page, receipt=Receipt.FAILED, seq=1, now=LATER)
    assert states_of_pages(page.alert) == ["dead", "pending"]


def test_a_page_that_was_let_go_untried_knows_no_receipt(receiver: Receiver) -> None:
    page = only_page(queued(site_paging(receiver)))
    Page.objects.filter(pk=page.pk).update(state=Page.State.PENDING, attempts_made=0)
    assert record_receipt(page=page, receipt=Receipt.READ, seq=1, now=LATER) is False


def test_a_receipt_that_outruns_a_failing_answer_stands(receiver: Receiver) -> None:
    alert = queued(site_paging(receiver))
    page = claim_page(now=NOON, timeout=seconds(8))
    assert page is not None
    record_receipt(page=page, receipt=Receipt.DELIVERED, seq=1, now=LATER)
    answer = Answer(status=None, error="no answer within 8 s")
    record_answer(page, answer, started_at=NOON, now=LATER, rng=random.Random(1))
    page.refresh_from_db()
    assert (page.state, page.receipt) == ("sent", "delivered")
    assert PageAttempt.objects.get(page=page).error == "no answer within 8 s"
    assert sentences_of(alert, "page_failed") == []


def test_a_receipt_that_outruns_a_good_answer_costs_the_timeline_nothing(
    receiver: Receiver,
) -> None:
    alert = queued(site_paging(receiver))
    page = claim_page(now=NOON, timeout=seconds(8))
    assert page is not None
    record_receipt(page=page, receipt=Receipt.DELIVERED, seq=1, now=LATER)
    record_answer(page, Answer(status=200), started_at=NOON, now=LATER, rng=random.Random(1))
    page.refresh_from_db()
    assert (page.state, page.receipt, page.last_status) == ("sent", "delivered", 200)
    assert len(sentences_of(alert, "page_sent")) == len(sentences_of(alert, "receipt")) == 1


def test_a_page_whose_sender_died_is_not_sent_again_after_its_receipt(receiver: Receiver) -> None:
    queued(site_paging(receiver))
    page = claim_page(now=NOON, timeout=seconds(8))
    assert page is not None
    record_receipt(page=page, receipt=Receipt.DELIVERED, seq=1, now=LATER)
    deliver(NOON + seconds(60))
    assert receiver.requests == []


def hold(alert: Alert) -> None:
    Alert.objects.filter(pk=alert.pk).update(is_suppressed=True)
    suspend_escalation(alert=alert, now=NOON + seconds(1))


def release(alert: Alert) -> None:
    Alert.objects.filter(pk=alert.pk).update(is_suppressed=False)
    lift_suspension(alert=alert, now=RELEASED_AT)


def failed_while_held(receiver: Receiver, *, contacts: int) -> Page:
    page = sent_page(receiver, contacts=contacts)
    hold(page.alert)
    record_receipt(page=page, receipt=Receipt.FAILED, seq=1, now=LATER)
    return page


def test_while_its_alert_is_held_back_a_failed_page_goes_to_nobody_else(
    receiver: Receiver,
) -> None:
    page = failed_while_held(receiver, contacts=2)
    assert (follow_up_released(now=LATER), states_of_pages(page.alert)) == (0, ["dead"])
    deliver(LATER)
    assert len(receiver.requests) == 1
    assert sentences_of(page.alert, "page_failed") == [
        f"phone of {page.owner} says that the page could not be delivered. The alert is held back; "
        "the next contact is tried when that ends."
    ]


def test_once_it_is_let_go_the_next_contact_is_tried_once(receiver: Receiver) -> None:
    page = failed_while_held(receiver, contacts=3)
    release(page.alert)
    assert [follow_up_released(now=RELEASED_AT) for _ in range(2)] == [1, 0]
    deliver(RELEASED_AT)
    assert states_of_pages(page.alert) == ["dead", "sent"]
    assert sentences_of(page.alert, "page_failed")[-1] == (
        f"The page to {page.owner} by phone failed while the alert was held back. "
        "phone 2 is tried next."
    )


def test_without_another_contact_the_next_step_is_taken_once_it_is_let_go(
    receiver: Receiver,
) -> None:
    first = make_pager(receiver, label="phone").owner
    second = make_contact(owner=make_owner(name="Ben")).owner
    policy = policy_of(([word(first)], 300), ([word(second)], 300))
    page = only_page(queued(make_site(owner=first, policy=policy)))
    deliver(NOON)
    hold(page.alert)
    record_receipt(page=page, receipt=Receipt.FAILED, seq=1, now=LATER)
    release(page.alert)
    follow_up_released(now=RELEASED_AT)
    advance_due_escalations(now=RELEASED_AT)
    paged = Page.objects.filter(alert=page.alert, state="pending").values_list("owner__name")
    assert list(paged) == [("Ben",)]


def test_where_somebody_took_it_meanwhile_nobody_is_tried(receiver: Receiver) -> None:
    page = failed_while_held(receiver, contacts=2)
    acknowledge_alert(alert=page.alert, by=make_user(), now=LATER)
    Alert.objects.filter(pk=page.alert_id).update(is_suppressed=False)
    follow_up_released(now=RELEASED_AT)
    assert states_of_pages(page.alert) == ["dead"]
