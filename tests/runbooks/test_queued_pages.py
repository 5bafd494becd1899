"""Pages that a receiver took and has not delivered: it is asked, and not waited for for ever."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from pytest_django import Settings

from fleet.models import Contact
from runbooks.alerts.services import acknowledge_alert
from runbooks.models import Alert, Escalation, Page
from runbooks.paging.queued import FAILED_OVER_AFTER, ask_receivers, fail_over_queued
from runbooks.paging.receipts import record_receipt
from runbooks.paging.signature import verify
from tests.factories import NOON, make_contact, make_owner, make_site, make_user, secret_from
from tests.mail_server import MailServer
from tests.receiver import Receiver, Reply, status
from tests.runbooks.world import (
    deliver,
    make_pager,
    only_page,
    queued,
    seconds,
    sentences_of,
    states_of_pages,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

Receipt = Page.Receipt
ASKED_AT = NOON + seconds(61)
OVER_AT = NOON + FAILED_OVER_AFTER


def said(receipt: str, seq: object) -> Reply:
    return status(200, json.dumps({"receipt": receipt, "seq": seq}).encode())


def queued_page(receiver: Receiver, *, is_askable: bool = True, contacts: int = 1) -> Page:
    """Make a page that its receiver took at noon and says to have in a queue."""
    first = make_pager(receiver, label="gateway")
    for position in range(2, contacts + 1):
        make_pager(receiver, label=f"phone {position}", owner=first.owner, position=position)
    page = only_page(queued(make_site(owner=first.owner)))
    deliver(NOON)
    record_receipt(page=page, receipt=Receipt.QUEUED, seq=1, now=NOON, is_askable=is_askable)
    receiver.requests.clear()
    page.refresh_from_db()
    return page


def ask(now: object = ASKED_AT) -> int:
    return ask_receivers(now=now, clock=lambda: 0.0)  # type: ignore[arg-type]


def test_a_receiver_is_asked_with_a_signed_question_what_became_of_the_page(
    receiver: Receiver,
) -> None:
    page = queued_page(receiver)
    receiver.answers(said("delivered", 2))
    assert ask() == 1
    (question,) = receiver.requests
    assert question.json["type"] == "page.receipt.ask"
    assert question.json["data"]["page"]["id"] == f"msg_{page.pk.hex}"
    assert question.headers["webhook-id"] != f"msg_{page.pk.hex}"
    verify(question.body, question.headers, secrets=[secret_from("receiver")], now=ASKED_AT)
    page.refresh_from_db()
    assert (page.receipt, page.receipt_seq, page.receipt_at) == ("delivered", 2, ASKED_AT)
    assert sentences_of(page.alert, "receipt") == [
        f"gateway of {page.owner} says that the page has arrived."
    ]


@pytest.mark.parametrize(("at", "asked"), [(59, 0), (60, 1)])
def test_nobody_is_asked_within_the_first_minute(receiver: Receiver, at: int, asked: int) -> None:
    queued_page(receiver)
    assert ask(NOON + seconds(at)) == asked


def test_one_that_has_nothing_new_is_asked_again_a_minute_later(receiver: Receiver) -> None:
    page = queued_page(receiver)
    receiver.answers(said("queued", 2))
    times = [ask(ASKED_AT + seconds(after)) for after in (0, 30, 60)]
    assert times == [1, 0, 1]
    page.refresh_from_db()
    assert (page.receipt, page.receipt_seq) == ("queued", 2)


def test_an_answer_with_a_count_that_was_known_changes_nothing(receiver: Receiver) -> None:
    page = queued_page(receiver)
    record_receipt(page=page, receipt=Receipt.QUEUED, seq=5, now=NOON)
    receiver.answers(said("delivered", 5))
    ask()
    page.refresh_from_db()
    assert (page.receipt, page.receipt_seq) == ("queued", 5)


@pytest.mark.parametrize(
    "answer",
    [
        status(500),
        status(404),
        status(200, b"thank you"),
        status(200, b"[]"),
        status(200, b"[" * 900),
        said("eaten", 2),
        said("", 2),
        said("delivered", "2"),
        said("delivered", True),
        said("delivered", 0),
        said("delivered", 2**63),
    ],
)
def test_an_answer_that_says_nothing_changes_nothing(receiver: Receiver, answer: Reply) -> None:
    page = queued_page(receiver)
    receiver.answers(answer)
    assert ask() == 1
    page.refresh_from_db()
    assert (page.receipt, page.receipt_seq, page.state) == ("queued", 1, "sent")


def test_when_it_says_that_it_failed_the_next_contact_is_paged(receiver: Receiver) -> None:
    page = queued_page(receiver, contacts=2)
    receiver.answers(said("failed", 2))
    ask()
    assert states_of_pages(page.alert) == ["dead", "pending"]


def test_at_most_ten_are_asked_at_once_and_the_others_next(receiver: Receiver) -> None:
    pages = [queued_page(receiver) for _ in range(12)]
    assert [ask(), ask(ASKED_AT + seconds(1))] == [10, 2]
    asked = {request.json["data"]["page"]["id"] for request in receiver.requests}
    assert asked == {f"msg_{page.pk.hex}" for page in pages}


def test_one_that_cannot_be_asked_is_not(receiver: Receiver) -> None:
    queued_page(receiver, is_askable=False)
    assert ask() == 0


def test_nobody_is_asked_about_an_alert_that_somebody_has(receiver: Receiver) -> None:
    page = queued_page(receiver)
    acknowledge_alert(alert=page.alert, by=make_user(), now=NOON)
    assert (ask(), fail_over_queued(now=OVER_AT)) == (0, 0)


def test_a_page_that_stays_queued_fails_over_to_the_owners_next_contact(
    receiver: Receiver,
) -> None:
    page = queued_page(receiver, is_askable=False, contacts=3)
    due = Escalation.objects.get(alert=page.alert).next_due_at
    assert fail_over_queued(now=OVER_AT - seconds(1)) == 0
    assert fail_over_queued(now=OVER_AT) == 1
    assert sentences_of(page.alert, "page_failed") == [
        f"gateway of {page.owner} took the page 3 minutes ago, and nothing says that it arrived. "
        "phone 2 is tried next."
    ]
    deliver(OVER_AT)
    pages = Page.objects.filter(alert=page.alert).order_by("contact__position")
    assert [(one.contact.label, one.state) for one in pages] == [
        ("gateway", "sent"),
        ("phone 2", "sent"),
    ]
    # The policy goes on as it would have.
    assert Escalation.objects.get(alert=page.alert).next_due_at == due


def test_it_fails_over_once_and_may_arrive_all_the_same(receiver: Receiver) -> None:
    page = queued_page(receiver, contacts=2)
    fail_over_queued(now=OVER_AT)
    assert fail_over_queued(now=OVER_AT + seconds(60)) == 0
    receiver.answers(said("read", 2))
    assert ask(OVER_AT + seconds(60)) == 1
    page.refresh_from_db()
    assert page.receipt == Receipt.READ


def test_one_without_another_contact_says_so(receiver: Receiver) -> None:
    page = queued_page(receiver)
    fail_over_queued(now=OVER_AT)
    (sentence,) = sentences_of(page.alert, "page_failed")
    assert sentence.endswith("There is no other contact to try.")


def test_a_page_that_arrived_in_time_does_not_fail_over(receiver: Receiver) -> None:
    page = queued_page(receiver, contacts=2)
    record_receipt(page=page, receipt=Receipt.DELIVERED, seq=2, now=OVER_AT)
    assert fail_over_queued(now=OVER_AT) == 0


def test_what_is_held_back_fails_over_once_it_pages_again(receiver: Receiver) -> None:
    page = queued_page(receiver, contacts=2)
    Alert.objects.filter(pk=page.alert_id).update(is_suppressed=True)
    assert fail_over_queued(now=OVER_AT) == 0
    Alert.objects.filter(pk=page.alert_id).update(is_suppressed=False)
    assert fail_over_queued(now=OVER_AT) == 1


def test_a_mail_that_its_server_took_is_queued_and_fails_over(
    receiver: Receiver, settings: Settings
) -> None:
    owner = make_owner()
    mail = {"kind": Contact.Kind.EMAIL, "url": "mailto:ana@example.org", "secret": ""}
    make_contact(owner=owner, label="mail", **mail)
    make_pager(receiver, owner=owner, label="phone", position=2)
    with MailServer() as server:
        settings.HEARTHWATCH_SMTP_HOST = "127.0.0.1"
        settings.HEARTHWATCH_SMTP_PORT = server.port
        settings.HEARTHWATCH_SMTP_TLS = "none"
        settings.HEARTHWATCH_SMTP_FROM = "pager@example.org"
        alert = queued(make_site(owner=owner))
        deliver(NOON)
    assert only_page(alert).receipt == Receipt.QUEUED
    fail_over_queued(now=OVER_AT)
    deliver(OVER_AT)
    assert len(receiver.requests) == 1


def test_nobody_is_asked_for_longer_than_an_hour(receiver: Receiver) -> None:
    queued_page(receiver)
    assert ask(NOON + timedelta(hours=1)) == 0
