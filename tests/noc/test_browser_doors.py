"""What a browser that is paged says by itself: that it showed a page, that it subscribed anew."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from fleet.models import AuditEntry, Contact, Owner
from runbooks.escalation.readiness import lacks
from runbooks.models import Page
from runbooks.paging.links import Act, token_for
from tests.factories import NOON, make_contact, make_owner, make_site, make_user
from tests.noc.detail_world import NOW, stop_clock
from tests.push_browser import PushBrowser, set_up_web_push
from tests.receiver import Receiver, status
from tests.runbooks.conftest import library
from tests.runbooks.world import deliver, only_page, queued

__all__ = ["library"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

RENEW = "/api/v1/push/renew"


@pytest.fixture(autouse=True)
def set_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up_web_push(settings)
    stop_clock(monkeypatch)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        running.answers(status(201))
        yield running


@pytest.fixture
def browser(receiver: Receiver) -> PushBrowser:
    return PushBrowser(receiver.url)


@pytest.fixture
def mei() -> Owner:
    return make_owner(name="Mei Tanaka", user=make_user("owner"))


@pytest.fixture
def contact(mei: Owner, browser: PushBrowser) -> Contact:
    return make_contact(
        owner=mei, kind="web_push", label="laptop", url=browser.endpoint, secret=browser.secret
    )


@pytest.fixture
def page(contact: Contact) -> Page:
    """A page that the push service of Mei's browser took."""
    page = only_page(queued(make_site(owner=contact.owner)))
    deliver(NOON)
    return page


def test_the_address_in_a_page_says_that_it_was_shown_once(
    page: Page, browser: PushBrowser, receiver: Receiver, settings: Settings
) -> None:
    said = browser.read(receiver.requests[0].body)
    path = said["shown_url"].removeprefix(settings.HEARTHWATCH_BASE_URL)
    answers = [Client(enforce_csrf_checks=True).post(path) for _ in range(2)]
    assert [answer.json() for answer in answers] == [{"recorded": 1}, {"recorded": 0}]
    page.refresh_from_db()
    assert (page.receipt, page.receipt_at) == ("delivered", NOW)


def shown_path(page: Page, **parts: Any) -> str:
    token = token_for(page, **({"at": NOW, "act": Act.SHOWN} | parts))
    return f"/p/{token}/shown/"


def test_a_mere_visit_says_nothing(client: Client, page: Page) -> None:
    assert client.get(shown_path(page)).status_code == 405
    page.refresh_from_db()
    assert page.receipt == Page.Receipt.QUEUED


def test_an_address_is_good_for_its_own_act_alone(client: Client, page: Page) -> None:
    shown = token_for(page, at=NOW, act=Act.SHOWN)
    assert client.post(f"/p/{shown}/").status_code == 404
    assert client.post(shown_path(page, act=Act.ACKNOWLEDGE)).json()["code"] == "link_unknown"
    page.alert.refresh_from_db()
    assert page.alert.response == "unacknowledged"


def test_an_address_of_another_day_is_refused(client: Client, page: Page) -> None:
    answer = client.post(shown_path(page, at=NOW - timedelta(days=1)))
    assert (answer.status_code, answer.json()["code"]) == (410, "link_expired")


def test_no_log_holds_the_address(
    client: Client, page: Page, caplog: pytest.LogCaptureFixture
) -> None:
    path = shown_path(page)
    with caplog.at_level(logging.DEBUG, logger="django.request"):
        answer = client.get(path)
        client.post(path[:-12] + "wrong/shown/")
    assert path.split("/")[2][:20] not in caplog.text
    assert "/p/-/shown/" in caplog.text
    assert answer["Referrer-Policy"] == "no-referrer"


def renewal(old: PushBrowser, new: PushBrowser) -> bytes:
    return json.dumps({"endpoint": old.endpoint, "subscription": new.subscription}).encode()


def renew(body: bytes, signature: str) -> Any:
    client = Client(enforce_csrf_checks=True)
    headers = {"push-signature": signature}
    return client.post(RENEW, body, content_type="application/json", headers=headers)


def test_a_browser_that_subscribed_anew_is_the_same_contact_at_once(
    contact: Contact, browser: PushBrowser, receiver: Receiver, settings: Settings
) -> None:
    new = PushBrowser(receiver.url, 777)
    body = renewal(browser, new)
    answer = renew(body, browser.sign(body))
    assert (answer.status_code, answer.json()) == (200, {"counts": False})
    contact.refresh_from_db()
    assert contact.url == browser.endpoint
    new.show(receiver.requests[0].body, settings)
    only = Contact.objects.get(owner=contact.owner)
    assert (only.pk, only.url, only.tested_at) == (contact.pk, new.endpoint, NOW)
    assert (
        "the browser itself, whose subscription was renewed"
        in new.read(receiver.requests[0].body)["body"]
    )
    assert AuditEntry.objects.filter(action="contact.changed", actor=contact.owner.user).exists()


def test_where_its_test_fails_the_old_one_stays_and_readiness_tells(
    contact: Contact, browser: PushBrowser, receiver: Receiver
) -> None:
    receiver.answers(status(500))
    body = renewal(browser, PushBrowser(receiver.url, 777))
    assert renew(body, browser.sign(body)).json() == {"counts": False}
    contact.refresh_from_db()
    assert contact.url == browser.endpoint
    assert "contact_failed" in [lack.code for lack in lacks(now=NOW)]


def test_a_subscription_that_had_ended_meanwhile_works_again(
    contact: Contact, browser: PushBrowser, receiver: Receiver, settings: Settings
) -> None:
    Contact.objects.update(disabled_reason="The receiver answered 410 Gone.")
    assert "contact_gone" in [lack.code for lack in lacks(now=NOW)]
    new = PushBrowser(receiver.url, 777)
    body = renewal(browser, new)
    renew(body, browser.sign(body))
    new.show(receiver.requests[0].body, settings)
    contact.refresh_from_db()
    assert (contact.disabled_reason, contact.url.endswith("/777")) == ("", True)


def test_one_that_its_keys_did_not_sign_is_refused(
    contact: Contact, browser: PushBrowser, receiver: Receiver
) -> None:
    new = PushBrowser(receiver.url, 777)
    body = renewal(browser, new)
    other = renewal(browser, PushBrowser(receiver.url, 778))
    answers = [renew(body, text) for text in ("", "é", browser.sign(other))]
    answers.append(renew(renewal(new, browser), new.sign(renewal(new, browser))))
    codes = {(answer.status_code, answer.json()["code"]) for answer in answers}
    assert codes == {(404, "subscription_unknown")}
    contact.refresh_from_db()
    assert contact.url == browser.endpoint


@pytest.mark.parametrize("secret", ["", "{}", "[]", '{"auth": ""}', '{"auth": "é"}'])
def test_keys_that_anybody_could_have_sign_nothing(
    contact: Contact, browser: PushBrowser, receiver: Receiver, secret: str
) -> None:
    Contact.objects.update(secret=secret)
    body = renewal(browser, PushBrowser(receiver.url, 777))
    assert renew(body, browser.sign(body)).status_code == 404


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b"[" * 4000, b'{"x": "' + b"x" * 6000])
def test_what_is_no_renewal_is_refused_in_words(body: bytes) -> None:
    answer = renew(body, "")
    assert answer.status_code == 422
    assert answer.json()["message"].endswith(".")
