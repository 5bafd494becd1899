"""Whose page goes first when many wait."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fleet.models import Contact
from runbooks.models import Alert, Page
from runbooks.paging.outbox import FIRST_OF_SITE, NOTICES, OTHERS
from tests.factories import NOON, make_contact, make_site
from tests.receiver import Receiver, status
from tests.runbooks.world import (
    claim_page,
    deliver,
    make_alert,
    make_pager,
    only_page,
    page_to_send,
    queue_page,
    queued,
    seconds,
    site_paging,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

minute = timedelta(minutes=1)


def page(alert: Alert, contact: Contact, *, sequence: int = 1, **overrides: object) -> Page:
    """Queue one page for the contact, then change what the row says."""
    row = queue_page(
        alert=alert,
        owner=contact.owner,
        contact=contact,
        sequence=sequence,
        step_index=0,
        reason="site owner",
        give_up_at=NOON + 5 * minute,
        now=NOON,
    )
    Page.objects.filter(pk=row.pk).update(**overrides)
    row.refresh_from_db()
    return row


def claimed_in_turn(count: int) -> list[Page]:
    pages = [claim_page(now=NOON, timeout=seconds(8)) for _ in range(count)]
    return [page for page in pages if page is not None]


def test_a_sites_first_page_in_ten_minutes_jumps_the_queue() -> None:
    site = make_site()
    first = only_page(queued(site))
    second = only_page(queued(site))
    assert (first.priority, second.priority) == (FIRST_OF_SITE, OTHERS)


def test_after_ten_quiet_minutes_a_site_is_first_again() -> None:
    site = make_site()
    alert = make_alert(site=site)
    contact = site.owner.contacts.get()
    page(alert, contact, created_at=NOON - 10 * minute)
    assert page(make_alert(site=site), contact).priority == FIRST_OF_SITE


def test_everybody_whom_a_sites_first_step_pages_is_first() -> None:
    alert = make_alert()
    pages = [page(alert, make_contact()) for _ in range(2)]
    assert [one.priority for one in pages] == [FIRST_OF_SITE] * 2


def test_what_nobody_has_to_act_on_comes_last() -> None:
    alert, contact = make_alert(), make_contact()
    notice = queue_page(
        alert=alert,
        owner=contact.owner,
        contact=contact,
        sequence=1,
        step_index=0,
        reason="site owner",
        give_up_at=NOON + minute,
        now=NOON,
        purpose=Page.Purpose.RESOLVED,
    )
    assert notice.priority == NOTICES


def test_a_first_page_goes_before_others_that_are_due_longer() -> None:
    alert = make_alert()
    late = page(alert, make_contact(), priority=FIRST_OF_SITE)
    long_due = page(alert, make_contact(), priority=OTHERS, next_attempt_at=NOON - minute)
    assert claimed_in_turn(2) == [late, long_due]


def test_of_equals_the_contact_served_longest_ago_goes_first() -> None:
    alert = make_alert()
    never, lately, long_ago = (make_contact() for _ in range(3))
    sent = {"sequence": 9, "state": Page.State.SENT}
    page(alert, lately, **sent, sent_at=NOON - seconds(5))
    page(alert, long_ago, **sent, sent_at=NOON - minute)
    waiting = {contact.pk: page(alert, contact) for contact in (lately, long_ago, never)}
    assert claimed_in_turn(3) == [waiting[contact.pk] for contact in (never, long_ago, lately)]


def test_of_one_contacts_pages_the_one_due_longest_goes_first() -> None:
    alert, contact = make_alert(), make_contact()
    pages = [
        page(
            alert,
            contact,
            sequence=number,
            priority=OTHERS,
            next_attempt_at=NOON - seconds(number),
        )
        for number in (1, 3, 2)
    ]
    assert claimed_in_turn(3) == [pages[1], pages[2], pages[0]]


def test_one_contact_with_many_pages_leaves_a_turn_to_each_other(receiver: Receiver) -> None:
    alert = make_alert()
    full = make_contact()
    for number in range(4):
        page(alert, full, sequence=number, next_attempt_at=NOON - minute)
    other = page(alert, make_contact())
    served = {}
    order = []
    for _ in range(2):
        one = claim_page(now=NOON, timeout=seconds(8), served=served)
        assert one is not None
        served[one.contact_id] = NOON
        order.append(one.contact_id)
    assert order == [full.pk, other.contact_id]


def test_a_receiver_that_is_dead_does_not_stay_at_the_head_of_the_queue(
    receiver: Receiver,
) -> None:
    with Receiver() as dead:
        dead.answers(status(503))
        alert = make_alert()
        refusing = make_pager(dead)
        for number in range(3):
            page(alert, refusing, sequence=number, next_attempt_at=NOON - minute)
        mine = [page(alert, make_pager(receiver)) for _ in range(2)]
        deliver(NOON)
    sent = Page.objects.filter(state=Page.State.SENT)
    assert set(sent) == set(mine)


def test_a_page_of_an_alert_that_is_held_back_waits_and_goes_once_it_is_not(
    receiver: Receiver,
) -> None:
    alert = queued(site_paging(receiver))
    Alert.objects.filter(pk=alert.pk).update(is_suppressed=True)
    deliver(NOON)
    assert receiver.requests == []
    assert only_page(alert).state == Page.State.PENDING
    Alert.objects.filter(pk=alert.pk).update(is_suppressed=False)
    deliver(NOON + seconds(5))
    assert only_page(alert).state == Page.State.SENT


def test_an_alert_held_back_between_claim_and_request_is_not_paged(receiver: Receiver) -> None:
    alert = queued(site_paging(receiver))
    claimed = claim_page(now=NOON, timeout=seconds(8))
    assert claimed is not None
    Alert.objects.filter(pk=alert.pk).update(is_suppressed=True)
    assert page_to_send(claimed) is None


@pytest.mark.parametrize(
    ("purpose", "response", "condition", "is_sent"),
    [
        ("acknowledged", "acknowledged", "firing", True),
        ("acknowledged", "closed", "cleared", True),
        ("acknowledged", "unacknowledged", "firing", False),
        ("resolved", "closed", "firing", True),
        ("resolved", "unacknowledged", "cleared", True),
        ("resolved", "acknowledged", "firing", False),
        ("page", "acknowledged", "firing", False),
        ("page", "unacknowledged", "cleared", False),
        ("page", "unacknowledged", "firing", True),
    ],
)
def test_a_page_is_sent_while_it_is_wanted_and_a_notice_while_it_is_true(
    receiver: Receiver, purpose: str, response: str, condition: str, is_sent: bool
) -> None:
    alert = queued(site_paging(receiver))
    Page.objects.update(purpose=purpose)
    Alert.objects.filter(pk=alert.pk).update(
        response=response, condition=condition, acknowledged_at=NOON, closed_at=NOON
    )
    delivery = deliver(NOON)
    assert (delivery.sent, delivery.cancelled) == ((1, 0) if is_sent else (0, 1))


def test_a_notice_goes_out_although_the_alert_is_held_back(receiver: Receiver) -> None:
    alert = queued(site_paging(receiver))
    Page.objects.update(purpose=Page.Purpose.RESOLVED)
    Alert.objects.filter(pk=alert.pk).update(response="closed", closed_at=NOON, is_suppressed=True)
    assert deliver(NOON).sent == 1
