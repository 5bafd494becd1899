"""Pages that nobody tries again: they are seen, and sent once more by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fleet.models import Contact
from runbooks.alerts.services import acknowledge_alert, close_alert
from runbooks.models import Alert, Page
from runbooks.paging.dead import RedeliveryError, redeliver_page
from runbooks.paging.deliveries import dead_pages_for, deliveries_for, pages_per_owner
from tests.factories import NOON, make_owner, make_site, make_user
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

LATER = NOON + timedelta(hours=2)


def dead_page(receiver: Receiver) -> Page:
    """Return a page that its receiver refused for good; from now on it takes what comes."""
    receiver.answers(status(404))
    alert = queued(site_paging(receiver))
    deliver(NOON)
    receiver.answers(status(200))
    page = only_page(alert)
    assert page.state == Page.State.DEAD
    return page


def refusal_of(page: Page) -> str:
    with pytest.raises(RedeliveryError) as refused:
        redeliver_page(page=page, by=make_user(), now=LATER)
    assert refused.value.sentence.endswith(".")
    return refused.value.code


def test_a_dead_page_is_sent_once_more_under_its_id(receiver: Receiver) -> None:
    page = dead_page(receiver)
    again = redeliver_page(page=page, by=make_user(), now=LATER)
    assert again.state == Page.State.PENDING
    deliver(LATER)
    page.refresh_from_db()
    assert (page.state, page.sent_at, page.attempts_made) == (Page.State.SENT, LATER, 2)
    assert receiver.ids == [f"msg_{page.pk.hex}"] * 2


def test_the_timeline_says_who_had_it_sent_once_more(receiver: Receiver) -> None:
    page = dead_page(receiver)
    by = make_user(first_name="Mei", last_name="Tanaka")
    redeliver_page(page=page, by=by, now=LATER)
    assert sentences_of(page.alert, "redelivered") == [
        f"Mei Tanaka had the page to {page.owner} by pager sent once more."
    ]


def test_a_page_sent_once_more_is_tried_for_five_minutes(receiver: Receiver) -> None:
    page = dead_page(receiver)
    receiver.answers(status(503))
    redeliver_page(page=page, by=make_user(), now=LATER)
    for offset in range(0, 400, 20):
        deliver(LATER + seconds(offset))
    page.refresh_from_db()
    assert page.state == Page.State.DEAD
    assert page.give_up_at == LATER + seconds(300)


def test_a_page_on_its_way_is_not_sent_twice(receiver: Receiver) -> None:
    page = dead_page(receiver)
    redeliver_page(page=page, by=make_user(), now=LATER)
    assert refusal_of(page) == "page_not_dead"


def test_nobody_is_paged_for_what_somebody_has(receiver: Receiver) -> None:
    page = dead_page(receiver)
    acknowledge_alert(alert=page.alert, by=make_user(), now=NOON)
    assert refusal_of(page) == "alert_taken"


def test_nobody_is_paged_for_what_is_closed(receiver: Receiver) -> None:
    page = dead_page(receiver)
    close_alert(alert=page.alert, by=make_user(), reason="done", now=NOON)
    assert refusal_of(page) == "alert_closed"


def test_nobody_is_paged_for_what_is_over(receiver: Receiver) -> None:
    page = dead_page(receiver)
    Alert.objects.update(condition=Alert.Condition.CLEARED)
    assert refusal_of(page) == "alert_cleared"


def test_a_page_of_an_alert_that_is_held_back_is_not_sent_once_more(receiver: Receiver) -> None:
    page = dead_page(receiver)
    Alert.objects.filter(pk=page.alert_id).update(is_suppressed=True)
    assert refusal_of(page) == "alert_held_back"


# The site is committed first: the rule that it needs a contact is judged at COMMIT.
@pytest.mark.django_db(transaction=True)
def test_a_contact_that_does_not_work_is_mended_first(receiver: Receiver) -> None:
    page = dead_page(receiver)
    Contact.objects.update(disabled_reason="The receiver answered 410 Gone.")
    assert refusal_of(page) == "contact_not_working"


def test_the_log_shows_the_newest_first_with_what_each_attempt_was_answered(
    receiver: Receiver,
) -> None:
    receiver.answers(status(503, b"busy"), status(200))
    first = only_page(queued(site_paging(receiver)))
    deliver(NOON)
    deliver(NOON + seconds(6))
    second = only_page(queued(make_site(), now=NOON))
    Page.objects.filter(pk=second.pk).update(created_at=NOON + seconds(60))
    log = list(deliveries_for(make_user("viewer")))
    assert log == [second, first]
    assert [one.status for one in log[1].attempts.all()] == [503, 200]
    assert log[1].attempts.all()[0].body_head == "busy"
    assert log[1].latency_ms == 6000
    assert log[0].latency_ms is None


def test_the_log_is_narrowed_by_state_site_and_contact(receiver: Receiver) -> None:
    dead = dead_page(receiver)
    other = only_page(queued(make_site()))
    user = make_user("viewer")
    assert list(deliveries_for(user, state="dead")) == [dead] == list(dead_pages_for(user))
    assert list(deliveries_for(user, site=other.alert.site)) == [other]
    assert list(deliveries_for(user, contact=other.contact)) == [other]


def test_the_log_is_read_in_as_many_queries_however_long_it_is(
    receiver: Receiver, django_assert_num_queries: object
) -> None:
    for _ in range(3):
        queued(site_paging(receiver))
    deliver(NOON)
    user = make_user("viewer")
    with django_assert_num_queries(3):  # type: ignore[operator]
        log = list(deliveries_for(user))
        assert [len(page.attempts.all()) for page in log] == [1, 1, 1]
        assert {page.contact.label + page.alert.site.name for page in log}


def test_nobody_sees_the_pages_of_a_site_that_is_hidden_from_them(receiver: Receiver) -> None:
    page = dead_page(receiver)
    elsewhere = make_user("operator", site=make_site())
    assert list(deliveries_for(elsewhere)) == []
    assert list(deliveries_for(make_user("operator", site=page.alert.site))) == [page]


def test_how_many_pages_each_owner_got_in_ten_minutes_is_told(receiver: Receiver) -> None:
    owner = make_pager(receiver, owner=make_owner(name="Aiko")).owner
    for _ in range(2):
        queued(make_site(owner=owner))
    queued(make_site(owner=make_pager(receiver, owner=make_owner(name="Ben")).owner))
    deliver(NOON)
    loads = pages_per_owner(now=NOON + timedelta(minutes=9))
    assert [(load.owner_name, load.pages, load.requests) for load in loads] == [
        ("Aiko", 2, 2),
        ("Ben", 1, 1),
    ]
    assert pages_per_owner(now=NOON + timedelta(minutes=10)) == []
