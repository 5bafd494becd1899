"""Acknowledging from a page: by its link, by the receiver's reply, by the API."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.models import Owner
from runbooks.alerts.errors import AlertClosed, AlertNotWaiting
from runbooks.alerts.replies import acknowledge_by_api, acknowledge_by_link, take_in_replies
from runbooks.alerts.services import acknowledge_alert, close_alert, release_alert
from runbooks.models import Alert, AlertEvent, Page, PageAttempt
from runbooks.paging.links import LinkError, page_of, token_for
from runbooks.paging.outcome import Answer, asks_to_acknowledge
from tests.factories import NOON, make_site, make_user
from tests.receiver import Receiver, status
from tests.runbooks.world import (
    deliver,
    make_pager,
    only_page,
    queued,
    seconds,
    sentences_of,
    site_paging,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

YES = b'{"acknowledge": true}'
LATER = NOON + seconds(30)


def page_with_link() -> Page:
    page = only_page(queued(make_site()))
    return page_of(token_for(page, at=NOON), now=NOON)


def entry_of(alert: Alert) -> AlertEvent:
    return alert.events.get(kind="acknowledged")


def test_a_reply_acknowledges_for_the_owner_who_was_paged(receiver: Receiver) -> None:
    receiver.answers(status(200, YES))
    alert = queued(site_paging(receiver))
    deliver(NOON)
    assert take_in_replies(now=LATER) == 1
    alert.refresh_from_db()
    assert (alert.response, alert.acknowledged_owner) == ("acknowledged", alert.site.owner)
    assert (entry_of(alert).channel, entry_of(alert).owner) == ("reply", alert.site.owner)
    assert take_in_replies(now=LATER) == 0


def test_an_owner_with_an_account_acts_under_it(receiver: Receiver) -> None:
    receiver.answers(status(200, YES))
    alert = queued(site_paging(receiver))
    user = make_user()
    Owner.objects.filter(pk=alert.site.owner_id).update(user=user)
    deliver(NOON)
    take_in_replies(now=LATER)
    alert.refresh_from_db()
    assert (alert.acknowledged_by, alert.acknowledged_owner) == (user, None)


def test_an_account_that_is_switched_off_acts_no_more(receiver: Receiver) -> None:
    receiver.answers(status(200, YES))
    alert = queued(site_paging(receiver))
    Owner.objects.filter(pk=alert.site.owner_id).update(user=make_user(is_active=False))
    deliver(NOON)
    take_in_replies(now=LATER)
    alert.refresh_from_db()
    assert (alert.acknowledged_by, alert.acknowledged_owner) == (None, alert.site.owner)


@pytest.mark.parametrize(
    "body", [b"", b"ok", b"true", b'{"acknowledge": "yes"}', b'{"acknowledge": 1}', b"[]", YES[:-2]]
)
def test_anything_but_a_plain_yes_acknowledges_nothing(receiver: Receiver, body: bytes) -> None:
    receiver.answers(status(200, body))
    alert = queued(site_paging(receiver))
    deliver(NOON)
    assert take_in_replies(now=LATER) == 0
    alert.refresh_from_db()
    assert alert.response == "unacknowledged"


@pytest.mark.parametrize("size", [1_001, 60_000])
def test_a_yes_counts_however_much_a_receiver_says_beside_it(receiver: Receiver, size: int) -> None:
    said = {"log": "x" * size, "acknowledge": True}
    receiver.answers(status(200, json.dumps(said).encode()))
    alert = queued(site_paging(receiver))
    deliver(NOON)
    assert take_in_replies(now=LATER) == 1
    alert.refresh_from_db()
    assert alert.response == "acknowledged"
    assert PageAttempt.objects.get().body_head == json.dumps(said)[:1000]


def test_an_answer_without_an_end_is_read_up_to_a_bound(receiver: Receiver) -> None:
    said = {"log": "x" * 64_000, "acknowledge": True}
    receiver.answers(status(200, json.dumps(said).encode()))
    alert = queued(site_paging(receiver))
    deliver(NOON)
    assert take_in_replies(now=LATER) == 0
    assert only_page(alert).state == Page.State.SENT


@pytest.mark.parametrize("code", [302, 404, 500])
def test_a_reply_of_a_receiver_that_did_not_take_the_page_counts_for_nothing(
    receiver: Receiver, code: int
) -> None:
    receiver.answers(status(code, YES))
    queued(site_paging(receiver))
    deliver(NOON)
    assert take_in_replies(now=LATER) == 0


def test_a_reply_that_comes_too_late_is_passed_over_once(receiver: Receiver) -> None:
    receiver.answers(status(200, YES))
    alert = queued(site_paging(receiver))
    deliver(NOON)
    close_alert(alert=alert, by=make_user(), reason="done", now=LATER)
    assert take_in_replies(now=LATER) == 1
    assert take_in_replies(now=LATER) == 0
    alert.refresh_from_db()
    assert alert.response == "closed"


def test_a_reply_to_a_bundle_takes_every_alert_in_it(receiver: Receiver) -> None:
    receiver.answers(status(200, YES))
    owner = make_pager(receiver).owner
    for _ in range(7):
        queued(make_site(owner=owner))
    deliver(NOON)
    assert len(receiver.requests) == 6
    assert take_in_replies(now=LATER) == 7
    assert set(Alert.objects.values_list("response", flat=True)) == {"acknowledged"}


@given(st.text(max_size=1000))
def test_no_answer_of_a_receiver_breaks_the_pager(text: str) -> None:
    assert asks_to_acknowledge(Answer(status=200, body=text)) is False


def test_a_deeply_nested_answer_breaks_nothing() -> None:
    assert asks_to_acknowledge(Answer(status=200, body="[" * 60_000)) is False


def test_the_link_takes_the_alert_once(receiver: Receiver) -> None:
    page = page_with_link()
    acknowledge_by_link(page=page, now=LATER)
    page.alert.refresh_from_db()
    page.refresh_from_db()
    assert page.alert.acknowledged_owner == page.owner
    assert page.link_used_at == LATER
    assert sentences_of(page.alert, "acknowledged") == [
        f"{page.owner} took it by the link in a page. Paging stopped."
    ]
    with pytest.raises(LinkError) as refused:
        acknowledge_by_link(page=page, now=LATER)
    assert refused.value.code == "link_used"


def test_a_link_used_once_does_not_take_the_alert_again_after_a_release() -> None:
    page = page_with_link()
    acknowledge_by_link(page=page, now=LATER)
    release_alert(alert=page.alert, by=make_user(), now=LATER)
    with pytest.raises(LinkError):
        acknowledge_by_link(page=page, now=LATER)
    page.alert.refresh_from_db()
    assert page.alert.response == "unacknowledged"


def test_a_link_to_what_another_has_is_refused_and_stays_unused() -> None:
    page = page_with_link()
    acknowledge_alert(alert=page.alert, by=make_user(), now=NOON)
    with pytest.raises(AlertNotWaiting):
        acknowledge_by_link(page=page, now=LATER)
    page.refresh_from_db()
    assert page.link_used_at is None


def test_a_link_to_a_closed_alert_does_not_open_it_again() -> None:
    page = page_with_link()
    close_alert(alert=page.alert, by=make_user(), reason="done", now=NOON)
    with pytest.raises(AlertClosed):
        acknowledge_by_link(page=page, now=LATER)
    page.alert.refresh_from_db()
    assert page.alert.response == "closed"


def test_the_api_may_be_asked_twice_and_again_after_a_release() -> None:
    page = page_with_link()
    acknowledge_by_api(page=page, now=LATER)
    acknowledge_by_api(page=page, now=LATER)
    assert page.alert.events.filter(kind="acknowledged").count() == 1
    release_alert(alert=page.alert, by=make_user(), now=LATER)
    acknowledge_by_api(page=page, now=LATER)
    page.alert.refresh_from_db()
    assert page.alert.response == "acknowledged"


def test_a_link_lives_for_a_day() -> None:
    page = only_page(queued(make_site()))
    token = token_for(page, at=NOON)
    day = timedelta(hours=24)
    assert page_of(token, now=NOON + day - seconds(1)) == page
    with pytest.raises(LinkError) as refused:
        page_of(token, now=NOON + day)
    assert refused.value.code == "link_expired"


def test_every_attempt_carries_a_link_that_lives_for_a_day_from_then() -> None:
    page = only_page(queued(make_site()))
    later = NOON + timedelta(hours=30)
    assert page_of(token_for(page, at=later), now=later) == page


def test_a_link_holds_no_character_at_which_a_phone_would_end_it() -> None:
    token = token_for(only_page(queued(make_site())), at=NOON)
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def test_no_letter_of_a_link_may_differ() -> None:
    token = token_for(only_page(queued(make_site())), at=NOON)
    for position in range(0, len(token), 7):
        changed = "x" if token[position] != "x" else "y"
        with pytest.raises(LinkError):
            page_of(token[:position] + changed + token[position + 1 :], now=NOON)


@given(st.text(max_size=200))
def test_garbage_is_no_link(text: str) -> None:
    with pytest.raises(LinkError) as refused:
        page_of(text, now=NOON)
    assert refused.value.code == "link_unknown"


def test_an_owner_without_an_account_whose_answer_ends_it_is_written_down(
    receiver: Receiver,
) -> None:
    """T5 the other way round: it cleared, then the page's receiver answers."""
    receiver.answers(status(200, YES))
    alert = queued(site_paging(receiver))
    deliver(NOON)
    Alert.objects.filter(pk=alert.pk).update(condition="cleared", cleared_at=LATER)
    take_in_replies(now=LATER)
    alert.refresh_from_db()
    owner = alert.site.owner
    assert (alert.response, alert.closed_by, alert.closed_owner) == ("closed", None, owner)
    with pytest.raises(AlertClosed) as refused:
        close_alert(alert=alert, by=make_user(), reason="Done.", now=LATER)
    assert f"was closed by {owner.name} on" in refused.value.sentence
