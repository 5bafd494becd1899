"""The webhook and the exchange below it: both signatures, no secrets kept, GET as well."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.paging.outcome import Fate, fate_of
from runbooks.paging.signature import SignatureError, verify
from runbooks.paging.transports import exchange
from runbooks.paging.transports.endpoint import Endpoint, endpoint_of
from runbooks.paging.transports.masking import mask, shown_address
from runbooks.paging.transports.registry import CHECKS, TRANSPORTS, EndpointError
from tests.factories import NOON, make_contact, secret_from
from tests.page_facts import page_facts
from tests.receiver import Receiver, redirect, status

LOOPBACK = ["127.0.0.0/8"]
OLD, NEW = secret_from("old"), secret_from("new")


def webhook(receiver: Receiver, *secrets: str, path: str = "") -> Endpoint:
    return Endpoint(kind="webhook", url=receiver.url + path, secrets=secrets)


def post(endpoint: Endpoint) -> exchange.Answer:
    return TRANSPORTS["webhook"](
        page_facts(), endpoint=endpoint, at=NOON, timeout_seconds=5, allowed=LOOPBACK
    )


def test_during_a_change_of_secret_both_receivers_find_a_page_genuine(receiver: Receiver) -> None:
    post(webhook(receiver, NEW, OLD))
    (request,) = receiver.requests
    for secret in (NEW, OLD):
        verify(request.body, request.headers, secrets=[secret], now=NOON)
    with pytest.raises(SignatureError):
        verify(request.body, request.headers, secrets=[secret_from("thief")], now=NOON)


@pytest.mark.django_db
def test_the_old_secret_counts_until_its_end_and_not_after_it() -> None:
    until = NOON + timedelta(hours=24)
    contact = make_contact(secret=NEW, previous_secret=OLD, previous_secret_until=until)
    assert endpoint_of(contact, NOON).secrets == (NEW, OLD)
    assert endpoint_of(contact, until).secrets == (NEW,)
    assert endpoint_of(make_contact(secret=NEW), NOON).secrets == (NEW,)


@pytest.mark.parametrize("secrets", [(), ("",), ("whsec_",), (NEW, "whsec_é")])
def test_without_a_usable_secret_nothing_is_sent_unsigned(
    receiver: Receiver, secrets: tuple[str, ...]
) -> None:
    answer = post(webhook(receiver, *secrets))
    assert fate_of(answer) is Fate.DEAD
    assert "signing secret" in answer.error
    assert receiver.requests == []


def test_a_receiver_that_says_our_secret_back_does_not_put_it_into_the_log(
    receiver: Receiver,
) -> None:
    bare = NEW.removeprefix("whsec_")
    receiver.answers(status(400, f"{NEW} or {bare}, token=hunter2hunter2".encode()))
    answer = post(webhook(receiver, NEW, OLD, path="?token=hunter2hunter2"))
    assert answer.body_head == "••• or •••, token=•••"


def test_a_secret_cut_off_at_the_end_of_what_is_kept_is_masked_too(receiver: Receiver) -> None:
    receiver.answers(status(200, b"x" * 980 + NEW.encode()))
    answer = post(webhook(receiver, NEW))
    assert answer.body_head == "x" * 980 + "•••"


def test_an_endpoint_does_not_print_what_it_must_not_show(receiver: Receiver) -> None:
    endpoint = webhook(receiver, NEW)
    assert NEW not in repr(endpoint)
    assert receiver.url not in repr(endpoint)


@pytest.mark.parametrize(
    ("kind", "url", "shown"),
    [
        ("webhook", "https://p.example:8443/in?key=abc", "https://p.example:8443/in?•••"),
        ("webhook", "https://p.example/in", "https://p.example/in"),
        ("slack", "https://hooks.slack.com/services/T0/B0/xyz", "https://hooks.slack.com/•••"),
        ("teams", "https://t.example/a?sig=b", "https://t.example/•••"),
        ("email", "mailto:ana@example.org", "ana@example.org"),
        ("apprise", "tgram://123:abc/456", "tgram://•••"),
        ("webhook", "http://[", "•••"),
    ],
)
def test_what_is_shown_of_an_address_tells_which_it_is_and_no_secret(
    kind: str, url: str, shown: str
) -> None:
    assert shown_address(Endpoint(kind=kind, url=url)) == shown


def test_the_keys_of_a_subscription_are_secrets_each() -> None:
    endpoint = Endpoint(
        kind="web_push", url="https://push.example/send/abc123", secrets=('{"auth": "sixteen16"}',)
    )
    text = "abc123 and sixteen16 at https://push.example/send/abc123"
    assert mask(text, endpoint=endpoint) == "••• and ••• at •••"


@given(
    before=st.text(max_size=40),
    after=st.text(max_size=40),
    key=st.binary(min_size=24, max_size=64),
    kept=st.integers(0, 200),
)
def test_no_secret_survives_in_what_is_kept_wherever_it_is_cut(
    before: str, after: str, key: bytes, kept: int
) -> None:
    bare = base64.b64encode(key).decode()
    endpoint = Endpoint(kind="webhook", url="https://p.example/", secrets=(f"whsec_{bare}",))
    text = mask(f"{before}{bare}{after}"[:kept], endpoint=endpoint)
    assert bare[:6] not in text.removeprefix(before)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_YWJj", "whsec_é", secret_from("a")[6:]])
def test_a_weak_secret_is_refused_before_it_is_kept(secret: str) -> None:
    endpoint = Endpoint(kind="webhook", url="https://p.example/", secrets=(secret,))
    with pytest.raises(EndpointError) as caught:
        CHECKS["webhook"](endpoint)
    assert caught.value.code == "bad_secret"


def test_a_get_follows_no_redirect_and_goes_to_listed_addresses_alone(receiver: Receiver) -> None:
    receiver.answers(status(200), redirect(receiver.url))
    fine = exchange.get(receiver.url, timeout_seconds=5, allowed=LOOPBACK)
    moved = exchange.get(receiver.url, timeout_seconds=5, allowed=LOOPBACK)
    refused = exchange.get(receiver.url, timeout_seconds=5, allowed=["*"])
    assert (fine.status, moved.status, refused.status) == (200, 302, None)
    assert refused.is_permanent
