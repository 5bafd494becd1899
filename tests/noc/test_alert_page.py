"""The alert page: is it real, who knows, what to do; and who may do it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from runbooks.alerts.services import acknowledge_alert, close_alert
from runbooks.library.services import publish_runbook
from runbooks.models import Alert, AlertEvent, Page
from telemetry.models import Finding
from tests.factories import NOON, make_contact, make_owner, make_site, make_user
from tests.noc.detail_world import (
    HTMX,
    NOW,
    hot_alert,
    hot_node,
    signed_in,
    stop_clock,
)
from tests.runbooks.world import make_alert, make_runbook, runbook_text

pytestmark = pytest.mark.django_db

minute = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


def page_of(alert: Alert, user: object = None, **headers: str) -> str:
    """Return the alert page as an operator, or `user`, sees it."""
    client = signed_in(user or make_user("operator"))
    answer = client.get(reverse("noc:alert", args=[alert.pk]), headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def address(alert: Alert, act: str) -> str:
    return reverse(f"noc:alert-{act}", args=[alert.pk])


def test_the_page_opens_with_the_sentence_and_where() -> None:
    alert = hot_alert()
    page = page_of(alert)
    heading = page[page.index("<h1") : page.index("</h1>")]
    assert alert.summary in heading
    assert alert.site.name in heading
    assert "icons.svg#p1" in heading


def test_times_are_told_in_site_time_and_in_utc() -> None:
    assert "since 21:00 site time, UTC+9 (12:00 UTC)" in page_of(hot_alert())


def test_the_page_does_not_say_twice_what_the_sentence_says() -> None:
    page = page_of(hot_alert())
    assert "The limit is ASHRAE A2 allowable. Worst so far 38.9 °C." in page
    assert "Rising" not in page


def test_a_sentence_without_its_limit_gets_it_from_the_evidence() -> None:
    page = page_of(hot_alert(summary="The room is hot"))
    assert "Limit 35.0 °C, ASHRAE A2 allowable. Rising 0.2 °C a minute." in page


def test_a_hidden_alert_does_not_exist() -> None:
    alert = hot_alert()
    stranger = signed_in(make_user("operator", site=make_site()))
    assert stranger.get(reverse("noc:alert", args=[alert.pk])).status_code == 404
    assert stranger.post(address(alert, "acknowledge")).status_code == 404


def test_nobody_in_particular_is_asked_to_sign_in() -> None:
    alert = hot_alert()
    answer = signed_in(make_user("operator")).get(reverse("noc:alert", args=[alert.pk]))
    assert answer.status_code == 200
    answer.wsgi_request.session.flush()
    assert answer.client.get(reverse("noc:alert", args=[alert.pk])).status_code == 302


@pytest.mark.parametrize("role", ["viewer", "remote_hands"])
def test_who_may_only_look_finds_no_button_and_a_sentence(role: str) -> None:
    alert = hot_alert()
    user = make_user(role)
    page = page_of(alert, user)
    assert address(alert, "acknowledge") not in page
    assert "You may look, not act" in page
    answer = signed_in(user).post(address(alert, "acknowledge"), headers=HTMX)
    assert answer.status_code == 403
    assert "You may look at this alert, not act on it." in answer.content.decode()
    alert.refresh_from_db()
    assert alert.response == Alert.Response.UNACKNOWLEDGED


@pytest.mark.parametrize("role", ["operator", "engineer", "owner", "admin"])
def test_who_may_respond_acknowledges_without_any_script(role: str) -> None:
    alert = hot_alert()
    user = make_user(role)
    answer = signed_in(user).post(address(alert, "acknowledge"), {"client_action_id": "1"})
    assert answer.status_code == 302
    assert answer["Location"] == reverse("noc:alert", args=[alert.pk])
    alert.refresh_from_db()
    assert alert.acknowledged_by == user


def test_an_acknowledgement_answers_with_the_page_as_it_stands_now() -> None:
    alert = hot_alert()
    user = make_user("operator", first_name="Mei", last_name="Tanaka")
    answer = signed_in(user).post(address(alert, "acknowledge"), headers=HTMX)
    page = answer.content.decode()
    assert "<html" not in page
    assert "<b>Mei Tanaka (you)</b> has it" in page
    assert "Nobody else is paged while Mei Tanaka has it." in page
    assert "Cancelled: no longer needed." in page


def test_a_double_click_happens_once() -> None:
    alert = hot_alert()
    client = signed_in(make_user("operator"))
    for _ in range(2):
        answer = client.post(
            address(alert, "comment"), {"text": "Door was open", "client_action_id": "n-1"}
        )
        assert answer.status_code == 302
    assert AlertEvent.objects.filter(alert=alert, kind=AlertEvent.Kind.COMMENTED).count() == 1


def test_every_form_carries_an_action_id_of_its_own() -> None:
    page = page_of(hot_alert())
    ids = [part.split('"')[0] for part in page.split('name="client_action_id" value="')[1:]]
    assert len(ids) == len(set(ids)) == 7


def test_the_second_operator_is_told_who_was_first() -> None:
    alert = hot_alert()
    first = make_user("operator", first_name="Anne", last_name="Roux")
    acknowledge_alert(alert=alert, by=first, now=NOW)
    answer = signed_in(make_user("operator")).post(address(alert, "acknowledge"), headers=HTMX)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "is already taken: Anne Roux acknowledged it" in page
    assert "<b>Anne Roux</b> has it" in page


def test_a_refusal_without_scripts_is_a_whole_page() -> None:
    alert = hot_alert()
    answer = signed_in(make_user("operator")).post(address(alert, "release"))
    assert answer.status_code == 409
    assert "<html" in answer.content.decode()
    assert "cannot be released" in answer.content.decode()


def test_a_release_gives_the_alert_back() -> None:
    alert = hot_alert()
    user = make_user("operator")
    acknowledge_alert(alert=alert, by=user, now=NOW)
    page = signed_in(user).post(address(alert, "release"), headers=HTMX).content.decode()
    assert "Nobody has it yet" in page
    assert address(alert, "acknowledge") in page


def test_closing_what_still_fires_asks_for_a_reason_and_keeps_what_was_typed() -> None:
    alert = hot_alert()
    client = signed_in(make_user("operator"))
    answer = client.post(address(alert, "close"), {"reason": " "}, headers=HTMX)
    assert answer.status_code == 422
    assert "is still firing. Say in a few words" in answer.content.decode()
    long = "filter " * 60
    answer = client.post(address(alert, "close"), {"reason": long}, headers=HTMX)
    assert answer.status_code == 422
    assert long in answer.content.decode()


def test_a_closed_alert_says_who_closed_it_and_why() -> None:
    alert = hot_alert()
    user = make_user("operator", first_name="Mei", last_name="Tanaka")
    answer = signed_in(user).post(
        address(alert, "close"), {"reason": "filter changed"}, headers=HTMX
    )
    page = " ".join(answer.content.decode().split())
    assert "ago by Mei Tanaka: filter changed." in page
    assert address(alert, "close") not in page


def test_looking_changes_nothing() -> None:
    alert = hot_alert()
    assert signed_in(make_user("operator")).get(address(alert, "acknowledge")).status_code == 405


def test_the_runbook_stays_the_pinned_one_and_a_newer_one_is_announced() -> None:
    alert = hot_alert()
    make_runbook("thermal-alarm", matches="thermal.envelope", category="thermal", title="New")
    page = page_of(alert)
    assert "v1, pinned 21:00" in page
    assert "A newer edition exists" in page
    assert "This alert keeps v1." in page


def test_the_variables_of_the_runbook_are_filled() -> None:
    alert = hot_alert()
    filled = f'Something is wrong at <span class="filled">{alert.site.name}</span>'
    assert filled in page_of(alert)


def test_a_fragment_leaves_the_runbook_where_it_is() -> None:
    page = page_of(hot_alert(), **HTMX)
    assert 'id="pinned-runbook"' in page
    assert "Something is wrong at" not in page


def test_the_ladder_says_who_was_paged_what_came_of_it_and_who_is_next() -> None:
    backup = make_contact(owner=make_owner(name="Ada Lindqvist", is_catch_all=True)).owner
    alert = hot_alert()
    Page.objects.update(state=Page.State.SENT, last_status=204, attempts_made=1)
    page = " ".join(page_of(alert).split())
    assert f"Paged <b>{alert.site.owner}</b>" in page
    assert "Delivered (HTTP 204), no answer." in page
    assert f"Pages {backup.name} <time" in page


def test_the_ladders_times_say_on_whose_clock_they_are() -> None:
    alert = hot_alert(hot_node(site=make_site(time_zone="Asia/Tokyo")))
    assert "v1, site time (UTC+9)</span></header>" in " ".join(page_of(alert).split())


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["node-1"], "node-1"),
        (["node-1", "node-2"], "node-1 and node-2"),
        ([f"node-{number}" for number in range(1, 8)], "node-1, node-2, node-3 and 4 more"),
    ],
)
def test_the_runbook_names_the_nodes_of_an_alert_of_a_whole_site(
    names: list[str], words: str
) -> None:
    text = runbook_text("thermal-alarm", matches="thermal.envelope", category="thermal")
    publish_runbook(source=text.replace("{{ site.name }}", "{{ node.name }}"), by=None, now=NOON)
    alert = make_alert(site=make_site(), evidence={"nodes": names})
    assert f'<span class="filled">{words}</span>' in page_of(alert)


def test_a_page_that_got_through_to_nobody_is_said_in_bold() -> None:
    alert = hot_alert()
    Page.objects.update(state=Page.State.DEAD, attempts_made=5, last_error="connection refused")
    page = " ".join(page_of(alert).split())
    assert "<b>Not delivered</b> after 5 attempts: connection refused." in page


def test_addresses_and_secrets_of_contacts_never_reach_a_page() -> None:
    alert = hot_alert()
    contact = alert.pages.get().contact
    page = page_of(alert)
    assert contact.label in page
    assert contact.url not in page
    assert contact.secret not in page


def test_the_same_trouble_before_is_counted_and_its_end_told() -> None:
    node = hot_node()
    before = hot_alert(node, now=NOON - 3 * timedelta(days=1))
    user = make_user("operator", first_name="Anne", last_name="Roux")
    close_alert(alert=before, by=user, reason="blocked filter", now=NOON - timedelta(days=2))
    Finding.objects.update(cleared_at=NOON - timedelta(days=2))
    page = page_of(hot_alert(node))
    assert "Second time in 90 days." in page
    assert "closed by Anne Roux: blocked filter" in page


def test_other_trouble_at_the_site_is_shown_beside_it() -> None:
    alert = hot_alert()
    hot_alert(hot_node(site=alert.site), summary="Disk in use 96 %")
    assert "Disk in use 96 %" in page_of(alert)


def test_the_heading_names_the_node_once() -> None:
    node = hot_node(name="node-7")
    alert = hot_alert(node, summary="node-7 rebooted unplanned, down 62 s")
    page = page_of(alert)
    heading = page[page.index("<h1") : page.index("</h1>")]
    assert heading.count("node-7") == 1


@pytest.mark.parametrize("name", ["alert", "alerts", "site", "node"])
def test_nobody_keeps_a_part_of_a_page_for_the_page(name: str) -> None:
    alert = hot_alert()
    arguments = {
        "alert": [alert.pk],
        "alerts": [],
        "site": [alert.site.slug],
        "node": [alert.node_id],
    }
    path = reverse(f"noc:{name}", args=arguments[name])
    answer = signed_in(make_user("operator")).get(path, headers=HTMX)
    assert "no-store" in answer["Cache-Control"]
    assert "HX-Request" in answer["Vary"]
