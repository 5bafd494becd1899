"""What takes a page on behalf of somebody else: a push service, a chat service, a mail server."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from fleet.models import Contact, Owner
from runbooks.alerts.services import acknowledge_alert
from runbooks.models import Alert, Page
from runbooks.paging.queued import FAILED_OVER_AFTER, fail_over_queued
from runbooks.paging.receipts import confirm_shown
from tests.factories import NOON, make_contact, make_site, make_user
from tests.push_browser import PushBrowser, set_up_web_push
from tests.receiver import Receiver, status
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

OVER_AT = NOON + FAILED_OVER_AFTER
SHOWN_AT = NOON + seconds(1)


@pytest.fixture(autouse=True)
def key(settings: Settings) -> None:
    set_up_web_push(settings)


@pytest.fixture(params=["web_push", "apprise"])
def first(request: pytest.FixtureRequest, receiver: Receiver) -> Contact:
    """A contact whose service takes what it is given, and its owner has a phone besides."""
    contact = make_first(request.param, receiver)
    make_contact(owner=contact.owner, label="phone", position=2)
    return contact


def make_first(kind: str, receiver: Receiver, **overrides: Any) -> Contact:
    browser = PushBrowser(receiver.url)
    ways: dict[str, dict[str, Any]] = {
        "web_push": {"url": browser.endpoint, "secret": browser.secret},
        "apprise": {"url": f"json://127.0.0.1:{receiver.port}/in", "secret": ""},
    }
    receiver.answers(status(201))
    return make_contact(kind=kind, label="laptop", **(ways[kind] | overrides))


def sent_to(owner: Owner) -> Alert:
    alert = queued(make_site(owner=owner))
    deliver(NOON)
    return alert


def test_what_a_service_took_is_queued_and_fails_over_to_the_next_contact_once(
    first: Contact,
) -> None:
    alert = sent_to(first.owner)
    page = only_page(alert)
    assert (page.state, page.receipt) == ("sent", "queued")
    over = [fail_over_queued(now=OVER_AT + seconds(late)) for late in (-1, 0, 60)]
    assert over == [0, 1, 0]
    assert states_of_pages(alert) == ["sent", "pending"]
    assert sentences_of(alert, "page_failed") == [
        f"laptop of {first.owner} took the page 3 minutes ago, and nothing says that it arrived. "
        "phone is tried next."
    ]


def test_an_acknowledgement_says_that_it_arrived(first: Contact) -> None:
    alert = sent_to(first.owner)
    acknowledge_alert(alert=alert, by=make_user(), now=SHOWN_AT)
    assert fail_over_queued(now=OVER_AT) == 0


@pytest.mark.parametrize("kind", ["web_push", "apprise"])
def test_an_only_contact_is_not_paged_again_and_again(receiver: Receiver, kind: str) -> None:
    contact = make_first(kind, receiver)
    alert = sent_to(contact.owner)
    for late in range(0, 120, 30):
        fail_over_queued(now=OVER_AT + seconds(late))
        deliver(OVER_AT + seconds(late))
    assert len(receiver.requests) == 1
    (sentence,) = sentences_of(alert, "page_failed")
    assert sentence.endswith("There is no other contact to try.")


def test_a_page_that_a_browser_showed_has_arrived(receiver: Receiver) -> None:
    contact = make_first("web_push", receiver)
    make_pager(receiver, owner=contact.owner, position=2)
    page = only_page(sent_to(contact.owner))
    assert [confirm_shown(page=page, now=SHOWN_AT) for _ in range(2)] == [1, 0]
    page.refresh_from_db()
    assert (page.receipt, page.receipt_at) == ("delivered", SHOWN_AT)
    assert fail_over_queued(now=OVER_AT) == 0
    assert sentences_of(page.alert, "receipt") == [
        f"laptop of {contact.owner} says that the page has arrived."
    ]


def test_all_pages_of_one_notification_were_shown_with_it(
    receiver: Receiver, settings: Settings
) -> None:
    settings.HEARTHWATCH_PAGES_PER_CONTACT = 1
    contact = make_first("web_push", receiver)
    for _ in range(4):
        queued(make_site(owner=contact.owner))
    deliver(NOON)
    deliver(NOON + seconds(61))
    assert len(receiver.requests) == 2
    leader = Page.objects.get(pk__in=Page.objects.exclude(bundle=None).values("bundle"))
    assert confirm_shown(page=leader, now=NOON + seconds(62)) == 3
    assert Page.objects.filter(receipt="delivered").count() == 3


@pytest.mark.parametrize("answer", [404, 410])
def test_a_subscription_that_has_ended_is_switched_off_and_the_next_contact_paged(
    receiver: Receiver, answer: int
) -> None:
    contact = make_first("web_push", receiver)
    make_pager(receiver, owner=contact.owner, position=2)
    receiver.answers(status(answer), status(200))
    sent_to(contact.owner)
    deliver(NOON + seconds(1))
    assert len(receiver.requests) == 2
    contact.refresh_from_db()
    assert contact.disabled_reason.startswith(f"The receiver answered {answer} ")
