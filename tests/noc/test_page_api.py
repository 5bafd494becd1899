"""What receivers of pages tell us: signed requests that acknowledge, or say what became of one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from fleet.models import Contact
from runbooks.alerts.services import acknowledge_alert, close_alert
from runbooks.escalation.services import next_move
from runbooks.models import Page
from runbooks.paging.facts import facts_of, webhook_id
from runbooks.paging.payload import render_body
from runbooks.paging.signature import sign
from tests.factories import make_contact, make_user, secret_from
from tests.runbooks.conftest import library
from tests.runbooks.world import claim_page, make_alert, make_library, only_page, page_to_send
from tests.runbooks.world import run as sweep_once

__all__ = ["library"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

SECRET = secret_from("pager")


def now() -> datetime:
    return datetime.now(UTC)


def make_page() -> Page:
    """Make a page that its receiver took a minute ago, by the real clock."""
    began_at = now() - timedelta(minutes=1)
    alert = make_alert(now=began_at)
    sweep_once(began_at)
    Page.objects.update(state=Page.State.SENT, sent_at=began_at)
    return only_page(alert)


@pytest.fixture
def page() -> Page:
    return make_page()


def ask(
    page: Page,
    what: str,
    body: Any,
    *,
    secret: str = SECRET,
    at: datetime | None = None,
    headers: dict[str, str] | None = None,
) -> Any:
    """POST `body`, signed with `secret` or with these headers, by a program without cookies."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    if headers is None:
        headers = sign(raw, page_id="reply-1", secret=secret, at=at or now())
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    path = f"/api/v1/pages/{webhook_id(page)}/{what}"
    return client.post(path, raw, content_type="application/json", headers=headers)


def acknowledgement(page: Page) -> dict[str, str]:
    return {"type": "page.acknowledge", "page": webhook_id(page)}


def receipt(page: Page, **parts: Any) -> dict[str, Any]:
    body = {"type": "page.receipt", "page": webhook_id(page), "receipt": "delivered", "seq": 1}
    return body | parts


def response_of(page: Page) -> str:
    page.alert.refresh_from_db()
    return page.alert.response


def test_a_signed_request_acknowledges_for_the_owner_who_was_paged(page: Page) -> None:
    answer = ask(page, "acknowledge", acknowledgement(page))
    assert answer.status_code == 200
    assert answer.json() == {
        "acknowledged": True,
        "alert": page.alert_id,
        "by": page.owner.name,
    }
    page.alert.refresh_from_db()
    assert page.alert.acknowledged_owner == page.owner
    assert page.alert.events.get(kind="acknowledged").channel == "api"


def test_asked_twice_it_happens_once(page: Page) -> None:
    answers = [ask(page, "acknowledge", acknowledgement(page)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert page.alert.events.filter(kind="acknowledged").count() == 1


def test_what_another_has_and_what_is_closed_is_refused_with_a_code(page: Page) -> None:
    acknowledge_alert(alert=page.alert, by=make_user(first_name="Mei"), now=now())
    taken = ask(page, "acknowledge", acknowledgement(page))
    close_alert(alert=page.alert, by=make_user(), reason="done", now=now())
    closed = ask(page, "acknowledge", acknowledgement(page))
    assert (taken.status_code, taken.json()["code"]) == (409, "alert_not_waiting")
    assert "Mei" in taken.json()["message"]
    assert (closed.status_code, closed.json()["code"]) == (409, "alert_closed")


def test_a_signature_with_another_secret_is_refused(page: Page) -> None:
    answer = ask(page, "acknowledge", acknowledgement(page), secret=secret_from("other"))
    assert (answer.status_code, answer.json()["code"]) == (401, "signature_wrong")
    assert response_of(page) == "unacknowledged"


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_signature_of_another_time_is_refused(page: Page, minutes: int) -> None:
    at = now() + timedelta(minutes=minutes)
    answer = ask(page, "acknowledge", acknowledgement(page), at=at)
    assert (answer.status_code, answer.json()["code"]) == (401, "signature_too_old")


def test_without_a_signature_nothing_happens(page: Page) -> None:
    answer = ask(page, "acknowledge", acknowledgement(page), headers={})
    assert (answer.status_code, answer.json()["code"]) == (401, "signature_missing")


@pytest.mark.parametrize(
    "signature", ["garbage", "v1,a,b", "v1,é", "v1,abc", ",", " ", "v1,", "v2," + "A" * 44]
)
def test_a_malformed_signature_is_refused_and_breaks_nothing(page: Page, signature: str) -> None:
    raw = json.dumps(acknowledgement(page)).encode()
    headers = sign(raw, page_id="reply-1", secret=SECRET, at=now())
    answer = ask(page, "acknowledge", raw, headers=headers | {"webhook-signature": signature})
    assert answer.status_code == 401
    assert set(answer.json()) == {"code", "message"}


def test_the_old_secret_counts_while_it_is_changed(page: Page) -> None:
    contact = Contact.objects.filter(pk=page.contact_id)
    contact.update(
        secret=secret_from("new"),
        previous_secret=SECRET,
        previous_secret_until=now() + timedelta(hours=1),
    )
    assert ask(page, "acknowledge", acknowledgement(page)).status_code == 200
    contact.update(previous_secret_until=now() - timedelta(seconds=1))
    assert ask(page, "acknowledge", acknowledgement(page)).status_code == 401


def test_our_own_page_sent_back_to_us_acknowledges_nothing() -> None:
    began_at = now() - timedelta(seconds=1)
    alert = make_alert(now=began_at)
    sweep_once(began_at)
    Page.objects.update(state=Page.State.PENDING, next_attempt_at=began_at)
    claimed = claim_page(now=now(), timeout=timedelta(seconds=8))
    assert claimed is not None
    page = page_to_send(claimed)
    assert page is not None
    body = render_body(facts_of(page, at=now(), next_of=next_move), at=now())
    answer = ask(
        page,
        "acknowledge",
        body,
        headers=sign(body, page_id=webhook_id(page), secret=SECRET, at=now()),
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "request_unclear")
    alert.refresh_from_db()
    assert alert.response == "unacknowledged"


def test_what_is_signed_for_one_page_does_not_serve_for_another(page: Page) -> None:
    contact = Contact.objects.get(pk=page.contact_id)
    other = make_page()
    Page.objects.filter(pk=other.pk).update(contact=contact)
    answer = ask(other, "acknowledge", acknowledgement(page))
    assert (answer.status_code, answer.json()["code"]) == (422, "request_unclear")
    assert response_of(other) == "unacknowledged"


def test_what_is_signed_as_a_receipt_does_not_acknowledge(page: Page) -> None:
    assert ask(page, "acknowledge", receipt(page)).status_code == 422
    assert response_of(page) == "unacknowledged"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"7", b"{", b"[" * 5000, b'{"type": "page.acknowledge"}']
)
def test_a_body_that_says_nothing_is_refused(page: Page, body: bytes) -> None:
    answer = ask(page, "acknowledge", body)
    assert answer.status_code == 422
    assert answer.json()["code"] in ("body_unreadable", "request_unclear")


def test_a_body_that_is_too_large_is_not_read(page: Page) -> None:
    answer = ask(page, "acknowledge", b"x" * 20_001)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("name", ["", "x", "msg_", "msg_" + "0" * 32, "0" * 32, "é"])
def test_a_page_that_does_not_exist_is_not_found(name: str) -> None:
    answer = Client().post(f"/api/v1/pages/{name}/acknowledge")
    assert answer.status_code == 404


def test_only_the_receiver_of_a_signed_webhook_answers_here(page: Page) -> None:
    email = make_contact(kind=Contact.Kind.EMAIL, url="mailto:a@example.org", secret="")
    Page.objects.filter(pk=page.pk).update(contact=email)
    answer = ask(page, "acknowledge", acknowledgement(page))
    assert (answer.status_code, answer.json()["code"]) == (403, "contact_not_signed")


def test_a_receipt_is_kept(page: Page) -> None:
    answer = ask(page, "receipt", receipt(page, receipt="read", seq=7))
    assert answer.json() == {"recorded": True}
    late = ask(page, "receipt", receipt(page, receipt="delivered", seq=6))
    assert (late.status_code, late.json()) == (200, {"recorded": False})
    page.refresh_from_db()
    assert (page.receipt, page.receipt_seq) == ("read", 7)


@pytest.mark.parametrize(("asks", "is_askable"), [(True, True), (False, False), (1, False)])
def test_a_receiver_says_whether_it_can_be_asked_later(
    page: Page, asks: object, is_askable: bool
) -> None:
    ask(page, "receipt", receipt(page, receipt="queued", ask=asks))
    page.refresh_from_db()
    assert page.is_askable is is_askable


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"receipt": "eaten"}, "receipt_unknown"),
        ({"receipt": ""}, "receipt_unknown"),
        ({"receipt": ["read"]}, "receipt_unknown"),
        ({"seq": 0}, "seq_invalid"),
        ({"seq": True}, "seq_invalid"),
        ({"seq": "1"}, "seq_invalid"),
        ({"seq": 2**63}, "seq_invalid"),
    ],
)
def test_a_receipt_that_cannot_be_read_is_refused(
    page: Page, parts: dict[str, Any], code: str
) -> None:
    answer = ask(page, "receipt", receipt(page, **parts))
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_nothing_is_done_on_a_visit(page: Page) -> None:
    assert Client().get(f"/api/v1/pages/{webhook_id(page)}/acknowledge").status_code == 405


class TestGarbage(TestCase):
    """Whatever stands in the headers, the answer is a refusal and never a fault of ours."""

    @classmethod
    def setUpTestData(cls) -> None:
        make_library()
        cls.page = make_page()

    @settings(max_examples=25)
    @given(st.dictionaries(st.sampled_from(["id", "timestamp", "signature"]), st.text()))
    def test_any_header_is_refused_in_words(self, parts: dict[str, str]) -> None:
        headers = {f"webhook-{name}": value for name, value in parts.items()}
        answer = ask(self.page, "acknowledge", acknowledgement(self.page), headers=headers)
        assert answer.status_code == 401
        assert answer.json()["message"].endswith(".")
