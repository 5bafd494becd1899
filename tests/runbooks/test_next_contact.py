"""Who is paged when a page does not arrive."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fleet.models import Contact
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Escalation, Page
from tests.factories import NOON, make_contact, make_site
from tests.receiver import (
    Receiver,
    later,
    status,
)
from tests.runbooks.world import (
    deliver,
    make_pager,
    only_page,
    policy_of,
    queued,
    seconds,
    sentences_of,
    site_paging,
    states_of_pages,
    word,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

TIMEOUT = timedelta(seconds=8)


# The site is committed first: the rule that it needs a contact is judged at COMMIT.
@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_is_gone_switches_its_contact_off_and_says_why(
    receiver: Receiver,
) -> None:
    receiver.answers(status(410))
    site = site_paging(receiver)
    alert = queued(site)
    deliver(NOON)
    contact = Contact.objects.get(owner=site.owner)
    assert contact.disabled_reason == "The receiver answered 410 Gone at 2030-01-01 12:00 UTC."
    assert only_page(alert).state == Page.State.DEAD


def test_the_owners_first_contact_is_paged_and_the_next_when_it_is_dead(
    receiver: Receiver,
) -> None:
    receiver.answers(status(404), status(200))
    first = make_pager(receiver, label="phone")
    second = make_pager(receiver, label="tablet", owner=first.owner, position=2)
    alert = queued(make_site(owner=first.owner))
    assert only_page(alert).contact == first
    deliver(NOON)
    pages = list(Page.objects.filter(alert=alert).order_by("contact__position"))
    assert [(page.contact, page.state) for page in pages] == [
        (first, Page.State.DEAD),
        (second, Page.State.SENT),
    ]
    assert len(set(receiver.ids)) == 2
    assert sentences_of(alert, "page_failed") == [
        f"Page to {first.owner} by phone failed for good (HTTP 404). tablet is tried next."
    ]


def test_the_next_contact_has_as_long_as_the_first_had(receiver: Receiver) -> None:
    receiver.answers(status(404), status(500))
    first = make_pager(receiver)
    make_pager(receiver, owner=first.owner, position=2)
    alert = queued(make_site(owner=first.owner))
    deliver(NOON + seconds(100))
    second = Page.objects.get(alert=alert, contact__position=2)
    assert second.give_up_at == NOON + seconds(400)


def test_the_next_step_does_not_stop_the_pages_of_the_step_before_it(receiver: Receiver) -> None:
    receiver.answers(status(503))
    phone = make_pager(receiver, label="phone")
    make_contact(owner=phone.owner, label="tablet", position=2)
    ben = make_contact().owner
    policy = policy_of((["site_owner"], 60), ([word(ben)], 60))
    alert = queued(make_site(owner=phone.owner, policy=policy))
    deliver(NOON)
    now = NOON + seconds(60)
    advance_due_escalations(now=now)
    deliver(now)
    rows = Page.objects.filter(alert=alert).values_list("owner", "contact__label", "sequence")
    assert set(rows) == {
        (phone.owner_id, "phone", 1),
        (phone.owner_id, "tablet", 1),
        (ben.pk, "pager", 2),
    }


def test_when_every_contact_is_dead_the_next_step_is_due_now(receiver: Receiver) -> None:
    receiver.answers(status(404))
    alert = queued(site_paging(receiver))
    deliver(NOON + seconds(3))
    escalation = Escalation.objects.get(alert=alert)
    assert (escalation.step_index, escalation.next_due_at) == (1, NOON + seconds(3))


def test_a_step_that_reached_one_of_its_people_keeps_its_delay(receiver: Receiver) -> None:
    with Receiver() as refusing:
        refusing.answers(status(404))
        other = make_pager(refusing).owner
        policy = policy_of((["site_owner", word(other)], 300), (["catch_all"], 300))
        alert = queued(site_paging(receiver, policy=policy))
        deliver(NOON)
    assert sorted(states_of_pages(alert)) == ["dead", "sent"]
    assert Escalation.objects.get(alert=alert).next_due_at == NOON + seconds(300)


def test_pages_that_all_die_at_once_do_not_spend_the_rounds(receiver: Receiver) -> None:
    receiver.answers(status(404))
    policy = policy_of((["site_owner"], 300), (["site_owner"], 300), repeat=3)
    alert = queued(site_paging(receiver, policy=policy))
    for _ in range(5):
        deliver(NOON)
        advance_due_escalations(now=NOON)
    escalation = Escalation.objects.get(alert=alert)
    assert len(receiver.requests) == 2
    assert (escalation.step_index, escalation.next_due_at) == (0, NOON + seconds(300))


def test_no_attempt_is_made_after_the_end_of_the_step(receiver: Receiver) -> None:
    receiver.answers(status(500))
    alert = queued(site_paging(receiver, policy=policy_of((["site_owner"], 20))))
    for offset in range(0, 60, 2):
        deliver(NOON + seconds(offset))
    page = only_page(alert)
    assert page.state == Page.State.DEAD
    assert len(receiver.requests) == 2


def test_a_page_that_waited_out_an_outage_past_its_step_is_given_up(receiver: Receiver) -> None:
    alert = queued(site_paging(receiver))
    deliver(NOON + seconds(3600))
    page = only_page(alert)
    assert (page.state, page.attempts_made) == (Page.State.DEAD, 0)
    assert receiver.requests == []


def test_a_page_to_a_contact_switched_off_meanwhile_is_not_sent(receiver: Receiver) -> None:
    site = site_paging(receiver)
    make_contact(owner=site.owner, position=2)
    alert = queued(site)
    Contact.objects.filter(url=receiver.url).update(is_enabled=False)
    deliver(NOON)
    assert receiver.requests == []
    assert list(
        Page.objects.filter(alert=alert).order_by("contact__position").values_list("state")
    ) == [("dead",), ("pending",)]


def test_a_contact_with_an_unusable_secret_is_dead_and_does_not_stop_the_pager(
    receiver: Receiver,
) -> None:
    broken = queued(make_site(owner=make_pager(receiver, secret="whsec_é").owner))
    deliver(NOON)
    assert "signing secret cannot be used" in only_page(broken).last_error
    assert only_page(broken).state == Page.State.DEAD


def test_a_page_without_time_for_another_attempt_is_dead_at_once(receiver: Receiver) -> None:
    receiver.answers(later(503, "9"))
    alert = queued(site_paging(receiver, policy=policy_of((["site_owner"], 9))))
    deliver(NOON)
    assert only_page(alert).state == Page.State.DEAD
