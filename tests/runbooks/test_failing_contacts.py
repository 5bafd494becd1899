"""A contact that keeps failing: the person's next one is tried besides, well before the end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from pytest_django import Settings

from runbooks.alerts.services import acknowledge_alert
from runbooks.escalation.readiness import Lack, lacks
from runbooks.models import Alert, Escalation, Page
from runbooks.paging.contacts import send_test_page
from runbooks.paging.dead import redeliver_page
from runbooks.paging.failing import fail_over_failing
from tests.factories import NOON, make_site, make_user
from tests.receiver import Receiver, held, status
from tests.runbooks.world import (
    LOW,
    deliver,
    make_alert,
    make_pager,
    policy_of,
    queued,
    seconds,
    sentences_of,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

LATER = NOON + seconds(100)
PENDING, SENT, DEAD = Page.State.PENDING, Page.State.SENT, Page.State.DEAD


@pytest.fixture
def broken() -> Iterator[Receiver]:
    """Return a receiver that answers 500 until it is mended."""
    with Receiver() as one:
        one.answers(status(500))
        yield one


def site_of_two(broken: Receiver, receiver: Receiver, *, contacts: int = 2) -> object:
    """Make a site whose owner is paged for 900 s: by phone, which fails, then by what works."""
    phone = make_pager(broken, label="phone")
    for position in range(2, contacts + 1):
        make_pager(receiver, label=f"tablet {position}", owner=phone.owner, position=position)
    return make_site(owner=phone.owner, policy=policy_of((["site_owner"], 900)))


def go_round(start: int, end: int, *, every: int = 2) -> None:
    """Do what the sweep does from `start` to `end`, in seconds after noon."""
    for second in range(start, end, every):
        now = NOON + seconds(second)
        fail_over_failing(now=now)
        deliver(now)


def pages_of(alert: Alert) -> dict[str, Page]:
    return {page.contact.label: page for page in alert.pages.select_related("contact")}


def failing(now: datetime = LATER) -> list[Lack]:
    return [lack for lack in lacks(now=now) if lack.code == "contact_failing"]


def test_the_next_contact_is_paged_after_a_minute_of_failures(
    broken: Receiver, receiver: Receiver
) -> None:
    alert = queued(site_of_two(broken, receiver))
    due = Escalation.objects.get(alert=alert).next_due_at
    go_round(0, 60)
    assert receiver.requests == []
    go_round(60, 62)
    assert pages_of(alert)["tablet 2"].sent_at == NOON + seconds(60)
    assert sentences_of(alert, "page_failed") == [
        f"The page to {alert.site.owner} by phone fails so far (HTTP 500) and goes on being tried. "
        "tablet 2 is tried besides."
    ]
    # The policy goes on as it would have.
    assert Escalation.objects.get(alert=alert).next_due_at == due


def test_a_contact_that_does_not_answer_in_time_fails_the_same(
    broken: Receiver, receiver: Receiver, settings: Settings
) -> None:
    settings.HEARTHWATCH_PAGE_TIMEOUT_SECONDS = 0.3
    broken.answers(held())
    alert = queued(site_of_two(broken, receiver))
    deliver(NOON)
    fail_over_failing(now=NOON + seconds(60))
    assert set(pages_of(alert)) == {"phone", "tablet 2"}


def test_the_first_goes_on_being_tried_and_what_arrives_late_is_written_down(
    broken: Receiver, receiver: Receiver
) -> None:
    alert = queued(site_of_two(broken, receiver))
    go_round(0, 100)
    broken.answers(status(200))
    go_round(100, 300)
    page = pages_of(alert)["phone"]
    assert (page.state, page.attempts_made) == (SENT, 6)
    assert len(receiver.requests) == 1
    assert sentences_of(alert, "page_sent")[-1].startswith("Page delivered to")


def test_it_fails_over_once_and_its_end_pages_nobody_else(
    broken: Receiver, receiver: Receiver
) -> None:
    alert = queued(site_of_two(broken, receiver, contacts=3))
    go_round(0, 1000, every=5)
    assert {label: page.state for label, page in pages_of(alert).items()} == {
        "phone": DEAD,
        "tablet 2": SENT,
    }
    assert len(receiver.requests) == 1


def test_when_the_next_one_fails_as_well_the_one_after_it_is_tried(
    broken: Receiver, receiver: Receiver
) -> None:
    receiver.answers(status(500))
    alert = queued(site_of_two(broken, receiver, contacts=3))
    go_round(0, 130)
    assert set(pages_of(alert)) == {"phone", "tablet 2", "tablet 3"}


def test_who_has_no_other_contact_is_tried_on_and_the_timeline_says_so_once(
    broken: Receiver, receiver: Receiver
) -> None:
    alert = queued(site_of_two(broken, receiver, contacts=1))
    go_round(0, 200)
    (sentence,) = sentences_of(alert, "page_failed")
    assert sentence.endswith("There is no other contact to try.")
    assert pages_of(alert)["phone"].state == PENDING


@pytest.mark.parametrize("change", [{"is_suppressed": True}, {"condition": "cleared"}])
def test_what_need_not_be_paged_fails_over_to_nobody(
    broken: Receiver, receiver: Receiver, change: dict[str, object]
) -> None:
    alert = queued(site_of_two(broken, receiver))
    deliver(NOON)
    Alert.objects.filter(pk=alert.pk).update(**change)
    assert fail_over_failing(now=NOON + seconds(60)) == 0


def test_what_somebody_took_fails_over_to_nobody(broken: Receiver, receiver: Receiver) -> None:
    alert = queued(site_of_two(broken, receiver))
    deliver(NOON)
    acknowledge_alert(alert=alert, by=make_user(), now=NOON)
    assert fail_over_failing(now=NOON + seconds(60)) == 0


def test_where_the_clock_was_set_back_five_failures_are_enough(
    broken: Receiver, receiver: Receiver
) -> None:
    alert = queued(site_of_two(broken, receiver))
    Page.objects.update(created_at=NOON + timedelta(hours=1))
    go_round(0, 80)
    assert set(pages_of(alert)) == {"phone"}
    go_round(80, 130)
    assert set(pages_of(alert)) == {"phone", "tablet 2"}


def test_what_waits_behind_pages_that_fail_fails_over_too(
    broken: Receiver, receiver: Receiver, settings: Settings
) -> None:
    settings.HEARTHWATCH_PAGES_PER_CONTACT = 1
    site = site_of_two(broken, receiver)
    alerts = [queued(site, severity=LOW) for _ in range(2)]
    deliver(NOON)
    late = queued(site, severity=LOW)
    go_round(2, 62)
    assert pages_of(late)["phone"].attempts_made == 0
    assert all("tablet 2" in pages_of(alert) for alert in (*alerts, late))


def test_what_waits_for_a_bundle_at_a_contact_that_works_does_not(
    broken: Receiver, receiver: Receiver, settings: Settings
) -> None:
    settings.HEARTHWATCH_PAGES_PER_CONTACT = 1
    settings.HEARTHWATCH_BUNDLE_SECONDS = 600
    broken.answers(status(200))
    site = site_of_two(broken, receiver)
    for second in (0, 1, 2):
        queued(site, severity=LOW)
        deliver(NOON + seconds(second))
    assert list(Page.objects.order_by("pk").values_list("state")).count((PENDING,)) == 1
    assert fail_over_failing(now=NOON + seconds(60)) == 0


def test_readiness_names_a_contact_that_fails_on_real_pages_until_it_takes_one(
    broken: Receiver, receiver: Receiver
) -> None:
    alert = queued(site_of_two(broken, receiver))
    go_round(0, 50)
    assert failing() == []
    go_round(50, 70)
    (lack,) = failing()
    assert lack.owner_id == alert.site.owner_id
    assert lack.sentence == (
        f"{pages_of(alert)['phone'].contact} failed at a real page on 1 Jan at 12:00 UTC and took "
        "none since: HTTP 500. Mend it, then send it a test page."
    )
    broken.answers(status(200))
    go_round(70, 200)
    assert failing() == []


def test_readiness_names_a_contact_whose_page_was_given_up_until_one_is_sent_once_more(
    broken: Receiver, receiver: Receiver
) -> None:
    broken.answers(status(404), status(200))
    alert = queued(site_of_two(broken, receiver))
    deliver(NOON + seconds(1))
    assert [lack.code for lack in failing()] == ["contact_failing"]
    # After so long it says nothing of the contact any more.
    assert failing(NOON + timedelta(days=31)) == []
    later = NOON + seconds(50)
    redeliver_page(page=pages_of(alert)["phone"], by=make_user(), now=later)
    deliver(later)
    assert failing() == []


def test_a_test_page_that_gets_through_clears_it_as_well(
    broken: Receiver, receiver: Receiver
) -> None:
    broken.answers(status(404), status(200))
    alert = queued(site_of_two(broken, receiver))
    deliver(NOON + seconds(1))
    phone = pages_of(alert)["phone"].contact
    assert len(failing()) == 1
    send_test_page(contact=phone, by=make_user(), now=NOON + seconds(50))
    assert failing() == []


def test_a_contact_that_failed_once_and_is_still_tried_is_not_named(
    broken: Receiver, receiver: Receiver
) -> None:
    make_alert(site=site_of_two(broken, receiver))
    go_round(0, 10)
    assert failing(NOON + seconds(10)) == []


def test_a_page_sent_once_more_fails_over_only_when_it_fails_again(
    broken: Receiver, receiver: Receiver
) -> None:
    broken.answers(status(404), status(500))
    alert = queued(site_of_two(broken, receiver, contacts=3))
    deliver(NOON)
    redeliver_page(page=pages_of(alert)["phone"], by=make_user(), now=LATER)
    assert fail_over_failing(now=LATER) == 0
    deliver(LATER)
    assert fail_over_failing(now=LATER + seconds(1)) == 1
