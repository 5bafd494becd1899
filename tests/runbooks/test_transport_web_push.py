"""Web Push: only the browser can read it, and the push service knows who sent it."""

from __future__ import annotations

import base64
import json

import pytest
from py_vapid import Vapid02
from pytest_django import Settings

from runbooks.paging.content import PageFacts
from runbooks.paging.outcome import Answer, Fate, fate_of
from runbooks.paging.transports.endpoint import Endpoint, EndpointError
from runbooks.paging.transports.registry import TRANSPORTS
from runbooks.paging.transports.web_push import WebPushNotSetUp, check, public_key
from tests.page_facts import NOON, bundle_facts, contact_test_facts, page_facts
from tests.push_browser import AUTH, PushBrowser, set_up_web_push, text_of
from tests.receiver import Receiver, status


@pytest.fixture
def browser(settings: Settings) -> PushBrowser:
    set_up_web_push(settings)
    return PushBrowser()


def send(receiver: Receiver, secret: str, facts: PageFacts) -> Answer:
    return TRANSPORTS["web_push"](
        facts,
        endpoint=Endpoint(kind="web_push", url=receiver.url + "/abcdef0123", secrets=(secret,)),
        at=NOON,
        timeout_seconds=5,
        allowed=["127.0.0.0/8"],
    )


def test_only_the_browser_can_read_a_page(receiver: Receiver, browser: PushBrowser) -> None:
    answer = send(receiver, browser.secret, page_facts(ack_url="https://h.example/p/abc/"))
    assert fate_of(answer) is Fate.SENT
    (request,) = receiver.requests
    assert request.headers["content-encoding"] == "aes128gcm"
    assert b"Inlet" not in request.body
    said = browser.read(request.body)
    assert said["title"] == "Urgent: Inlet 38.4 °C, limit 35 °C. (Osaka-1, node-1)"
    assert said["acknowledge_url"] == "https://h.example/p/abc/"
    assert said["url"] == "https://hearthwatch.example/alerts/12/"


def test_the_push_service_can_tell_who_sent_it(receiver: Receiver, browser: PushBrowser) -> None:
    send(receiver, browser.secret, page_facts())
    headers = receiver.requests[0].headers
    assert Vapid02.verify(headers["authorization"]) is True
    token = headers["authorization"].partition("t=")[2].partition(",")[0]
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims == {
        "aud": f"http://127.0.0.1:{receiver.port}",
        "sub": "mailto:ops@hearthwatch.example",
        "exp": int(NOON.timestamp()) + 12 * 3600,
    }
    assert headers["authorization"].endswith(f"k={public_key()}")


def test_a_page_is_pressing_and_soon_old_news(receiver: Receiver, browser: PushBrowser) -> None:
    send(receiver, browser.secret, page_facts())
    headers = receiver.requests[0].headers
    assert (headers["urgency"], headers["ttl"], headers["topic"]) == ("high", "600", "alert-12")


@pytest.mark.parametrize("letter", ["é", "熱", "🔥"])
@pytest.mark.parametrize("count", [1, 100])
def test_no_message_is_longer_than_a_push_service_must_take(
    receiver: Receiver, browser: PushBrowser, count: int, letter: str
) -> None:
    facts = bundle_facts(
        count,
        summary=letter * 300,
        site_place=letter * 200,
        ack_url="https://h.example/p/" + "a" * 300,
        shown_url="https://h.example/p/" + "a" * 100,
    )
    send(receiver, browser.secret, facts)
    assert len(receiver.requests[0].body) <= 4096


def test_a_test_page_leads_to_no_alert(receiver: Receiver, browser: PushBrowser) -> None:
    send(receiver, browser.secret, contact_test_facts())
    said = browser.read(receiver.requests[0].body)
    assert (said["title"], said["acknowledge_url"]) == ("Test page", "")


def test_it_says_where_the_browser_tells_that_it_showed_the_page(
    receiver: Receiver, browser: PushBrowser
) -> None:
    shown_url = "https://h.example/p/abc/shown/"
    send(receiver, browser.secret, page_facts(shown_url=shown_url))
    assert browser.read(receiver.requests[0].body)["shown_url"] == shown_url


@pytest.mark.parametrize("answer", [404, 410])
def test_a_subscription_that_has_ended_is_gone(
    receiver: Receiver, browser: PushBrowser, answer: int
) -> None:
    receiver.answers(status(answer))
    assert fate_of(send(receiver, browser.secret, page_facts())) is Fate.GONE


@pytest.mark.parametrize(
    "secret",
    ["", "{}", "[]", "null", '{"p256dh": 1, "auth": 2}', '{"p256dh": "AA", "auth": "AA"}', "{"],
)
def test_a_subscription_that_cannot_be_read_is_refused_and_never_sent_to(
    receiver: Receiver, browser: PushBrowser, secret: str
) -> None:
    with pytest.raises(EndpointError) as caught:
        check(Endpoint(kind="web_push", url=receiver.url, secrets=(secret,)))
    assert caught.value.code == "bad_subscription"
    answer = send(receiver, secret, page_facts())
    assert fate_of(answer) is Fate.DEAD
    assert receiver.requests == []


def test_a_key_that_is_no_point_of_the_curve_is_refused(browser: PushBrowser) -> None:
    secret = json.dumps({"p256dh": text_of(b"\x04" + b"\x01" * 64), "auth": text_of(AUTH)})
    with pytest.raises(EndpointError):
        check(Endpoint(kind="web_push", url="https://push.example/", secrets=(secret,)))


@pytest.mark.parametrize("key", ["", "é", "AA", "not base64!"])
def test_without_a_key_of_its_own_the_server_says_what_to_set(
    receiver: Receiver, browser: PushBrowser, settings: Settings, key: str
) -> None:
    settings.HEARTHWATCH_VAPID_PRIVATE_KEY = key
    with pytest.raises(WebPushNotSetUp):
        public_key()
    answer = send(receiver, browser.secret, page_facts())
    assert fate_of(answer) is Fate.DEAD
    assert "HEARTHWATCH_VAPID_PRIVATE_KEY" in answer.error
