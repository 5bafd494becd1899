"""Rounds of delivery: what is claimed, what is no longer wanted, and what goes wrong in between."""

from __future__ import annotations

import random
import threading
from datetime import datetime, timedelta

import pytest
from pytest_django import Settings

from runbooks.alerts.services import acknowledge_alert, close_alert
from runbooks.escalation.services import next_move
from runbooks.models import Alert, Page, PageAttempt
from runbooks.paging.leases import LEASE_SLACK
from runbooks.paging.outcome import Answer
from runbooks.paging.record import record_answer
from runbooks.paging.services import deliver_due_pages
from tests.factories import NOON, make_site, make_user
from tests.receiver import (
    Receiver,
    held,
    later,
)
from tests.runbooks.world import (
    alert_of,
    claim_page,
    clear,
    deliver,
    kinds_of,
    make_finding,
    make_pager,
    only_page,
    page_to_send,
    policy_of,
    queued,
    run,
    seconds,
    site_paging,
    states_of_pages,
    word,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

TIMEOUT = timedelta(seconds=8)


def test_an_acknowledgement_cancels_what_is_queued_and_what_is_leased(
    receiver: Receiver,
) -> None:
    owner = make_pager(receiver).owner
    policy = policy_of((["site_owner", word(make_pager(receiver).owner)], 300))
    alert = queued(make_site(owner=owner, policy=policy))
    claim_page(now=NOON, timeout=TIMEOUT)
    assert sorted(states_of_pages(alert)) == ["leased", "pending"]
    acknowledge_alert(alert=alert, by=make_user(), now=NOON)
    assert states_of_pages(alert) == ["cancelled", "cancelled"]
    deliver(NOON + seconds(60))
    assert receiver.requests == []


def test_a_page_whose_alert_was_acknowledged_after_the_claim_is_not_sent(
    receiver: Receiver,
) -> None:
    alert = queued(site_paging(receiver))
    # As if the acknowledgement had come from a program that cancels nothing.
    Alert.objects.filter(pk=alert.pk).update(response="acknowledged", acknowledged_at=NOON)
    delivery = deliver(NOON)
    assert (delivery.sent, delivery.cancelled) == (0, 1)
    assert states_of_pages(alert) == ["cancelled"]
    assert receiver.requests == []


def test_a_page_whose_alert_cleared_is_not_sent(receiver: Receiver) -> None:
    finding = make_finding(site=site_paging(receiver))
    run(NOON - seconds(1))
    clear(finding, now=NOON)
    run(NOON)
    assert len(receiver.requests) == 1
    assert states_of_pages(alert_of(finding)) == ["sent"]


def test_an_answer_that_comes_after_the_acknowledgement_leaves_the_page_cancelled(
    receiver: Receiver,
) -> None:
    alert, ana = queued(site_paging(receiver)), make_user()
    claimed = claim_page(now=NOON, timeout=TIMEOUT)
    assert claimed is not None
    page = page_to_send(claimed)
    assert page is not None
    acknowledge_alert(alert=alert, by=ana, now=NOON)
    record_answer(page, Answer(status=200), started_at=NOON, now=NOON, rng=random.Random(1))
    assert states_of_pages(alert) == ["cancelled"]
    assert PageAttempt.objects.get().status == 200
    assert "page_sent" not in kinds_of(alert)


def test_a_page_by_a_way_nobody_knows_goes_to_its_retries_and_the_others_go_out(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    broken = queued(make_site(owner=make_pager(receiver, kind="carrier_pigeon").owner))
    fine = queued(site_paging(receiver))
    deliver(NOON)
    assert only_page(broken).state == Page.State.PENDING
    assert only_page(broken).last_error.startswith("The page could not be written")
    assert only_page(fine).state == Page.State.SENT
    assert "page.not_written" in caplog.text


def test_a_transport_that_fails_in_a_way_nobody_foresaw_is_a_failed_attempt(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    alert = queued(site_paging(receiver))
    Alert.objects.filter(pk=alert.pk).update(evidence=["no", "object"])
    deliver(NOON)
    assert only_page(alert).state == Page.State.PENDING
    assert only_page(alert).last_error.startswith("The page could not be sent")
    assert "page.transport_failed" in caplog.text


def test_an_expired_lease_is_taken_over_under_the_same_id(receiver: Receiver) -> None:
    alert = queued(site_paging(receiver))
    claimed = claim_page(now=NOON, timeout=TIMEOUT)
    assert claimed is not None
    expiry = NOON + TIMEOUT + LEASE_SLACK
    assert deliver(expiry - seconds(1)).sent == 0
    assert deliver(expiry).sent == 1
    page = only_page(alert)
    assert receiver.ids == [f"msg_{page.pk.hex}"]
    assert page.attempts_made == 2
    lost, made = page.attempts.order_by("number")
    assert lost.error.startswith("The worker ended before it wrote down the answer")
    assert lost.started_at == NOON
    assert made.status == 200


def test_a_slow_receiver_does_not_delay_the_others(receiver: Receiver, settings: Settings) -> None:
    """The page behind ten to the slow receiver is out while those still hang."""
    settings.HEARTHWATCH_PAGE_TIMEOUT_SECONDS = 5
    with Receiver() as slow:
        slow.answers(held())
        slow_site = site_paging(slow)
        for _ in range(10):
            queued(slow_site)
        queued(site_paging(receiver))
        watcher = threading.Thread(target=lambda: (receiver.wait_for(1), slow.release()))
        watcher.start()
        delivery = deliver_due_pages(
            now=NOON, next_of=next_move, rng=random.Random(1), clock=lambda: 0.0
        )
        watcher.join()
        held_back = len(slow.requests)
    assert delivery.sent == 11
    # Five alone, then the other five in one request.
    assert held_back == 6


def test_a_round_sends_no_more_than_it_is_asked_to(receiver: Receiver) -> None:
    site = site_paging(receiver)
    for _ in range(3):
        queued(site)
    delivery = deliver_due_pages(now=NOON, next_of=next_move, limit=2, clock=lambda: 0.0)
    assert delivery.sent == 2


def test_a_round_that_is_told_to_stop_claims_nothing(receiver: Receiver) -> None:
    queued(site_paging(receiver))
    deliver_due_pages(now=NOON, next_of=next_move, should_stop=lambda: True)
    assert Page.objects.get().state == Page.State.PENDING


def test_a_round_ends_before_a_worker_is_ended(receiver: Receiver) -> None:
    site = site_paging(receiver)
    for _ in range(3):
        queued(site)
    ticks = iter([0.0, 0.0, 0.0, *[61.0] * 99])
    delivery = deliver_due_pages(now=NOON, next_of=next_move, clock=lambda: next(ticks))
    assert delivery.sent == 1


def test_what_passes_while_a_request_is_out_counts_towards_the_next_attempt(
    receiver: Receiver,
) -> None:
    receiver.answers(later(503, "5"))
    alert = queued(site_paging(receiver))
    moments = iter([0.0, 0.0, 0.0, 0.0, *[7.0] * 99])
    deliver_due_pages(now=NOON, next_of=next_move, limit=1, clock=lambda: next(moments))
    due: datetime = only_page(alert).next_attempt_at
    assert due == NOON + seconds(12)


def test_closing_an_alert_cancels_its_pages(receiver: Receiver) -> None:
    alert = queued(site_paging(receiver))
    close_alert(alert=alert, by=make_user(), reason="Known.", now=NOON)
    deliver(NOON)
    assert receiver.requests == []
