"""`docs/paging-webhook.md` is enough to write a receiver: its code runs here, on real pages."""

from __future__ import annotations

import base64
import hashlib
import hmac
import inspect
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from fleet.models import Contact
from runbooks.paging.contacts import rotate_secret, send_test_page
from runbooks.paging.payload import render_body
from runbooks.paging.signature import verify
from tests.architecture.tree import ROOT
from tests.factories import NOON, secret_from
from tests.page_facts import bundle_facts
from tests.receiver import Receiver, Request, status
from tests.runbooks.world import deliver, make_alert, make_node_finding, run, seconds, site_paging

DOCUMENT = (ROOT / "docs/paging-webhook.md").read_text(encoding="utf-8")
SECRET = secret_from("receiver")
SENT_AT = NOON.timestamp()


def fenced(language: str, containing: str = "") -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    return next(block for block in blocks if containing in block)


def documented(name: str) -> Callable[..., Any]:
    room: dict[str, Any] = {}
    exec(compile(fenced("python", f"def {name}("), "paging-webhook.md", "exec"), room)
    function: Callable[..., Any] = room[name]
    return function


is_genuine = documented("is_genuine")
signed_headers = documented("signed_headers")


@pytest.fixture
def page(receiver: Receiver, library: None) -> Request:
    """A page as it really comes in."""
    make_alert(site=site_paging(receiver))
    run(NOON)
    return receiver.requests[0]


def test_a_real_page_is_genuine(page: Request) -> None:
    assert is_genuine(page.headers, page.body, SECRET, SENT_AT) is True


def test_a_retried_page_is_genuine_too(receiver: Receiver, library: None) -> None:
    receiver.answers(status(500), status(200))
    make_alert(site=site_paging(receiver))
    run(NOON)
    deliver(NOON + seconds(10))
    again = receiver.requests[1]
    assert is_genuine(again.headers, again.body, SECRET, SENT_AT + 10) is True


def test_one_good_signature_among_others_is_enough(page: Request) -> None:
    several = f"v1a,abc v1,c2hvcnQ= {page.headers['webhook-signature']}"
    headers = {**page.headers, "webhook-signature": several}
    assert is_genuine(headers, page.body, SECRET, SENT_AT) is True


def test_a_tampered_body_is_refused(page: Request) -> None:
    body = page.body.replace(b'"severity":1', b'"severity":3')
    assert body != page.body
    assert is_genuine(page.headers, body, SECRET, SENT_AT) is False


@pytest.mark.parametrize("age", [301, -301, 86_400])
def test_an_old_or_a_future_timestamp_is_refused(page: Request, age: float) -> None:
    assert is_genuine(page.headers, page.body, SECRET, SENT_AT + age) is False


def test_a_timestamp_made_young_is_refused(page: Request) -> None:
    headers = {**page.headers, "webhook-timestamp": str(int(SENT_AT) + 86_400)}
    assert is_genuine(headers, page.body, SECRET, SENT_AT + 86_400) is False


def test_another_id_is_refused(page: Request) -> None:
    headers = {**page.headers, "webhook-id": "msg_another"}
    assert is_genuine(headers, page.body, SECRET, SENT_AT) is False


def test_another_secret_is_refused(page: Request) -> None:
    assert is_genuine(page.headers, page.body, secret_from("thief"), SENT_AT) is False


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize(
    "value",
    ["", "garbage", "v1,a,b", "v1,é", "v1,abc", "-1", "1e9", "²", "9" * 5000, "\ud800", None],
)
def test_a_garbage_header_is_refused_without_an_exception(
    page: Request, name: str, value: str | None
) -> None:
    headers = {**page.headers, name: value}
    assert is_genuine(headers, page.body, SECRET, SENT_AT) is False


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_é", "whsec_A", "nonsense!"])
def test_an_unusable_secret_lets_nothing_through(page: Request, secret: str) -> None:
    assert is_genuine(page.headers, page.body, secret, SENT_AT) is False


def test_a_page_signed_with_an_empty_key_is_refused(page: Request) -> None:
    signed = f"{page.headers['webhook-id']}.{page.headers['webhook-timestamp']}.".encode()
    digest = hmac.new(b"", signed + page.body, hashlib.sha256).digest()
    forged = "v1," + base64.b64encode(digest).decode()
    headers = {**page.headers, "webhook-signature": forged}
    assert is_genuine(headers, page.body, "whsec_", SENT_AT) is False


def test_a_request_without_our_headers_is_refused() -> None:
    assert is_genuine({}, b"{}", SECRET, SENT_AT) is False


@given(
    headers=st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text()
    ),
    body=st.binary(max_size=100),
)
def test_nothing_made_up_is_genuine_and_nothing_raises(
    headers: dict[str, str], body: bytes
) -> None:
    assert is_genuine(headers, body, SECRET, SENT_AT) is False


@pytest.mark.parametrize("name", ["is_genuine", "signed_headers"])
def test_the_code_needs_the_standard_library_alone(name: str) -> None:
    imported = re.findall(r"^(?:import|from) (\w+)", fenced("python", name), re.MULTILINE)
    assert set(imported) == {"base64", "hashlib", "hmac"}


def test_what_the_document_signs_is_genuine_to_us_and_to_itself() -> None:
    body = b'{"type": "page.acknowledge", "page": "msg_1"}'
    headers = signed_headers("answer-1", body, SECRET, SENT_AT + 0.9)
    verify(body, headers, secrets=[SECRET], now=NOON)
    assert is_genuine(headers, body, SECRET, SENT_AT) is True


def test_the_document_and_the_server_agree_on_every_refusal() -> None:
    codes = set(re.findall(r'"(signature_\w+)"', inspect.getsource(verify)))
    assert codes == set(re.findall(r"\| `(signature_\w+)` \|", DOCUMENT))


def test_during_a_change_of_secret_the_page_is_genuine_by_either(
    receiver: Receiver, library: None
) -> None:
    site = site_paging(receiver)
    new = rotate_secret(contact=Contact.objects.get(url=receiver.url), by=None, now=NOON)
    make_alert(site=site)
    run(NOON)
    (page,) = receiver.requests
    assert is_genuine(page.headers, page.body, SECRET, SENT_AT) is True
    assert is_genuine(page.headers, page.body, new, SENT_AT) is True


def test_a_test_page_is_genuine_and_has_the_shape_of_the_document(
    receiver: Receiver, library: None
) -> None:
    site_paging(receiver)
    send_test_page(contact=Contact.objects.get(url=receiver.url), by=None, now=NOON)
    (page,) = receiver.requests
    assert is_genuine(page.headers, page.body, SECRET, SENT_AT) is True
    assert shape_of(page.json) == shape_of(json.loads(fenced("json", "contact.test")))


def test_a_bundle_has_the_shape_of_the_document() -> None:
    body = json.loads(render_body(bundle_facts(2), at=NOON))
    sample = json.loads(fenced("json", "alert.pages"))
    entry = shape_of(sample["data"]["pages"][0])
    assert [shape_of(page) for page in body["data"].pop("pages")] == [entry, entry]
    del sample["data"]["pages"]
    assert shape_of(body) == shape_of(sample)


def test_every_type_of_request_is_in_the_document() -> None:
    for type_of_body in ("alert.page", "alert.pages", "contact.test"):
        assert f"`{type_of_body}`" in DOCUMENT


def test_the_library_of_the_standard_computes_the_same_signature(page: Request) -> None:
    signature = Webhook(SECRET).sign(page.headers["webhook-id"], NOON, page.body.decode())
    assert page.headers["webhook-signature"] == signature


def shape_of(value: Any) -> Any:
    """The names and types of a JSON value; evidence is whatever the detector saw."""
    if isinstance(value, dict):
        return {
            name: "evidence" if name == "evidence" else shape_of(item)
            for name, item in value.items()
        }
    return type(value).__name__


def test_the_sample_in_the_document_has_the_shape_of_a_real_page(
    receiver: Receiver, library: None
) -> None:
    make_node_finding(site_paging(receiver))
    run(NOON)
    assert shape_of(receiver.requests[0].json) == shape_of(json.loads(fenced("json")))


def test_every_field_of_the_sample_is_sent_in_the_order_of_the_document(
    receiver: Receiver, library: None
) -> None:
    make_node_finding(site_paging(receiver))
    run(NOON)
    assert list(receiver.requests[0].json["data"]) == list(json.loads(fenced("json"))["data"])
