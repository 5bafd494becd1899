"""Paging in a browser: the card, the subscription, the service worker, the first test page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from fleet.models import Contact, Owner
from runbooks.paging.links import LinkError
from runbooks.paging.transports.web_push import public_key
from runbooks.paging.trials import confirm_test
from tests.factories import make_contact, make_owner, make_user
from tests.noc.detail_world import NOW, signed_in, stop_clock
from tests.push_browser import PushBrowser, set_up_web_push
from tests.receiver import Receiver

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.fixture(autouse=True)
def key(settings: Settings) -> None:
    set_up_web_push(settings)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def mei() -> Owner:
    return make_owner(name="Mei Tanaka", user=make_user("owner"))


def page_of(owner: Owner, user: Any) -> str:
    answer = signed_in(user).get(reverse("noc:contact", args=[owner.pk]))
    return " ".join(answer.content.decode().split())


def subscribe(owner: Owner, said: Any, *, by: Any = None) -> Any:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    address = reverse("noc:contact-browser", args=[owner.pk])
    client = signed_in(by or owner.user)
    return client.post(address, body, content_type="application/json")


def said_by(browser: PushBrowser, **parts: Any) -> dict[str, Any]:
    return {"label": "laptop", "contact": "", "subscription": browser.subscription} | parts


def send_test_page(contact: Contact) -> None:
    address = reverse("noc:contact-change", args=[contact.owner_id, contact.pk, "test"])
    signed_in(contact.owner.user).post(address)


def test_ones_own_page_offers_this_browser_with_the_servers_key(mei: Owner) -> None:
    page = page_of(mei, mei.user)
    assert "Page me in this browser" in page
    assert f'data-key="{public_key()}"' in page


def test_nobody_elses_page_does(mei: Owner) -> None:
    assert "This browser" not in page_of(mei, make_user("admin"))


def test_without_a_key_of_the_server_the_page_says_what_to_set(
    mei: Owner, settings: Settings
) -> None:
    settings.HEARTHWATCH_VAPID_PRIVATE_KEY = ""
    page = page_of(mei, mei.user)
    assert "Set HEARTHWATCH_VAPID_PRIVATE_KEY and HEARTHWATCH_VAPID_SUBJECT" in page
    assert "js/push.js" not in page


def test_a_subscription_becomes_a_contact_that_counts_after_its_test_page(
    mei: Owner, receiver: Receiver, settings: Settings
) -> None:
    browser = PushBrowser(receiver.url)
    answer = subscribe(mei, said_by(browser))
    contact = Contact.objects.get(owner=mei)
    assert (answer.status_code, answer.json()) == (200, {"contact": contact.pk})
    assert (contact.kind, contact.label, contact.tested_at) == ("web_push", "laptop", None)
    send_test_page(contact)
    contact.refresh_from_db()
    assert contact.tested_at is None
    assert contact.last_test_outcome == (
        "The push service took the test page (HTTP 200). It counts once the browser shows it."
    )
    assert browser.read(receiver.requests[0].body)["title"] == "Test page"
    answers = [browser.show(receiver.requests[0].body, settings) for _ in range(2)]
    assert [answer.json() for answer in answers] == [{"recorded": 1}, {"recorded": 0}]
    contact.refresh_from_db()
    assert (contact.tested_at, contact.last_test_outcome) == (
        NOW,
        "The browser showed the test page.",
    )


def test_what_its_page_says_until_the_browser_has_shown_the_test_page(
    mei: Owner, receiver: Receiver
) -> None:
    subscribe(mei, said_by(PushBrowser(receiver.url)))
    contact = Contact.objects.get(owner=mei)
    address = reverse("noc:contact-change", args=[mei.pk, contact.pk, "test"])
    said = signed_in(mei.user).post(address, follow=True).content.decode()
    assert "laptop counts once that browser shows it; reload this page then." in said


def test_a_test_page_of_another_subscription_or_day_makes_nothing_count(
    mei: Owner, receiver: Receiver, settings: Settings
) -> None:
    browser = PushBrowser(receiver.url)
    subscribe(mei, said_by(browser))
    contact = Contact.objects.get(owner=mei)
    send_test_page(contact)
    later = timedelta(days=1)
    with pytest.raises(LinkError) as refusal:
        confirm_test(token=token_in(browser, receiver), now=NOW + later)
    assert refusal.value.code == "link_expired"
    Contact.objects.filter(pk=contact.pk).update(url=PushBrowser(receiver.url, 777).endpoint)
    assert browser.show(receiver.requests[0].body, settings).json() == {"recorded": 0}
    Contact.objects.filter(pk=contact.pk).delete()
    assert browser.show(receiver.requests[0].body, settings).json() == {"recorded": 0}


def token_in(browser: PushBrowser, receiver: Receiver) -> str:
    shown_url: str = browser.read(receiver.requests[0].body)["shown_url"]
    return shown_url.split("/p/")[1].split("/")[0]


def test_a_browser_that_shows_the_page_before_its_service_answers_counts(
    mei: Owner, receiver: Receiver, settings: Settings
) -> None:
    browser = PushBrowser(receiver.url)
    subscribe(mei, said_by(browser))
    contact = Contact.objects.get(owner=mei)
    send_test_page(contact)
    browser.show(receiver.requests[0].body, settings)
    # The answer to that page comes now.
    send_test_page(contact)
    contact.refresh_from_db()
    assert contact.last_test_outcome == "The browser showed the test page."


def test_subscribed_twice_it_is_one_contact(mei: Owner, receiver: Receiver) -> None:
    answers = [
        subscribe(mei, said_by(PushBrowser(receiver.url), label=label)) for label in ("a", "b")
    ]
    assert answers[0].json() == answers[1].json()
    assert Contact.objects.get(owner=mei).label == "b"


def test_a_new_subscription_takes_over_once_its_test_page_got_through(
    mei: Owner, receiver: Receiver, settings: Settings
) -> None:
    subscribe(mei, said_by(PushBrowser(receiver.url)))
    first = Contact.objects.get(owner=mei)
    send_test_page(first)
    PushBrowser(receiver.url).show(receiver.requests[0].body, settings)
    renewed = PushBrowser(receiver.url, 777)
    answer = subscribe(mei, said_by(renewed, contact=str(first.pk)))
    beside = Contact.objects.exclude(pk=first.pk).get()
    assert answer.json() == {"contact": beside.pk}
    first.refresh_from_db()
    assert (first.url.endswith("/12345"), first.tested_at is None) == (True, False)
    send_test_page(beside)
    assert Contact.objects.filter(owner=mei).count() == 2
    renewed.show(receiver.requests[1].body, settings)
    only = Contact.objects.get(owner=mei)
    assert (only.pk, only.url) == (first.pk, renewed.subscription["endpoint"])


def test_a_contact_of_another_kind_or_person_is_never_taken_over(
    mei: Owner, receiver: Receiver
) -> None:
    others = [make_contact(owner=mei), make_contact(kind="web_push", secret="{}")]
    for number, other in enumerate(others, start=1):
        subscribe(mei, said_by(PushBrowser(receiver.url, number), contact=str(other.pk)))
        url = other.url
        other.refresh_from_db()
        assert other.url == url
    assert Contact.objects.filter(owner=mei, kind="web_push").count() == 2


def test_only_oneself_can_subscribe_ones_browser(mei: Owner, receiver: Receiver) -> None:
    answer = subscribe(mei, said_by(PushBrowser(receiver.url)), by=make_user("admin"))
    assert answer.status_code == 403
    assert not Contact.objects.exists()


def test_a_form_of_another_site_cannot_subscribe(mei: Owner, receiver: Receiver) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(mei.user)
    body = json.dumps(said_by(PushBrowser(receiver.url)))
    address = reverse("noc:contact-browser", args=[mei.pk])
    assert client.post(address, body, content_type="application/json").status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 4000,
        b"{}",
        b'{"label": "x", "subscription": {"endpoint": 7, "keys": {}}}',
        b'{"label": "x", "subscription": {"endpoint": "https://push.example/", "keys": "no"}}',
        b'{"label": "x", "subscription": {"endpoint": "https://push.example/", "keys": '
        b'{"p256dh": "AA", "auth": "AA"}}}',
        b'{"label": "' + b"x" * 6000 + b'"}',
        b'{"label": "x", "subscription": {"endpoint": "https://push.example/\\u0000", "keys": '
        b'{"p256dh": "AA", "auth": "AA"}}}',
        b'{"label": "x", "subscription": {"endpoint": "https://push.example/\\ud800", "keys": '
        b'{"p256dh": "AA", "auth": "AA"}}}',
    ],
)
def test_what_is_no_subscription_is_refused_in_words(mei: Owner, body: bytes) -> None:
    answer = subscribe(mei, body)
    assert answer.status_code == 422
    assert answer.json()["code"] in ("body_unreadable", "bad_subscription")
    assert answer.json()["message"].endswith(".")
    assert not Contact.objects.exists()


def test_a_push_service_inside_the_network_is_refused_where_it_is_not_allowed(
    mei: Owner, receiver: Receiver, settings: Settings
) -> None:
    settings.HEARTHWATCH_PAGE_HOSTS = ["*"]
    answer = subscribe(mei, said_by(PushBrowser(receiver.url)))
    assert answer.status_code == 422
    assert not Contact.objects.exists()


def test_the_service_worker_serves_every_page_and_is_always_asked_for_anew() -> None:
    answer = Client().get("/sw.js")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/javascript")
    assert (answer["Cache-Control"], answer["Service-Worker-Allowed"]) == ("no-cache", "/")
    assert 'importScripts("/static/js/sw-push.js")' in answer.content.decode()
    assert "worker-src 'self'" in answer["Content-Security-Policy"]
