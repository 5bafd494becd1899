"""Many pages for one contact: a few alone, the rest in one request, none lost."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from fleet.models import Contact
from runbooks.alerts.services import acknowledge_alert
from runbooks.escalation.services import advance_due_escalations, next_move
from runbooks.models import Alert, Escalation, Page
from runbooks.paging import claims
from runbooks.paging.services import deliver_due_pages
from tests.factories import NOON, make_site, make_user
from tests.receiver import Receiver, Reply, later, status
from tests.runbooks.world import (
    HIGH,
    claim_page,
    deliver,
    make_alert,
    make_pager,
    policy_of,
    seconds,
    sentences_of,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

PENDING, SENT, DEAD = Page.State.PENDING, Page.State.SENT, Page.State.DEAD
TIMEOUT = seconds(8)


@pytest.fixture(autouse=True)
def _two_single_pages_in_ten_minutes(settings: Settings) -> None:
    settings.HEARTHWATCH_PAGES_PER_CONTACT = 2
    settings.HEARTHWATCH_BUNDLE_SECONDS = 60


def storm(
    receiver: Receiver, count: int, *, now: Any = NOON, contact: Contact | None = None, **site: Any
) -> list[Alert]:
    """Open one high alert at each of `count` sites of one person; pages are queued."""
    owner = (contact or make_pager(receiver)).owner
    sites = [make_site(owner=owner, **site) for _ in range(count)]
    alerts = [make_alert(site=site, severity=HIGH, now=now) for site in sites]
    advance_due_escalations(now=now)
    return alerts


def after_the_single_pages(receiver: Receiver, *replies: Reply) -> None:
    """Deliver the two single pages, then let the receiver answer like this."""
    deliver_due_pages(now=NOON, next_of=next_move, limit=2, rng=random.Random(1), clock=lambda: 0.0)
    assert states().count(SENT) == 2
    receiver.answers(*replies)


def page_of(alert: Alert) -> Page:
    return Page.objects.get(alert=alert)


def states() -> list[str]:
    return list(Page.objects.order_by("alert_id").values_list("state", flat=True))


def leader() -> Page:
    return Page.objects.filter(bundled__isnull=False).distinct().get()


def members() -> list[Page]:
    return list(Page.objects.filter(bundle__isnull=False).order_by("alert_id"))


def test_beyond_the_single_pages_the_rest_comes_in_one_request(receiver: Receiver) -> None:
    storm(receiver, 7)
    delivery = deliver(NOON)
    assert delivery.sent == 7
    assert len(receiver.requests) == 3
    assert states() == [SENT] * 7
    assert len(members()) == 4
    assert {page.bundle for page in members()} == {leader()}


def test_a_bundle_names_each_of_its_alerts_and_a_link_for_each(receiver: Receiver) -> None:
    storm(receiver, 6)
    deliver(NOON)
    (bundle,) = (one.json for one in receiver.requests if one.json["type"] == "alert.pages")
    named = {one["alert"]["id"]: one["acknowledge_url"] for one in bundle["data"]["pages"]}
    assert set(named) == {leader().alert_id, *(page.alert_id for page in members())}
    assert len(set(named.values())) == 4


def test_each_alert_of_a_bundle_says_that_its_page_arrived_and_keeps_the_attempt(
    receiver: Receiver,
) -> None:
    storm(receiver, 4)
    deliver(NOON)
    for page in (leader(), *members()):
        assert sentences_of(page.alert, "page_sent") == [
            f"Page delivered to {page.owner} by pager in one request with 1 other page "
            "(attempt 1, HTTP 200)."
        ]
        assert page.attempts.get().status == 200


def test_a_contact_gets_at_most_one_bundle_a_minute(receiver: Receiver) -> None:
    contact = make_pager(receiver)
    storm(receiver, 4, contact=contact)
    deliver(NOON)
    late = storm(receiver, 3, contact=contact, now=NOON + seconds(10))
    deliver(NOON + seconds(11))
    deliver(NOON + seconds(59))
    assert len(receiver.requests) == 3
    deliver(NOON + seconds(60))
    assert len(receiver.requests) == 4
    assert {page_of(alert).state for alert in late} == {SENT}


def test_a_page_after_quiet_goes_alone_at_once(receiver: Receiver) -> None:
    contact = make_pager(receiver)
    storm(receiver, 6, contact=contact, policy=policy_of((["site_owner"], 3600)))
    deliver(NOON)
    after = NOON + timedelta(minutes=10)
    (alert,) = storm(receiver, 1, contact=contact, now=after)
    deliver(after)
    assert page_of(alert).state == SENT
    assert page_of(alert).bundle is None
    assert receiver.requests[-1].json["type"] == "alert.page"


def test_a_full_contact_does_not_hold_up_another(receiver: Receiver) -> None:
    busy = make_pager(receiver)
    storm(receiver, 6, contact=busy)
    deliver(NOON)
    storm(receiver, 3, contact=busy, now=NOON + seconds(1))
    (other,) = storm(receiver, 1, now=NOON + seconds(1))
    deliver(NOON + seconds(1))
    assert page_of(other).state == SENT


def test_a_bundle_that_fails_comes_again_whole_under_the_same_id(receiver: Receiver) -> None:
    storm(receiver, 5)
    after_the_single_pages(receiver, status(503), status(200))
    deliver(NOON)
    assert sorted(states()) == [PENDING] * 3 + [SENT] * 2
    deliver(NOON + seconds(10))
    assert states() == [SENT] * 5
    assert receiver.ids[2] == receiver.ids[3]


def test_nothing_joins_a_bundle_that_its_receiver_may_have_already(receiver: Receiver) -> None:
    contact = make_pager(receiver)
    storm(receiver, 4, contact=contact)
    after_the_single_pages(receiver, status(503), status(200))
    deliver(NOON)
    (late,) = storm(receiver, 1, contact=contact, now=NOON + seconds(1))
    deliver(NOON + seconds(10))
    assert page_of(late).state == PENDING
    assert [page.alert_id for page in members()] != []
    assert late.pk not in [page.alert_id for page in members()]


def test_what_somebody_took_meanwhile_is_left_out_of_the_bundle(receiver: Receiver) -> None:
    alerts = storm(receiver, 5)
    after_the_single_pages(receiver, status(503), status(200))
    deliver(NOON)
    taken = members()[0].alert
    acknowledge_alert(alert=taken, by=make_user(), now=NOON + seconds(1))
    deliver(NOON + seconds(10))
    assert page_of(taken).state == Page.State.CANCELLED
    assert sorted(states()) == sorted(["cancelled"] + [SENT] * (len(alerts) - 1))


def test_when_the_leader_is_not_wanted_any_more_the_others_come_free(receiver: Receiver) -> None:
    storm(receiver, 5)
    after_the_single_pages(receiver, status(503), status(200))
    deliver(NOON)
    acknowledge_alert(alert=leader().alert, by=make_user(), now=NOON + seconds(1))
    deliver(NOON + seconds(90))
    assert sorted(states()) == sorted(["cancelled"] + [SENT] * 4)


def test_a_leader_taken_between_claim_and_request_leaves_the_others_to_the_next_claim(
    receiver: Receiver,
) -> None:
    storm(receiver, 5)
    singles = [claim_page(now=NOON, timeout=TIMEOUT) for _ in range(2)]
    bundle = claim_page(now=NOON, timeout=TIMEOUT)
    assert None not in singles
    assert bundle is not None
    assert len(members()) == 2
    acknowledge_alert(alert=bundle.alert, by=make_user(), now=NOON)
    deliver(NOON + seconds(100))
    assert sorted(states()) == sorted(["cancelled"] + [SENT] * 4)


def test_a_bundle_whose_worker_was_killed_comes_again_whole_under_the_same_id(
    receiver: Receiver,
) -> None:
    storm(receiver, 5)
    for _ in range(3):
        claim_page(now=NOON, timeout=TIMEOUT)
    head = leader()
    deliver(NOON + seconds(13))
    assert states() == [SENT] * 5
    assert receiver.ids.count(f"msg_{head.pk.hex}") == 1
    assert len(receiver.requests) == 3
    assert head.attempts.count() == 2


@pytest.mark.parametrize("code", [400, 413, 415, 422])
def test_a_receiver_that_does_not_know_bundles_gets_their_pages_one_by_one(
    receiver: Receiver, code: int
) -> None:
    storm(receiver, 5)
    after_the_single_pages(receiver, status(code), status(200))
    deliver(NOON)
    assert states() == [SENT] * 5
    assert len(receiver.requests) == 6
    assert members() == []


def test_when_a_bundle_is_refused_for_good_the_next_step_of_each_is_taken_now(
    receiver: Receiver,
) -> None:
    policy = policy_of((["site_owner"], 300), (["catch_all"], 300))
    storm(receiver, 5, policy=policy)
    after_the_single_pages(receiver, status(404))
    deliver(NOON)
    assert states().count(DEAD) == 3
    assert Escalation.objects.filter(next_due_at=NOON).count() == 3


def test_each_page_of_a_bundle_is_given_up_at_its_own_end(receiver: Receiver) -> None:
    contact = make_pager(receiver)
    long_due = NOON - seconds(1)
    storm(receiver, 3, contact=contact, now=long_due, policy=policy_of((["site_owner"], 300)))
    (short,) = storm(receiver, 1, contact=contact, policy=policy_of((["site_owner"], 6)))
    after_the_single_pages(receiver, status(503))
    deliver(NOON)
    deliver(NOON + seconds(7))
    assert page_of(short).state == DEAD
    assert states().count(PENDING) == 1


def test_a_page_behind_others_that_fail_is_given_up_at_its_own_end(receiver: Receiver) -> None:
    contact = make_pager(receiver)
    receiver.answers(status(503))
    storm(receiver, 4, contact=contact)
    deliver(NOON)
    quick = policy_of((["site_owner"], 20))
    (alert,) = storm(receiver, 1, contact=contact, now=NOON + seconds(1), policy=quick)
    deliver(NOON + seconds(2))
    assert page_of(alert).next_attempt_at == NOON + seconds(21)
    deliver(NOON + seconds(21))
    assert (page_of(alert).state, page_of(alert).attempts_made) == (DEAD, 0)


def test_a_page_behind_one_that_failed_before_others_arrived_is_not_given_up(
    receiver: Receiver,
) -> None:
    contact = make_pager(receiver)
    receiver.answers(later(503, "10"), status(200))
    storm(receiver, 2, contact=contact)
    deliver(NOON)
    storm(receiver, 2, contact=contact, now=NOON + seconds(1))
    deliver(NOON + seconds(2))
    quick = policy_of((["site_owner"], 5))
    (alert,) = storm(receiver, 1, contact=contact, now=NOON + seconds(3), policy=quick)
    for second in (3, 8, 9, 10):
        deliver(NOON + seconds(second))
    assert page_of(alert).state == PENDING
    deliver(NOON + seconds(70))
    assert page_of(alert).state == SENT


def test_more_than_one_request_may_carry_come_with_the_next(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "LARGEST_BUNDLE", 5)
    storm(receiver, 9)
    assert deliver(NOON).sent == 7
    deliver(NOON + seconds(60))
    assert states() == [SENT] * 9


def test_a_receiver_in_trouble_is_not_asked_for_every_page(receiver: Receiver) -> None:
    receiver.answers(later(503, "5"))
    storm(receiver, 12)
    deliver(NOON)
    assert len(receiver.requests) == 3


@pytest.mark.parametrize("kind", [Contact.Kind.PAGERDUTY, Contact.Kind.ALERTMANAGER])
def test_services_that_group_by_themselves_get_every_page_as_its_own(
    receiver: Receiver, kind: str
) -> None:
    storm(receiver, 4, contact=make_pager(receiver, kind=kind))
    claimed = [claim_page(now=NOON, timeout=TIMEOUT) for _ in range(4)]
    assert None not in claimed
    assert members() == []
