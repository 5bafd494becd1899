"""Pages on their way to a real receiver."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from pytest_django import Settings

from runbooks.alerts.replies import acknowledge_by_link
from runbooks.models import Page, PageAttempt
from runbooks.paging.links import page_of
from tests.factories import NOON, make_contact, make_site, secret_from
from tests.receiver import (
    Receiver,
    broken_off,
    dripping,
    held,
    later,
    redirect,
    status,
)
from tests.runbooks.world import (
    deliver,
    kinds_of,
    only_page,
    policy_of,
    queued,
    seconds,
    sentences_of,
    site_paging,
    word,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

TIMEOUT = timedelta(seconds=8)


def test_a_page_arrives_signed_and_is_marked_sent(receiver: Receiver) -> None:
    alert = queued(site_paging(receiver))
    delivery = deliver(NOON)
    page = only_page(alert)
    assert (delivery.sent, delivery.failed) == (1, 0)
    assert (page.state, page.sent_at, page.last_status) == (Page.State.SENT, NOON, 200)
    request = receiver.requests[0]
    assert request.path == "/pager"
    assert (
        request.headers["webhook-id"] == f"msg_{page.pk.hex}" == request.json["data"]["page"]["id"]
    )
    assert request.headers["webhook-timestamp"] == str(int(NOON.timestamp()))
    assert request.headers["content-type"] == "application/json"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"


def test_a_page_says_what_where_and_who_is_next(receiver: Receiver) -> None:
    next_one = make_contact().owner
    policy = policy_of((["site_owner"], 300), ([word(next_one)], 300))
    alert = queued(site_paging(receiver, policy=policy))
    deliver(NOON)
    data = receiver.requests[0].json["data"]
    assert data["alert"]["id"] == alert.pk
    assert data["alert"]["url"].endswith(f"/alerts/{alert.pk}/")
    assert data["site"]["local_time"] == "2030-01-01T21:00:00+09:00"
    assert data["runbook"]["title"] == "Thermal alarm"
    assert data["runbook"]["first_steps"] == [
        f"Look at {alert.site.name}",
        "Open the door",
        "Read the inlet",
    ]
    assert data["next"] == {"at": "2030-01-01T12:05:00Z", "who": [next_one.name]}


def test_the_timeline_names_the_person_and_the_page_that_arrived(receiver: Receiver) -> None:
    alert = queued(site_paging(receiver))
    deliver(NOON)
    owner = alert.site.owner
    assert sentences_of(alert, "page_sent") == [
        f"Page delivered to {owner} by pager (attempt 1, HTTP 200)."
    ]


def test_a_page_carries_a_link_with_which_its_owner_takes_the_alert(receiver: Receiver) -> None:
    alert = queued(site_paging(receiver))
    deliver(NOON)
    address = urlsplit(receiver.requests[0].json["data"]["acknowledge_url"])
    assert address.path.startswith("/p/")
    acknowledge_by_link(page=page_of(address.path.split("/")[2], now=NOON), now=NOON)
    alert.refresh_from_db()
    assert alert.acknowledged_owner == alert.site.owner


def test_a_500_is_not_delivered(receiver: Receiver) -> None:
    receiver.answers(status(500))
    alert = queued(site_paging(receiver))
    delivery = deliver(NOON)
    page = only_page(alert)
    assert (delivery.sent, delivery.failed) == (0, 1)
    assert (page.state, page.sent_at, page.last_status) == (Page.State.PENDING, None, 500)
    assert "page_sent" not in kinds_of(alert)


def test_a_failed_page_is_tried_again_under_the_same_id_until_it_arrives(
    receiver: Receiver,
) -> None:
    receiver.answers(status(500), status(503), status(200))
    alert = queued(site_paging(receiver))
    for offset in (0, 4, 6, 7, 26):
        deliver(NOON + seconds(offset))
    page = only_page(alert)
    assert page.state == Page.State.SENT
    assert receiver.ids == [f"msg_{page.pk.hex}"] * 3
    assert [request.json["data"]["page"]["attempt"] for request in receiver.requests] == [1, 2, 3]
    assert list(page.attempts.values_list("number", "status")) == [(1, 500), (2, 503), (3, 200)]


def test_each_attempt_is_signed_with_its_own_time(receiver: Receiver) -> None:
    receiver.answers(status(500), status(200))
    queued(site_paging(receiver))
    deliver(NOON)
    deliver(NOON + seconds(10))
    stamps = [int(request.headers["webhook-timestamp"]) for request in receiver.requests]
    assert stamps == [int(NOON.timestamp()), int(NOON.timestamp()) + 10]


def test_retry_after_moves_the_next_attempt(receiver: Receiver) -> None:
    receiver.answers(later(429, "9"))
    alert = queued(site_paging(receiver))
    deliver(NOON)
    assert only_page(alert).next_attempt_at == NOON + seconds(9)


def test_a_receiver_with_too_many_requests_is_left_alone_for_a_minute(receiver: Receiver) -> None:
    receiver.answers(status(429), status(200))
    alert = queued(site_paging(receiver))
    deliver(NOON)
    assert only_page(alert).state == Page.State.PENDING
    assert deliver(NOON + seconds(59)).sent == 0
    assert deliver(NOON + seconds(72)).sent == 1


@pytest.mark.parametrize("code", [400, 401, 404, 422])
def test_a_refusal_is_final_and_is_not_repeated(receiver: Receiver, code: int) -> None:
    receiver.answers(status(code))
    alert = queued(site_paging(receiver))
    deliver(NOON)
    deliver(NOON + seconds(200))
    assert only_page(alert).state == Page.State.DEAD
    assert len(receiver.requests) == 1


def test_a_redirect_is_a_failure_and_is_not_followed(receiver: Receiver) -> None:
    with Receiver() as elsewhere:
        receiver.answers(redirect(elsewhere.url))
        alert = queued(site_paging(receiver))
        deliver(NOON)
        assert only_page(alert).state == Page.State.DEAD
        assert only_page(alert).last_status == 302
        assert elsewhere.requests == []


@pytest.mark.parametrize("reply", [broken_off(), held(), dripping()])
def test_a_receiver_that_gives_no_answer_is_tried_again(
    receiver: Receiver, settings: Settings, reply: Any
) -> None:
    settings.HEARTHWATCH_PAGE_TIMEOUT_SECONDS = 0.3
    receiver.answers(reply)
    alert = queued(site_paging(receiver))
    deliver(NOON)
    page = only_page(alert)
    assert (page.state, page.last_status, page.attempts_made) == (Page.State.PENDING, None, 1)
    assert page.last_error != ""
    assert NOON + seconds(4) <= page.next_attempt_at <= NOON + seconds(6)


def test_a_receiver_slower_than_the_time_limit_gets_the_same_id_again(
    receiver: Receiver, settings: Settings
) -> None:
    settings.HEARTHWATCH_PAGE_TIMEOUT_SECONDS = 0.3
    receiver.answers(held(), status(200))
    alert = queued(site_paging(receiver))
    deliver(NOON)
    deliver(NOON + seconds(10))
    page = only_page(alert)
    assert receiver.ids == [f"msg_{page.pk.hex}"] * 2
    assert page.state == Page.State.SENT
    assert page.attempts.first().error == "The receiver did not answer within 0.3 s."


def test_a_receiver_that_nobody_listens_at_is_tried_again() -> None:
    alert = queued(make_site())
    deliver(NOON)
    page = only_page(alert)
    assert page.state == Page.State.PENDING
    assert page.last_error.startswith("No connection to the receiver")


def test_an_answers_head_is_kept_without_what_the_database_cannot_hold(
    receiver: Receiver,
) -> None:
    receiver.answers(status(500, b"\x00\xff" + b"x" * 5000))
    queued(site_paging(receiver))
    deliver(NOON)
    head = PageAttempt.objects.get().body_head
    assert head == "\ufffd\ufffd" + "x" * 998


def test_no_secret_is_kept_of_an_attempt(receiver: Receiver) -> None:
    receiver.answers(status(500, b"no"))
    queued(site_paging(receiver))
    deliver(NOON)
    signature = receiver.requests[0].headers["webhook-signature"]
    kept = str(list(PageAttempt.objects.values()) + list(Page.objects.values()))
    assert signature not in kept
    assert secret_from("receiver") not in kept


def test_an_address_that_is_not_allowed_is_never_called(
    receiver: Receiver, settings: Settings
) -> None:
    settings.HEARTHWATCH_PAGE_HOSTS = ["*"]
    alert = queued(site_paging(receiver))
    deliver(NOON)
    assert receiver.requests == []
    assert only_page(alert).state == Page.State.DEAD
    assert "add it to HEARTHWATCH_PAGE_HOSTS" in only_page(alert).last_error


def test_a_name_is_reached_with_its_own_host_header(receiver: Receiver) -> None:
    contact = make_contact(
        url=f"http://localhost:{receiver.port}/pager?room=7", secret=secret_from("receiver")
    )
    queued(make_site(owner=contact.owner))
    deliver(NOON)
    assert receiver.requests[0].headers["host"] == f"localhost:{receiver.port}"
    assert receiver.requests[0].path == "/pager?room=7"
