"""What receivers say of a page after they took it."""

from __future__ import annotations

from operator import itemgetter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from runbooks.alerts.services import acknowledge_alert
from runbooks.models import Escalation, Page
from runbooks.paging.receipts import record_receipt
from tests.factories import NOON, make_site, make_user
from tests.receiver import Receiver
from tests.runbooks.world import (
    deliver,
    make_library,
    make_pager,
    only_page,
    queued,
    seconds,
    sentences_of,
    site_paging,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

Receipt = Page.Receipt
LATER = NOON + seconds(20)


def sent_page(receiver: Receiver) -> Page:
    alert = queued(site_paging(receiver))
    deliver(NOON)
    return only_page(alert)


def test_a_receipt_is_kept_and_told(receiver: Receiver) -> None:
    page = sent_page(receiver)
    assert record_receipt(page=page, receipt=Receipt.DELIVERED, seq=1, now=LATER) is True
    page.refresh_from_db()
    assert (page.receipt, page.receipt_seq, page.receipt_at) == ("delivered", 1, LATER)
    assert sentences_of(page.alert, "receipt") == [
        f"pager of {page.owner} says that the page has arrived."
    ]


@pytest.mark.parametrize("seq", [3, 2, 1])
def test_a_receipt_that_comes_late_or_twice_changes_nothing(receiver: Receiver, seq: int) -> None:
    page = sent_page(receiver)
    record_receipt(page=page, receipt=Receipt.READ, seq=3, now=LATER)
    assert record_receipt(page=page, receipt=Receipt.DELIVERED, seq=seq, now=LATER) is False
    page.refresh_from_db()
    assert page.receipt == Receipt.READ
    assert len(sentences_of(page.alert, "receipt")) == 1


def test_being_queued_at_the_receiver_is_no_news_for_the_timeline(receiver: Receiver) -> None:
    page = sent_page(receiver)
    assert record_receipt(page=page, receipt=Receipt.QUEUED, seq=1, now=LATER) is True
    assert sentences_of(page.alert, "receipt") == []


def test_a_page_that_was_never_tried_has_no_receipt() -> None:
    page = only_page(queued(make_site()))
    assert record_receipt(page=page, receipt=Receipt.READ, seq=1, now=LATER) is False


def test_when_the_receiver_could_not_deliver_the_next_contact_is_paged(
    receiver: Receiver,
) -> None:
    first = make_pager(receiver, label="phone")
    second = make_pager(receiver, label="tablet", owner=first.owner, position=2)
    alert = queued(make_site(owner=first.owner))
    deliver(NOON)
    record_receipt(page=only_page(alert), receipt=Receipt.FAILED, seq=1, now=LATER)
    deliver(LATER)
    pages = Page.objects.filter(alert=alert).order_by("contact__position")
    assert [(page.contact, page.state) for page in pages] == [(first, "dead"), (second, "sent")]
    assert sentences_of(alert, "page_failed") == [
        f"phone of {first.owner} says that the page could not be delivered. tablet is tried next."
    ]


def test_when_nobody_of_the_step_was_reached_after_all_the_next_step_is_due_now(
    receiver: Receiver,
) -> None:
    page = sent_page(receiver)
    record_receipt(page=page, receipt=Receipt.FAILED, seq=1, now=LATER)
    assert Escalation.objects.get(alert=page.alert).next_due_at == LATER


def test_a_failure_after_somebody_took_the_alert_pages_nobody(receiver: Receiver) -> None:
    from_first = make_pager(receiver)
    make_pager(receiver, owner=from_first.owner, position=2)
    alert = queued(make_site(owner=from_first.owner))
    deliver(NOON)
    page = only_page(alert)
    acknowledge_alert(alert=alert, by=make_user(), now=NOON)
    assert record_receipt(page=page, receipt=Receipt.FAILED, seq=1, now=LATER) is True
    assert Page.objects.count() == 1


def test_after_a_failure_no_receipt_counts(receiver: Receiver) -> None:
    page = sent_page(receiver)
    record_receipt(page=page, receipt=Receipt.FAILED, seq=1, now=LATER)
    assert record_receipt(page=page, receipt=Receipt.READ, seq=2, now=LATER) is False


class TestAnyOrder(TestCase):
    """Receipts come in any order, some twice: the one with the highest count stands."""

    @settings(max_examples=25)
    @given(st.lists(st.tuples(st.sampled_from(["queued", "delivered", "read"]), st.integers(1, 9))))
    def test_the_highest_count_stands(self, came: list[tuple[str, int]]) -> None:
        make_library()
        page = only_page(queued(make_site()))
        Page.objects.filter(pk=page.pk).update(state=Page.State.SENT, sent_at=NOON)
        for word, seq in came:
            record_receipt(page=page, receipt=Receipt(word), seq=seq, now=LATER)
        page.refresh_from_db()
        # `max` keeps the first of equals, as the first receipt of one count does.
        stands = max([("", 0), *came], key=itemgetter(1))
        assert (page.receipt, page.receipt_seq) == stands
