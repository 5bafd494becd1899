"""The queue: what must I do next, worst first, and nothing of sites I may not see."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.http import QueryDict
from django.urls import reverse

from fleet.models import Owner
from fleet.noc.queue_board import Filters, QueueBoard, queue_board
from runbooks.alerts.intake import take_in_findings
from runbooks.alerts.services import acknowledge_alert, close_alert
from runbooks.models import Alert, EscalationPolicyVersion, RunbookVersion
from runbooks.suppression.shelf import shelve_alert
from telemetry.models import Finding
from tests.factories import NOON, make_contact, make_node, make_owner, make_site, make_user
from tests.noc.detail_world import HTMX, NOW, counted_queries, hot_alert, signed_in, stop_clock
from tests.runbooks.world import (
    HIGH,
    LOW,
    URGENT,
    clear,
    make_alert,
    make_library,
    policy_of,
    word,
)

pytestmark = pytest.mark.django_db

minute = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


def board_of(user: Any, query: str = "") -> QueueBoard:
    return queue_board(user=user, filters=Filters.read(QueryDict(query)), now=NOW)


def alerts_in(board: QueueBoard, name: str) -> list[Alert]:
    """Return the alerts of one band, in order."""
    return [row.alert for band in board.bands if band.name == name for row in band.rows]


def queue(user: Any, query: str = "", **headers: str) -> str:
    answer = signed_in(user).get(reverse("noc:alerts") + query, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def many_alerts(number: int) -> None:
    """Make open alerts of one site in one statement, without escalations."""
    site, node = make_site(), make_node()
    make_library()
    version = RunbookVersion.objects.get(runbook__slug="thermal-alarm")
    policy = EscalationPolicyVersion.objects.get(policy__sites__site=site)
    Alert.objects.bulk_create(
        Alert(
            site=site,
            node=node,
            dedup_key=f"key-{key}",
            kind="disk.full",
            severity=1 + key % 3,
            summary=f"Disk {key} in use 96 %",
            began_at=NOON,
            opened_at=NOON,
            last_seen_at=NOON,
            runbook_version=version,
            policy_version=policy,
        )
        for key in range(number)
    )


def test_an_empty_queue_says_so_in_words() -> None:
    page = queue(make_user("operator"))
    assert "No alert is open" in page
    assert "Nothing asks for you." in page
    assert "<caption" not in page[page.index('id="queue"') :].split("</main>")[0]


def test_alerts_stand_in_three_bands_by_who_has_them() -> None:
    make_library()
    me, other = make_user("operator"), make_user("operator")
    waiting, mine, theirs = make_alert(), make_alert(), make_alert()
    acknowledge_alert(alert=mine, by=me, now=NOW)
    acknowledge_alert(alert=theirs, by=other, now=NOW)
    board = board_of(me)
    assert alerts_in(board, "waiting") == [waiting]
    assert alerts_in(board, "mine") == [mine]
    assert alerts_in(board, "others") == [theirs]


def test_the_worst_comes_first_and_among_equals_the_oldest() -> None:
    make_library()
    low = make_alert(severity=LOW, now=NOON - 60 * minute)
    young = make_alert(severity=URGENT, now=NOON + minute)
    old = make_alert(severity=URGENT, now=NOON)
    high = make_alert(severity=HIGH)
    assert alerts_in(board_of(make_user("operator")), "waiting") == [old, young, high, low]


def test_a_row_says_what_where_since_when_and_who_is_paged_next() -> None:
    make_contact(owner=make_owner(name="Ada Lindqvist", is_catch_all=True))
    alert = hot_alert()
    page = " ".join(queue(make_user("operator")).split())
    assert alert.summary in page
    assert alert.site.name in page
    assert "<span>urgent</span>" in page
    assert ">20 min</time>" in page
    assert "pages <b>Ada Lindqvist</b> <time" in page
    assert "Thermal alarm v1" in page


def test_each_person_of_a_step_is_named_once_and_crowds_are_counted() -> None:
    make_library()
    owners = [make_contact(owner=make_owner(name=name)).owner for name in ("Kim", "Ada", "Li")]
    site = make_site(
        owner=owners[0],
        policy=policy_of((["site_owner", *map(word, owners)], 300), repeat=0),
    )
    make_alert(site=site)
    [row] = board_of(make_user("operator")).bands[0].rows
    assert row.next_names == "Kim and 2 more"
    Owner.objects.filter(name="Li").update(name="Ada")
    assert board_of(make_user("operator")).bands[0].rows[0].next_names == "Kim and Ada"


def test_nobody_is_paged_next_for_what_somebody_has() -> None:
    make_library()
    user = make_user("operator")
    alert = make_alert()
    acknowledge_alert(alert=alert, by=user, now=NOW)
    [row] = board_of(user).bands[1].rows
    assert (row.next_at, row.next_names) == (None, "")


def test_nobody_is_paged_next_for_trouble_that_is_over() -> None:
    alert = hot_alert()
    clear(Finding.objects.get(), now=NOW)
    take_in_findings(now=NOW)
    [row] = board_of(make_user("operator")).bands[0].rows
    assert row.alert == alert
    assert (row.next_at, row.next_names) == (None, "")


def test_alerts_of_hidden_sites_are_neither_listed_nor_counted() -> None:
    make_library()
    alert = make_alert()
    stranger = make_user("operator", site=make_site())
    board = board_of(stranger)
    assert board.is_empty
    assert (board.open_count, board.recent) == (0, 0)
    row = reverse("noc:alert-row", args=[alert.pk])
    assert signed_in(stranger).get(row).status_code == 404


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("severity=1", ["urgent"]),
        ("severity=9", ["urgent", "high", "mine", "theirs"]),
        ("response=waiting", ["urgent", "high"]),
        ("response=mine", ["mine"]),
        ("response=others", ["theirs"]),
        ("response=nonsense", ["urgent", "high", "mine", "theirs"]),
        ("site=leeds&severity=2", ["high"]),
        ("site=nowhere", []),
    ],
)
def test_the_filters_stand_in_the_address(query: str, kept: list[str]) -> None:
    make_library()
    me, other = make_user("operator"), make_user("operator")
    leeds = make_site(slug="leeds")
    make_alert(summary="urgent")
    make_alert(summary="high", severity=HIGH, site=leeds)
    acknowledge_alert(alert=make_alert(summary="mine", severity=LOW), by=me, now=NOW)
    acknowledge_alert(alert=make_alert(summary="theirs", severity=LOW), by=other, now=NOW)
    board = board_of(me, query)
    assert [row.alert.summary for band in board.bands for row in band.rows] == kept


def test_changing_one_filter_keeps_the_others() -> None:
    filters = Filters.read(QueryDict("severity=2&site=leeds&response=mine&closed=1"))
    assert filters.query == "?severity=2&site=leeds&response=mine&closed=1"
    board = board_of(make_user("operator"), "severity=2&site=leeds")
    assert board.closed.query == "?severity=2&site=leeds&closed=1"
    assert board.severities[0].query == "?site=leeds"


def test_what_was_closed_in_the_last_day_is_shown_when_asked_for() -> None:
    make_library()
    user = make_user("operator")
    new, old = make_alert(), make_alert()
    close_alert(alert=new, by=user, reason="done", now=NOW - timedelta(hours=23))
    close_alert(alert=old, by=user, reason="done", now=NOW - timedelta(hours=25))
    assert alerts_in(board_of(user), "closed") == []
    assert alerts_in(board_of(user, "closed=1"), "closed") == [new]


def test_the_rate_counts_ten_minutes_and_says_when_it_is_a_flood() -> None:
    make_library()
    user = make_user("operator")
    make_alert(now=NOW - 11 * minute)
    for _ in range(9):
        make_alert(now=NOW - 9 * minute)
    assert "9 alerts in the last 10 min, target at most 1" in queue(user)
    make_alert(now=NOW)
    assert "<b>Flood:</b> 10 alerts in the last 10 min" in queue(user)


def test_two_hundred_rows_cost_no_more_queries_than_three() -> None:
    user = make_user("operator")
    many_alerts(3)
    with counted_queries() as few:
        board_of(user)
    many_alerts(197)
    with counted_queries() as many:
        board = board_of(user)
    assert sum(len(band.rows) for band in board.bands) == 200
    assert len(many) == len(few) <= 14


def test_more_rows_than_anybody_reads_are_counted_instead() -> None:
    many_alerts(203)
    board = board_of(make_user("operator"))
    assert board.left_out == 3
    assert "3 more open alerts are not shown" in queue(make_user("operator"))


def test_who_may_only_look_finds_no_button() -> None:
    make_library()
    alert = make_alert()
    button = reverse("noc:alert-acknowledge", args=[alert.pk])
    assert button in queue(make_user("operator"))
    assert button not in queue(make_user("viewer"))


def test_the_list_alone_is_fetched_where_the_page_asks() -> None:
    make_library()
    make_alert()
    page = queue(make_user("operator"), **HTMX)
    assert page.startswith('<div id="queue"')
    assert "<html" not in page


def test_an_acknowledgement_from_a_row_answers_with_the_row() -> None:
    make_library()
    alert = make_alert()
    door = reverse("noc:alert-acknowledge", args=[alert.pk])
    answer = signed_in(make_user("operator")).post(door, {"from": "queue"}, headers=HTMX)
    row = answer.content.decode()
    assert row.startswith(f'<tr id="alert-{alert.pk}"')
    assert "<b>you</b>" in row
    assert door not in row


def test_the_second_operator_reads_in_the_row_who_was_first() -> None:
    make_library()
    alert = make_alert()
    first = make_user("operator", first_name="Anne", last_name="Roux")
    acknowledge_alert(alert=alert, by=first, now=NOW)
    door = reverse("noc:alert-acknowledge", args=[alert.pk])
    answer = signed_in(make_user("operator")).post(door, {"from": "queue"}, headers=HTMX)
    assert answer.status_code == 409
    assert "is already taken: Anne Roux" in answer.content.decode()


def test_without_scripts_the_queue_comes_back() -> None:
    make_library()
    alert = make_alert()
    door = reverse("noc:alert-acknowledge", args=[alert.pk])
    answer = signed_in(make_user("operator")).post(door, {"from": "queue"})
    assert answer["Location"] == reverse("noc:alerts")


def chosen(
    user: Any, alerts: list[Alert], act: str = "acknowledge", **said: str
) -> tuple[int, str]:
    """Act on several alerts as a browser with scripts does."""
    data = {"alert": [alert.pk for alert in alerts], "act": act} | said
    answer = signed_in(user).post(reverse("noc:alerts-bulk"), data, headers=HTMX)
    return answer.status_code, " ".join(answer.content.decode().split())


def test_several_alerts_are_acknowledged_at_once() -> None:
    make_library()
    alerts = [make_alert(), make_alert(), make_alert()]
    user = make_user("operator")
    status, page = chosen(user, alerts[:2])
    assert status == 200
    assert "2 alerts acknowledged." in page
    board = board_of(user)
    assert {alert.pk for alert in alerts_in(board, "mine")} == {alert.pk for alert in alerts[:2]}
    assert [alert.pk for alert in alerts_in(board, "waiting")] == [alerts[2].pk]


def test_what_another_has_is_left_to_them_and_told() -> None:
    make_library()
    mine, theirs = make_alert(), make_alert()
    acknowledge_alert(alert=theirs, by=make_user("operator", first_name="Anne"), now=NOW)
    _, page = chosen(make_user("operator"), [mine, theirs])
    assert "1 alert acknowledged." in page
    assert f"A-{theirs.pk} is already taken" in page


def test_closing_several_that_fire_needs_a_reason() -> None:
    make_library()
    alerts = [make_alert(), make_alert()]
    user = make_user("operator")
    _, page = chosen(user, alerts, act="close")
    assert "0 alerts closed." in page
    _, page = chosen(user, alerts, act="close", reason="fire drill")
    assert "2 alerts closed." in page


def test_of_several_the_one_that_another_took_meanwhile_is_not_closed() -> None:
    make_library()
    alerts = [make_alert(), make_alert()]
    user = make_user("operator")
    shown = signed_in(user).get(reverse("noc:alerts")).content.decode()
    assert f'name="seen_{alerts[0].pk}" value="1" form="bulk"' in shown
    acknowledge_alert(alert=alerts[0], by=make_user("operator", first_name="Anne"), now=NOW)
    seen = {f"seen_{alert.pk}": "1" for alert in alerts}
    _, page = chosen(user, alerts, act="close", reason="fire drill", **seen)
    assert "1 alert closed." in page
    assert f"A-{alerts[0].pk} changed since you looked: Anne took it" in page


def test_acting_on_nothing_says_how_to_choose() -> None:
    _, page = chosen(make_user("operator"), [])
    assert "Choose alerts first" in page


@pytest.mark.parametrize("garbage", ["²", "9" * 5_000, "-1", "x"])
def test_what_is_no_alert_is_passed_over(garbage: str) -> None:
    client = signed_in(make_user("operator"))
    answer = client.post(reverse("noc:alerts-bulk"), {"alert": [garbage]}, headers=HTMX)
    assert answer.status_code == 200
    assert "Choose alerts first" in answer.content.decode()


def test_alerts_of_hidden_sites_are_not_touched() -> None:
    make_library()
    hidden = make_alert()
    chosen(make_user("operator", site=make_site()), [hidden])
    hidden.refresh_from_db()
    assert hidden.response == Alert.Response.UNACKNOWLEDGED


def test_without_scripts_the_outcome_is_told_on_the_queue() -> None:
    make_library()
    alert = make_alert()
    client = signed_in(make_user("operator"))
    answer = client.post(
        reverse("noc:alerts-bulk") + "?severity=1", {"alert": [alert.pk]}, follow=True
    )
    assert answer.redirect_chain == [(reverse("noc:alerts") + "?severity=1", 302)]
    assert "1 alert acknowledged." in answer.content.decode()


def test_what_is_held_back_stands_apart_and_asks_for_nobody() -> None:
    make_library()
    user = make_user("operator")
    held, waiting = make_alert(), make_alert()
    shelve_alert(alert=held, by=user, until=NOW + 60 * minute, reason="part ordered", now=NOW)
    board = board_of(user)
    assert [alert.pk for alert in alerts_in(board, "waiting")] == [waiting.pk]
    assert [alert.pk for alert in alerts_in(board, "held")] == [held.pk]
    page = queue(user)
    assert "1 alert waits for an answer" in page
    assert "Held back: silenced, in maintenance, shelved or explained by another" in page
    assert [alert.pk for alert in alerts_in(board_of(user, "response=held"), "held")] == [held.pk]
