"""The worst alert's page goes first: from step to claim, in bundles and in what they say."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from pytest_django import Settings

from fleet.models import Contact
from runbooks.alerts.intake import take_in_findings
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, Escalation, Page
from runbooks.paging.outbox import FIRST_OF_SITE, OTHERS
from tests.factories import NOON, make_contact, make_site
from tests.receiver import Receiver, status
from tests.runbooks.world import (
    HIGH,
    LOW,
    URGENT,
    claim_page,
    deliver,
    make_alert,
    make_pager,
    queue_page,
    revise,
    seconds,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

SENT, PENDING = Page.State.SENT, Page.State.PENDING


@pytest.fixture(autouse=True)
def _two_single_pages_in_ten_minutes(settings: Settings) -> None:
    settings.HEARTHWATCH_PAGES_PER_CONTACT = 2
    settings.HEARTHWATCH_BUNDLE_SECONDS = 60


def page(severity: int, contact: Contact, **overrides: Any) -> Page:
    """Queue one page about an alert that bad, at a site of its own."""
    site = overrides.pop("site", None) or make_site()
    row = queue_page(
        alert=make_alert(site=site, severity=severity),
        owner=contact.owner,
        contact=contact,
        sequence=1,
        step_index=0,
        reason="site owner",
        give_up_at=NOON + seconds(300),
        now=NOON,
        purpose=overrides.pop("purpose", Page.Purpose.PAGE),
    )
    Page.objects.filter(pk=row.pk).update(**overrides)
    row.refresh_from_db()
    return row


def opened(severity: int, contact: Contact, second: float = 0, count: int = 1) -> list[Alert]:
    """Open alerts at sites of the contact's owner, and take their first steps."""
    now = NOON + seconds(second)
    sites = [make_site(owner=contact.owner) for _ in range(count)]
    alerts = [make_alert(site=site, severity=severity, now=now) for site in sites]
    advance_due_escalations(now=now)
    return alerts


def page_of(alert: Alert) -> Page:
    return Page.objects.get(alert=alert)


def in_turn(*pages: Page) -> list[Page | None]:
    return [claim_page(now=NOON, timeout=seconds(8)) for _ in pages]


def severities_in(receiver: Receiver) -> list[int]:
    """Return how bad the pages of the last request are, in its order."""
    return [one["alert"]["severity"] for one in receiver.requests[-1].json["data"]["pages"]]


def at(second: float) -> datetime:
    return NOON + seconds(second)


def test_the_worst_page_goes_first_whoever_it_is_for_and_however_long_others_wait() -> None:
    low = page(LOW, make_contact(), next_attempt_at=at(-60))
    high = page(HIGH, make_contact(), next_attempt_at=at(-30))
    urgent = page(URGENT, make_contact())
    assert in_turn(low, high, urgent) == [urgent, high, low]


def test_of_one_contacts_pages_the_worst_goes_first(settings: Settings) -> None:
    settings.HEARTHWATCH_PAGES_PER_CONTACT = 9
    contact = make_contact()
    low = page(LOW, contact, next_attempt_at=at(-60))
    urgent = page(URGENT, contact, priority=OTHERS)
    assert in_turn(low, urgent) == [urgent, low]


def test_a_sites_first_page_jumps_those_that_are_as_bad_and_no_worse() -> None:
    first_low = page(LOW, make_contact(), priority=FIRST_OF_SITE)
    high = page(HIGH, make_contact(), priority=OTHERS, next_attempt_at=at(-30))
    first_high = page(HIGH, make_contact(), priority=FIRST_OF_SITE)
    assert in_turn(first_low, high, first_high) == [first_high, high, first_low]


def test_a_notice_about_an_urgent_alert_comes_after_pages_about_low_ones() -> None:
    notice = page(URGENT, make_contact(), purpose=Page.Purpose.RESOLVED)
    Alert.objects.filter(pk=notice.alert_id).update(condition="cleared", cleared_at=NOON)
    low = page(LOW, make_contact())
    assert in_turn(low, notice) == [low, notice]


def test_pages_about_less_bad_alerts_do_not_make_a_sites_first_urgent_page_wait() -> None:
    site, contact = make_site(), make_contact()
    priorities = [page(one, contact, site=site).priority for one in (LOW, URGENT, HIGH)]
    assert priorities == [FIRST_OF_SITE, FIRST_OF_SITE, OTHERS]


def test_a_page_whose_alert_got_worse_while_it_waited_goes_first() -> None:
    high, low = page(HIGH, make_contact()), page(LOW, make_contact())
    Alert.objects.filter(pk=low.alert_id).update(severity=URGENT)
    assert in_turn(high, low) == [low, high]


def test_the_steps_of_the_worst_alerts_are_taken_first() -> None:
    low, high, urgent = (
        make_alert(severity=severity, now=at(second))
        for second, severity in enumerate((LOW, HIGH, URGENT))
    )
    for wanted in (urgent, high, low):
        advance_due_escalations(now=at(5), limit=1)
        assert Page.objects.order_by("created_at", "pk").filter(alert=wanted).exists()
        left = Escalation.objects.filter(last_step_at__isnull=True)
        assert wanted.pk not in left.values_list("alert", flat=True)


def test_of_equally_bad_alerts_the_step_due_longest_is_taken_first() -> None:
    later, sooner = make_alert(now=at(3)), make_alert(now=at(1))
    advance_due_escalations(now=at(5), limit=1)
    assert Page.objects.get().alert == sooner != later


def test_an_urgent_page_does_not_wait_for_the_bundle_of_the_minute(receiver: Receiver) -> None:
    contact = make_pager(receiver)
    low = opened(LOW, contact, count=6)
    deliver(NOON)
    urgent = make_alert(site=low[3].site, severity=URGENT, now=at(2))
    waiting = opened(LOW, contact, 2, count=2)
    deliver(at(2))
    assert receiver.requests[-1].json["data"]["page"]["id"] == f"msg_{page_of(urgent).pk.hex}"
    assert page_of(urgent).sent_at == at(2)
    assert {page_of(alert).state for alert in waiting} == {PENDING}


def test_a_single_urgent_page_in_a_storm_comes_with_all_it_says(receiver: Receiver) -> None:
    contact = make_pager(receiver)
    opened(LOW, contact, count=6)
    deliver(NOON)
    opened(LOW, contact, 1)
    deliver(at(1))
    (urgent,) = opened(URGENT, contact, 2)
    deliver(at(2))
    said = receiver.requests[-1].json
    assert (said["type"], said["data"]["alert"]["id"]) == ("alert.page", urgent.pk)


def test_urgent_pages_that_follow_come_together_within_ten_seconds(receiver: Receiver) -> None:
    contact = make_pager(receiver)
    opened(LOW, contact, count=6)
    deliver(NOON)
    opened(URGENT, contact, 1)
    deliver(at(1))
    requests = len(receiver.requests)
    urgent = opened(URGENT, contact, 2, count=3)
    low = opened(LOW, contact, 2)
    for second in range(2, 11):
        deliver(at(second))
    assert len(receiver.requests) == requests
    deliver(at(11))
    assert len(receiver.requests) == requests + 1
    assert {page_of(alert).sent_at for alert in urgent} == {at(11)}
    assert severities_in(receiver) == [URGENT] * 3
    # The others have a request of their own when their minute is over.
    deliver(at(60))
    assert {page_of(alert).sent_at for alert in low} == {at(60)}


def test_urgent_pages_again_and_again_do_not_keep_the_others_from_their_bundle(
    receiver: Receiver,
) -> None:
    contact = make_pager(receiver)
    opened(LOW, contact, count=4)
    deliver(NOON)
    (low,) = opened(LOW, contact, 1)
    deliver(at(1))
    for second in (5, 20, 35, 50):
        opened(URGENT, contact, second)
        deliver(at(second))
    assert page_of(low).state == PENDING
    deliver(at(60))
    assert page_of(low).sent_at == at(60)


def test_a_receiver_in_trouble_is_asked_for_urgent_pages_once_a_minute_as_well(
    receiver: Receiver,
) -> None:
    receiver.answers(status(503))
    contact = make_pager(receiver)
    opened(URGENT, contact, count=4)
    deliver(NOON)
    tried = Page.objects.filter(attempts_made__gt=0).count()
    opened(URGENT, contact, 12)
    for second in range(12, 50, 4):
        deliver(at(second))
    assert Page.objects.filter(attempts_made__gt=0).count() == tried


def test_the_worst_page_leads_its_bundle_and_the_others_follow_in_that_order(
    receiver: Receiver,
) -> None:
    contact = make_pager(receiver)
    opened(URGENT, contact, count=2)
    deliver(NOON)
    for severity in (LOW, HIGH, LOW, URGENT, HIGH):
        make_alert(site=make_site(owner=contact.owner), severity=severity)
    advance_due_escalations(now=NOON)
    deliver(at(1))
    assert severities_in(receiver) == [URGENT, HIGH, HIGH, LOW, LOW]


def test_a_page_that_got_worse_while_its_bundle_failed_is_named_first(receiver: Receiver) -> None:
    contact = make_pager(receiver)
    opened(HIGH, contact, count=2)
    deliver(NOON)
    receiver.answers(status(503), status(200))
    *_, last = opened(HIGH, contact, 1, count=4)
    deliver(at(1))
    leader = receiver.ids[-1]
    Alert.objects.filter(pk=last.pk).update(severity=URGENT)
    deliver(at(10))
    assert severities_in(receiver) == [URGENT, HIGH, HIGH, HIGH]
    assert receiver.ids[-1] == leader


def test_a_page_that_waits_for_its_bundle_goes_at_once_when_its_alert_becomes_urgent(
    receiver: Receiver,
) -> None:
    contact = make_pager(receiver)
    opened(LOW, contact, count=4)
    deliver(NOON)
    low, other = opened(LOW, contact, 1, count=2)
    deliver(at(1))
    assert page_of(low).state == PENDING
    revise(low.finding, severity=URGENT)
    take_in_findings(now=at(3))
    deliver(at(3))
    assert (page_of(low).sent_at, page_of(other).state) == (at(3), PENDING)
