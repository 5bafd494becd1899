"""The site page: is this site well, what is there, who answers for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from fleet.models import Contact, DesiredState, Node, ReportedState, Site
from fleet.noc.site_board import site_board
from runbooks.alerts.services import acknowledge_alert
from telemetry.models import Finding
from tests.factories import NOON, make_contact, make_node, make_owner, make_site, make_user
from tests.noc.detail_world import (
    HTMX,
    NOW,
    counted_queries,
    figure_in,
    hot_alert,
    hot_node,
    signed_in,
    stop_clock,
)
from tests.runbooks.world import make_finding, policy_of, word
from tests.telemetry.windows import CPU, DISK, INLET, send_window

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


def page_of(site: Site, user: Any = None, **headers: str) -> str:
    client = signed_in(user or make_user("operator"))
    answer = client.get(reverse("noc:site", args=[site.slug]), headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def heard(node: Node) -> Node:
    """Let the node report just now."""
    send_window(node, {INLET: 24.0, CPU: 0.42, DISK: 0.5}, minute=19)
    return node


def test_a_well_site_says_so() -> None:
    node = heard(make_node())
    page = page_of(node.site)
    assert f"{node.site.name} is well" in page
    assert "1 node, no open alert" in page


def test_trouble_that_nobody_has_comes_before_trouble_that_somebody_has() -> None:
    alert = hot_alert()
    assert f"{alert.site.name} needs someone now" in page_of(alert.site)
    acknowledge_alert(alert=alert, by=make_user("operator"), now=NOW)
    assert f"{alert.site.name} has trouble, and somebody has it" in page_of(alert.site)


def test_a_site_without_a_sign_of_life_is_out_of_contact_not_well() -> None:
    node = heard(make_node())
    make_finding(site=node.site, kind=Finding.Kind.SITE_DARK, fingerprint="site.dark")
    page = page_of(node.site)
    assert f"{node.site.name} is out of contact" in page
    assert "is well" not in page
    assert "hatched" in page


def test_a_silent_node_is_told_among_well_ones() -> None:
    node = heard(make_node())
    silent = heard(make_node(site=node.site))
    make_finding(site=node.site, node=silent, kind=Finding.Kind.NODE_SILENT)
    page = page_of(node.site)
    assert "is well, but 1 of 2 nodes are not heard" in page
    assert page.index(f">{silent.name}<") < page.index(f">{node.name}<")


def test_a_new_site_says_what_it_waits_for() -> None:
    site = make_site()
    page = page_of(site)
    assert f"{site.name} has no nodes yet" in page
    assert f"manage.py create_agent_token --site {site.slug}" in page
    make_node(site=site)
    assert f"{site.name} waits for its first reading" in page_of(site)


def test_a_hidden_site_does_not_exist() -> None:
    site = make_site()
    stranger = signed_in(make_user("operator", site=make_site()))
    assert stranger.get(reverse("noc:site", args=[site.slug])).status_code == 404


def test_nodes_show_their_key_readings_and_when_they_were_heard() -> None:
    node = heard(make_node())
    page = page_of(node.site)
    assert "24.0 °C" in page
    assert "42 %" in page
    assert "50 %" in page
    assert "well" in page


def test_the_reading_that_fired_carries_the_mark_of_its_alert() -> None:
    alert = hot_alert()
    board = site_board(user=make_user("operator"), site=alert.site, now=NOW)
    [row] = board.rows
    assert row.severity == 1
    assert [cell.severity for cell in row.cells] == [1, 0, 0, 0]


def test_the_inlets_of_the_last_day_are_drawn() -> None:
    node = hot_node()
    page = page_of(node.site)
    assert len(figure_in(page, "site-chart-data")["data"]) == 2
    assert "last 24 h, site time (UTC+9)" in page


def test_a_mean_of_minutes_is_not_called_the_present_reading() -> None:
    page = page_of(hot_node().site)
    assert "Mean of the last 4 min <b>" in page
    assert "Now <b>" not in page


def test_of_many_nodes_the_four_hottest_are_drawn() -> None:
    site = make_site()
    for warmth in range(6):
        send_window(make_node(site=site, name=f"node-{warmth}"), {INLET: 20.0 + warmth}, minute=19)
    board = site_board(user=make_user("operator"), site=site, now=NOW)
    assert board.chart is not None
    assert [one.label for one in board.chart.readouts] == ["node-2", "node-3", "node-4", "node-5"]


def test_the_owner_is_shown_with_their_time_and_contacts_but_never_an_address() -> None:
    owner = make_owner(name="Anne Roux", time_zone="Europe/Paris")
    make_contact(owner=owner, label="duty phone", url="http://127.0.0.1:9/secret-path")
    make_contact(owner=owner, label="old pager", position=2, disabled_reason="the receiver is gone")
    page = page_of(make_site(owner=owner))
    assert "Anne Roux" in page
    assert "13:20 for them (Europe/Paris)" in page
    assert "duty phone" in page
    assert "<b>switched off</b>, the receiver is gone" in page
    contact = Contact.objects.get(label="duty phone")
    assert "secret-path" not in page
    assert contact.secret not in page


def test_the_policy_is_a_ladder_of_people() -> None:
    owner = make_contact(owner=make_owner(name="Kenji Mori")).owner
    ada = make_contact(owner=make_owner(name="Ada Lindqvist")).owner
    policy = policy_of((["site_owner"], 90), ([word(ada), "owner:999999"], 600), repeat=2)
    site = make_site(owner=owner, policy=policy)
    board = site_board(user=make_user("operator"), site=site, now=NOW)
    assert [(rung.after, rung.people) for rung in board.rungs] == [
        ("at once", ["Kenji Mori"]),
        ("+1 min 30 s", ["Ada Lindqvist"]),
    ]
    assert "then all of it again, 2 times" in page_of(site)


def test_hub_and_spurs_are_linked_where_they_may_be_seen() -> None:
    hub = make_site(pattern="hub")
    spur = make_site(pattern="spur", parent=hub)
    hidden = make_site(pattern="spur", parent=hub)
    viewer = make_user("viewer", site=hub)
    viewer.memberships.create(role="viewer", site=spur)
    page = page_of(hub, viewer)
    assert spur.name in page
    assert hidden.name not in page
    assert hub.name in page_of(spur)


def test_models_and_configuration_are_told_against_what_is_desired() -> None:
    site = make_site()
    right, wrong, mute = (heard(make_node(site=site, name=name)) for name in "abc")
    DesiredState.objects.create(
        kind="model",
        name="triage-7b",
        number=1,
        version="2.3.1",
        digest="sha256:AA",
        created_at=NOON,
    )
    for node, digest in ((right, "aa"), (wrong, "bb")):
        ReportedState.objects.create(
            node=node,
            kind="model",
            name="triage-7b",
            digest=digest,
            version="2.3.0",
            state="ready",
            observed_at=NOON,
        )
    [item] = site_board(user=make_user("operator"), site=site, now=NOW).items
    assert (item.same, item.count) == (1, 3)
    assert [(one.node, one.words) for one in item.others] == [
        (wrong, "differs"),
        (mute, "not reported"),
    ]


def test_more_nodes_cost_no_more_queries() -> None:
    site = make_site()
    user = make_user("operator")
    for name in "abcd":
        heard(make_node(site=site, name=name))
    with counted_queries() as few:
        site_board(user=user, site=site, now=NOW)
    for name in "efghijkl":
        heard(make_node(site=site, name=name))
    with counted_queries() as many:
        site_board(user=user, site=site, now=NOW)
    assert len(many) == len(few) <= 32


def test_the_changing_part_alone_is_fetched_where_the_page_asks() -> None:
    page = page_of(heard(make_node()).site, **HTMX)
    assert page.startswith('<div id="site"')
    assert "<html" not in page


def test_an_old_window_is_late_not_well() -> None:
    node = make_node()
    send_window(node, {INLET: 24.0}, minute=5)
    assert node.last_received_at is not None
    assert node.last_received_at < NOW - timedelta(minutes=10)
    assert "late" in page_of(node.site)


def test_old_readings_are_never_called_present() -> None:
    node = make_node()
    send_window(node, {INLET: 24.0}, minute=5)
    page = page_of(node.site)
    assert "Last <b>24.0 °C</b> at 21:05" in page
    assert "Now <b>" not in page


def test_an_alert_of_the_site_marks_the_nodes_it_names() -> None:
    site = make_site()
    named, other = (heard(make_node(site=site, name=name)) for name in ("named", "other"))
    evidence = {"item": "sshd_config", "nodes": [named.name]}
    hot_alert(named, node=None, kind=Finding.Kind.CONFIG_DRIFT, severity=2, evidence=evidence)
    rows = site_board(user=make_user("operator"), site=site, now=NOW).rows
    assert [(row.node, row.severity) for row in rows] == [(named, 2), (other, 0)]
