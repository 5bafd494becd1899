"""The delivery log: dead letters first, what answered, how long it took, sending once more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from fleet.models import Contact
from fleet.noc.delivery_board import ROWS, latency_words
from runbooks.models import Alert, AlertEvent, Page, PageAttempt
from tests.factories import make_contact, make_owner, make_site, make_user
from tests.noc.detail_world import HTMX, NOW, counted_queries, signed_in, stop_clock
from tests.runbooks.world import make_library, queued

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.fixture
def alert() -> Alert:
    """An alert at Osaka-3 whose owner Ken has been paged at noon; the page still waits."""
    make_library()
    owner = make_contact(owner=make_owner(name="Ken Mori"), label="phone").owner
    return queued(make_site(name="Osaka-3", slug="osaka-3", owner=owner))


def page_for(user: Any, query: str = "", **headers: str) -> str:
    answer = signed_in(user).get(reverse("noc:deliveries") + query, headers=headers)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def settle(alert: Alert, state: str, **fields: Any) -> Page:
    """Give the alert's page a past."""
    page = Page.objects.get(alert=alert)
    Page.objects.filter(pk=page.pk).update(state=state, **fields)
    page.refresh_from_db()
    return page


def dead(alert: Alert) -> Page:
    page = settle(alert, "dead", last_status=500, last_error="The receiver answered 500.")
    PageAttempt.objects.create(
        page=page,
        number=1,
        started_at=page.created_at,
        duration_ms=212,
        status=500,
        error="The receiver answered 500.",
        body_head="<h1>Oops</h1> key=•••",
    )
    return page


def redeliver(page: Page, user: Any) -> Any:
    address = reverse("noc:delivery-redeliver", args=[page.pk])
    return signed_in(user).post(address, follow=True)


def test_without_a_dead_letter_it_says_so_and_leads_to_the_log() -> None:
    page = page_for(make_user("viewer"))
    assert "No page is dead" in page
    assert "No dead letter." in page
    assert 'href="?state="' in page


def test_an_empty_log_leads_to_the_contacts() -> None:
    assert f'href="{reverse("noc:contacts")}">Send a test page</a>' in page_for(
        make_user("viewer"), "?state="
    )


def test_a_dead_letter_stands_first_with_what_was_answered(alert: Alert) -> None:
    dead(alert)
    page = page_for(make_user("operator"))
    assert "1 page is dead" in page
    assert "<b>Ken Mori</b> by phone" in page
    assert "HTTP 500 in 212 ms" in page
    assert "&lt;h1&gt;Oops&lt;/h1&gt; key=•••" in page
    assert "Redeliver" in page


def test_a_page_that_arrived_says_how_long_it_took(alert: Alert) -> None:
    page = Page.objects.get(alert=alert)
    settle(
        alert,
        "sent",
        sent_at=page.created_at + timedelta(milliseconds=340),
        last_status=200,
        receipt="delivered",
    )
    log = page_for(make_user("viewer"), "?state=sent")
    assert "Taken after 340 ms, HTTP 200; delivered to the phone" in log
    assert "Redeliver" not in log


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [(None, ""), (0, "0 ms"), (999, "999 ms"), (2400, "2.4 s"), (185_000, "3 min 5 s")],
)
def test_latencies_have_units(milliseconds: float | None, words: str) -> None:
    assert latency_words(milliseconds) == words


def test_the_log_is_narrowed_by_state_site_and_contact(alert: Alert) -> None:
    other = queued(make_site(name="Kobe-1", slug="kobe-1"))
    contact = Page.objects.get(alert=alert).contact
    viewer = make_user("viewer")
    for query in ("?state=pending&site=osaka-3", f"?state=pending&contact={contact.pk}"):
        log = page_for(viewer, query)
        assert f">A-{alert.pk}</a>" in log
        assert f">A-{other.pk}</a>" not in log
    assert "Nothing here." in page_for(viewer, "?state=cancelled")
    assert "Nothing matches." in page_for(viewer, "?state=sent&site=osaka-3")


def test_words_in_the_address_that_mean_nothing_count_as_not_given(alert: Alert) -> None:
    dead(alert)
    log = page_for(make_user("viewer"), "?state=lost&site=mars&contact=x&sheet=-1")
    assert f">A-{alert.pk}</a>" in log


def test_a_dead_letter_is_sent_once_more(alert: Alert) -> None:
    page = dead(alert)
    said = redeliver(page, make_user("operator", first_name="Kim", last_name="Tan"))
    assert "The page is on its way once more" in said.content.decode()
    page.refresh_from_db()
    assert page.state == Page.State.PENDING
    entry = AlertEvent.objects.get(alert=alert, kind=AlertEvent.Kind.REDELIVERED)
    assert entry.sentence.startswith("Kim Tan had the page to Ken Mori")


def test_a_page_that_is_not_dead_is_not_sent_twice(alert: Alert) -> None:
    page = settle(alert, "sent", sent_at=NOW)
    said = redeliver(page, make_user("operator"))
    assert "This page is on its way or has arrived." in said.content.decode()
    page.refresh_from_db()
    assert page.state == Page.State.SENT


def test_somebody_who_may_only_look_cannot_have_it_sent(alert: Alert) -> None:
    page = dead(alert)
    viewer = make_user("viewer")
    assert "Redeliver" not in page_for(viewer)
    assert redeliver(page, viewer).status_code == 404
    page.refresh_from_db()
    assert page.state == Page.State.DEAD


def test_pages_of_hidden_sites_are_not_told(alert: Alert) -> None:
    page = dead(alert)
    stranger = make_user("operator", site=make_site())
    log = page_for(stranger)
    assert "No page is dead" in log
    assert "Ken Mori" not in log
    assert redeliver(page, stranger).status_code == 404


def test_it_says_how_much_each_person_was_paged_lately(alert: Alert) -> None:
    settle(alert, "sent", sent_at=NOW - timedelta(minutes=3))
    assert "1 page in 1 message, last" in page_for(make_user("viewer"))
    settle(alert, "sent", sent_at=NOW - timedelta(minutes=11))
    assert "Nobody was paged." in page_for(make_user("viewer"))


def test_htmx_gets_the_list_alone(alert: Alert) -> None:
    log = page_for(make_user("viewer"), "?state=pending", **HTMX)
    assert log.startswith('<div id="deliveries"')
    assert 'hx-get="/oncall/deliveries/?state=pending"' in log


def test_a_long_log_is_turned_sheet_by_sheet_at_the_same_cost(alert: Alert) -> None:
    page = dead(alert)
    viewer = make_user("viewer")
    page_for(viewer)
    with counted_queries() as few:
        page_for(viewer)
    Page.objects.bulk_create(
        Page(
            alert=alert,
            owner=page.owner,
            contact=page.contact,
            sequence=number,
            step_index=0,
            reason="step 1",
            state="dead",
            created_at=NOW,
            next_attempt_at=NOW,
            give_up_at=NOW,
        )
        for number in range(100, 100 + ROWS)
    )
    with counted_queries() as many:
        first = page_for(viewer)
    assert len(many) == len(few)
    assert "1 of 2" in first
    assert "2 of 2" in page_for(viewer, "?state=dead&sheet=2")


def test_a_page_that_a_browser_showed_says_so(alert: Alert) -> None:
    settle(alert, "sent", sent_at=NOW, last_status=201, receipt="delivered")
    Contact.objects.update(kind="web_push", tested_at=NOW)
    assert "; shown by the browser" in page_for(make_user("viewer"), "?state=sent")


def test_one_that_failed_while_it_was_held_back_says_what_it_waits_for(alert: Alert) -> None:
    settle(alert, "dead", receipt="failed", is_follow_up_owed=True)
    page = page_for(make_user("viewer"))
    assert "the next contact is tried once the alert is not held back" in page


def test_a_mail_that_arrived_reads_as_mail(alert: Alert) -> None:
    Contact.objects.update(kind="email", url="mailto:ana@example.org", tested_at=NOW)
    Page.objects.update(state=Page.State.SENT, last_status=250, sent_at=NOW)
    assert "SMTP 250" in page_for(make_user("viewer"), "?state=")


def test_a_page_that_stays_queued_is_not_said_to_have_arrived(alert: Alert) -> None:
    settle(alert, "sent", sent_at=NOW, receipt="queued", failed_over_at=NOW)
    page = page_for(make_user("operator"), "?state=")
    assert "Handed on" in page
    assert "queued by the receiver; the next contact was tried" in page
