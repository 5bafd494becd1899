"""The fleet page: the answer first, the worst first, and the unknown never well."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from fleet.models import Node, Site
from fleet.noc.fleet_board import FleetBoard, fleet_board
from fleet.noc.fleet_field import MOST_TILES, SiteView
from fleet.noc.fleet_words import Tally, headline, standing
from runbooks.alerts.intake import take_in_findings
from runbooks.alerts.services import acknowledge_alert
from runbooks.models import Alert, BrokenPromise, Escalation
from telemetry.models import Finding
from tests.factories import NOON, make_node, make_site, make_user
from tests.noc.fleet_world import Kind, find, hear, make_fleet, make_incidents, node_of, raise_alert

pytestmark = pytest.mark.django_db

GetPage = Callable[..., str]


@pytest.fixture
def look() -> Callable[[], FleetBoard]:
    """The board as an operator of everything sees it at noon."""
    user = make_user("operator")
    return lambda: fleet_board(user=user, now=NOON)


@pytest.fixture
def get_page(client: Client) -> GetPage:
    """The page as somebody sees it now."""

    def get(role: str | None = "operator", **headers: str) -> str:
        client.force_login(make_user(role))
        return client.get("/", headers=headers).content.decode()

    return get


def tile(board: FleetBoard, site: Site) -> SiteView:
    return next(view for region in board.regions for view in region.tiles if view.site == site)


def cell(board: FleetBoard, site: Site) -> SiteView:
    return next(view for region in board.regions for view in region.cells if view.site == site)


def text_of(page: str) -> str:
    """The page's words, one blank between them."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


@pytest.mark.parametrize(
    ("tally", "sentence"),
    [
        (Tally(), "No sites yet"),
        (Tally(total=1, well=1), "The one site is well"),
        (Tally(total=12, well=12), "All 12 sites are well"),
        (Tally(total=12, well=11, need=1), "1 site needs someone now"),
        (Tally(total=12, well=9, need=2), "2 sites need someone now"),
        (Tally(total=12, well=9), "Nobody is needed now"),
        (Tally(total=12, well=11, unheard=1), "Nobody is needed now"),
    ],
)
def test_the_headline_is_the_answer(tally: Tally, sentence: str) -> None:
    assert headline(tally) == sentence


@pytest.mark.parametrize(
    ("tally", "sentence"),
    [
        (Tally(total=12, well=12), ""),
        (Tally(total=12, well=11), "11 of 12 sites are well."),
        (Tally(total=2, well=1, dark=1), "1 of 2 sites is well, 1 is out of contact."),
        (Tally(total=2, unheard=2), "No site is well, 2 have never reported."),
        (Tally(total=3, well=2, partly=1), "2 of 3 sites are well, 1 is only partly heard from."),
    ],
)
def test_the_line_below_says_what_is_not_known(tally: Tally, sentence: str) -> None:
    assert standing(tally) == sentence


def test_a_fleet_that_is_well_has_no_tiles_and_says_how_fresh_that_is(
    look: Callable[[], FleetBoard],
) -> None:
    make_fleet()
    board = look()
    assert board.headline == "All 11 sites are well"
    assert not any(region.tiles for region in board.regions)
    assert board.newest_at == NOON - timedelta(seconds=2)
    assert [(answer.good, answer.total, answer.state) for answer in board.answers] == [
        (44, 44, ""),
        (11, 11, ""),
        (44, 44, ""),
        (44, 44, ""),
    ]


def test_each_question_is_answered_from_what_is_wrong(look: Callable[[], FleetBoard]) -> None:
    make_incidents(make_fleet())
    answers = [
        (answer.good, answer.total, answer.detail, answer.state) for answer in look().answers
    ]
    assert answers == [
        (38, 44, "2 degraded, 4 out of contact", "p2"),
        (9, 11, "Osaka-3 outside the limits, 1 unknown", "p1"),
        (38, 44, "2 nodes differ or fail, 4 not heard from", "p2"),
        (38, 44, "2 nodes differ, 4 not heard from", "p3"),
    ]


def test_the_worst_comes_first_and_so_does_its_region(look: Callable[[], FleetBoard]) -> None:
    make_incidents(make_fleet())
    order = [(region.name, [view.site.name for view in region.tiles]) for region in look().regions]
    assert order == [
        ("Asia Pacific", ["Osaka-3", "Busan-1"]),
        ("Europe", ["Leeds-2", "Lyon-Clinic", "Porto-Depot"]),
        ("Americas", []),
    ]


def test_a_tile_says_what_is_wrong_since_when_and_who_is_paged_next(
    look: Callable[[], FleetBoard],
) -> None:
    sites = make_fleet()
    raise_alert(sites["Osaka-3"], Kind.THERMAL_ENVELOPE, "Inlet 38.4 °C", now=NOON)
    hot = tile(look(), sites["Osaka-3"])
    assert (hot.state, hot.line, hot.since, hot.is_unanswered) == (
        "p1",
        "Inlet 38.4 °C",
        NOON,
        True,
    )
    assert hot.holder is not None
    assert (hot.holder.kind, hot.holder.names) == ("next", "Samira Haddad")
    assert hot.holder.at == NOON + timedelta(minutes=5)


def test_an_acknowledged_alert_names_who_has_it_and_waits_for_nobody(
    look: Callable[[], FleetBoard],
) -> None:
    sites = make_fleet()
    alert = raise_alert(sites["Osaka-3"], Kind.THERMAL_ENVELOPE, "Inlet 38.4 °C")
    kim = make_user("operator", first_name="Kim", last_name="Tan")
    acknowledge_alert(alert=alert, by=kim, now=NOON)
    board = look()
    holder = tile(board, sites["Osaka-3"]).holder
    assert holder is not None
    assert (holder.kind, holder.names) == ("held", "Kim Tan")
    assert (board.needs, board.headline) == ([], "Nobody is needed now")


def test_an_alert_that_everybody_was_paged_for_says_so(get_page: GetPage) -> None:
    sites = make_fleet()
    alert = raise_alert(sites["Osaka-3"], Kind.THERMAL_ENVELOPE, "Inlet 38.4 °C")
    Escalation.objects.filter(alert=alert).update(
        state=Escalation.State.EXHAUSTED, next_due_at=None
    )
    assert "everybody was paged, no answer" in text_of(get_page())


def test_an_alert_that_nobody_is_paged_for_says_so(get_page: GetPage) -> None:
    sites = make_fleet()
    alert = raise_alert(sites["Osaka-3"], Kind.THERMAL_ENVELOPE, "Inlet 38.4 °C")
    Escalation.objects.filter(alert=alert).delete()
    assert "nobody is being paged" in text_of(get_page())


def test_an_alert_that_is_over_by_itself_is_still_to_be_looked_at(
    look: Callable[[], FleetBoard],
) -> None:
    sites = make_fleet()
    alert = raise_alert(sites["Osaka-3"], Kind.THERMAL_ENVELOPE, "Inlet 38.4 °C")
    Finding.objects.update(cleared_at=NOON, revision=2)
    take_in_findings(now=NOON)
    board = look()
    assert [need.alert for need in board.needs] == [alert]
    assert board.headline == "All 11 sites are well"


def test_a_finding_that_is_no_alert_yet_is_shown_at_once(look: Callable[[], FleetBoard]) -> None:
    sites = make_fleet()
    find(sites["Osaka-3"], Kind.DISK_FULL, "Disk 92 % full", severity=3)
    assert tile(look(), sites["Osaka-3"]).state == "p3"


def test_a_dark_site_is_unknown_and_so_are_its_nodes(look: Callable[[], FleetBoard]) -> None:
    sites = make_fleet()
    raise_alert(sites["Leeds-2"], Kind.SITE_DARK, "No contact since 11:49 UTC", severity=2)
    board = look()
    dark = tile(board, sites["Leeds-2"])
    assert (dark.state, dark.marks, dark.is_dark) == ("stale", ("stale",) * 4, True)
    assert board.standing == "10 of 11 sites are well, 1 is out of contact."


def test_a_site_that_never_reported_is_not_well(look: Callable[[], FleetBoard]) -> None:
    sites = make_fleet()
    new = make_site(region="Europe")
    make_node(site=new)
    empty = make_site(region="Europe", slug="empty")
    board = look()
    assert tile(board, new).line.startswith("No node has reported yet.")
    assert "create_agent_token --site empty" in tile(board, empty).line
    assert board.tally == Tally(total=len(sites) + 2, well=len(sites), unheard=2)


def test_a_site_of_which_a_node_is_late_is_not_counted_as_well(
    look: Callable[[], FleetBoard],
) -> None:
    sites = make_fleet()
    late = node_of(sites["Kobe-1"], 2)
    Node.objects.filter(pk=late.pk).update(last_received_at=NOON - timedelta(seconds=121))
    board = look()
    assert cell(board, sites["Kobe-1"]).state == "stale"
    assert cell(board, sites["Kobe-1"]).line == "Kobe-1: 1 of 4 nodes not heard from just now"
    assert board.headline == "Nobody is needed now"


def test_a_site_that_is_not_in_service_is_neither_well_nor_counted(
    look: Callable[[], FleetBoard],
) -> None:
    planned = make_site(status=Site.Status.PLANNED)
    make_site(status=Site.Status.RETIRED)
    board = look()
    assert cell(board, planned).state == "maint"
    assert (board.tally.total, sum(region.size for region in board.regions)) == (0, 1)


def test_a_node_that_nobody_watches_makes_no_site_ill(look: Callable[[], FleetBoard]) -> None:
    site = make_site()
    hear(make_node(site=site))
    make_node(site=site, is_watched=False)
    assert look().headline == "The one site is well"


def test_few_ill_sites_take_few_columns(look: Callable[[], FleetBoard]) -> None:
    sites = make_fleet(extra=80, nodes=1)
    for name in ("Osaka-3", "Busan-1"):
        find(sites[name], Kind.DISK_FULL, "Disk 92 % full", severity=3)
    columns = {region.name: region.columns for region in look().regions}
    assert columns == {"Asia Pacific": 2, "Europe": 3, "Americas": 1}


def test_a_storm_shows_the_worst_and_counts_the_rest(look: Callable[[], FleetBoard]) -> None:
    sites = make_fleet(extra=MOST_TILES, nodes=1)
    for number, site in enumerate(sites.values()):
        find(site, Kind.DISK_FULL, "Disk 92 % full", severity=3, fingerprint=f"disk/{number}")
    board = look()
    shown = sum(len(region.tiles) for region in board.regions)
    assert (shown, board.left_out) == (MOST_TILES, len(sites) - MOST_TILES)


@pytest.mark.parametrize("extra", [0, 27])
def test_the_number_of_queries_does_not_grow_with_the_fleet(
    django_assert_num_queries: Any, extra: int
) -> None:
    make_incidents(make_fleet(extra=extra))
    user = make_user("operator")
    with django_assert_num_queries(17):
        fleet_board(user=user, now=NOON)


def test_an_owner_sees_their_sites_alone() -> None:
    sites = make_fleet()
    make_incidents(sites)
    owner = sites["Busan-1"].owner
    assert owner is not None
    owner.user = make_user()
    owner.save()
    board = fleet_board(user=owner.user, now=NOON)
    assert [region.name for region in board.regions] == ["Asia Pacific"]
    assert {need.alert.site.region for need in board.needs} == {"Asia Pacific"}


def test_the_longest_wait_is_that_of_the_urgent_and_high(look: Callable[[], FleetBoard]) -> None:
    sites = make_fleet()
    alerts = make_incidents(sites)
    oldest = look().oldest
    assert oldest is not None
    assert oldest.alert == alerts["dark"]


def test_who_answers_begins_with_those_who_have_trouble(look: Callable[[], FleetBoard]) -> None:
    sites = make_fleet()
    find(sites["Recife-1"], Kind.DISK_FULL, "Disk 92 % full", severity=3)
    first = look().people[0]
    assert (first.owner.name, first.place, first.local) == ("Luis Ortega", "Chicago", "06:00")


def test_alerts_that_come_too_fast_are_called_a_flood(look: Callable[[], FleetBoard]) -> None:
    for site in make_fleet().values():
        raise_alert(site, Kind.DISK_FULL, "Disk 92 % full", severity=3)
    Alert.objects.filter(site__slug="kobe-1").update(opened_at=NOON - timedelta(minutes=11))
    board = look()
    assert (board.recent, board.is_flood) == (10, True)


def test_a_broken_promise_of_the_pager_is_told_to_those_who_answer(get_page: GetPage) -> None:
    make_fleet()
    BrokenPromise.objects.create(
        code=BrokenPromise.Code.PAGE_OVERDUE,
        subject="page 1",
        sentence="The page to Mei Tanaka was not tried.",
        first_seen_at=NOON,
        last_seen_at=NOON,
    )
    assert "The page to Mei Tanaka was not tried." in get_page("operator")
    assert "Mei Tanaka was not tried" not in get_page("viewer")


def test_whoever_may_only_look_is_offered_no_act(get_page: GetPage) -> None:
    sites = make_fleet()
    raise_alert(sites["Osaka-3"], Kind.THERMAL_ENVELOPE, "Inlet 38.4 °C")
    assert "Acknowledge <kbd>" in get_page("operator")
    assert "Acknowledge <kbd>" not in get_page("viewer")


def test_an_empty_fleet_says_the_next_step(get_page: GetPage, client: Client) -> None:
    assert "You have no role at any site yet." in get_page(None)
    assert "make demo" in get_page("operator")
    client.force_login(make_user(is_superuser=True))
    assert "make demo" in client.get("/").content.decode()


def test_the_fragment_is_the_board_alone_with_its_title(get_page: GetPage) -> None:
    make_fleet()
    fragment = get_page("operator", HX_Request="true")
    assert "<html" not in fragment
    assert fragment.lstrip().startswith("<title>")
    assert 'id="board"' in fragment


def test_a_site_is_named_to_those_who_do_not_see_its_cell(get_page: GetPage) -> None:
    sites = make_fleet(nodes=1)
    Node.objects.filter(site=sites["Kobe-1"]).update(last_received_at=None)
    page = get_page("operator")
    assert 'aria-label="Quebec-2: ' in page
    assert "out of contact" in page
