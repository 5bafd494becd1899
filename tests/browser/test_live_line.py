"""The live line in a real browser: news appear, and silence is never taken for calm."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from fleet.lengths import duration_words
from fleet.models import Site
from runbooks.models import Alert
from tests.browser.conftest import OpenPage
from tests.browser.screens import Line, elsewhere, faults_at_every_size, settle
from tests.noc.fleet_world import Kind, raise_alert

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_an_alert_appears_by_itself_and_takes_no_focus_away(
    open_page: OpenPage, operator: Any, sites: dict[str, Site]
) -> None:
    page = settle(open_page(operator))
    page.locator(f"#cell-{sites['Kobe-1'].pk}").focus()
    elsewhere(
        raise_alert, sites["Osaka-3"], Kind.THERMAL_ENVELOPE, "Inlet 38.4 °C", now=datetime.now(UTC)
    )
    expect(page.get_by_role("heading", level=1)).to_have_text("1 site needs someone now")
    expect(page.locator("#counts a.p1")).to_have_text("1 urgent")
    expect(page.locator(f"#cell-{sites['Kobe-1'].pk}")).to_be_focused()
    expect(page).to_have_title("1 site needs someone now · Hearthwatch")


def test_one_key_acknowledges_the_worst_alert(
    open_page: OpenPage, operator: Any, alerts: dict[str, Alert]
) -> None:
    page = settle(open_page(operator))
    page.keyboard.press("a")
    expect(page.locator(f"#need-{alerts['hot'].pk}")).to_have_count(0)
    expect(page.locator(f"#tile-{alerts['hot'].site_id}")).to_contain_text("Aiko Sato has it")
    alert = elsewhere(Alert.objects.get, pk=alerts["hot"].pk)
    assert (alert.response, alert.acknowledged_by_id) == ("acknowledged", operator.pk)


def test_a_refused_act_says_why(
    open_page: OpenPage, operator: Any, alerts: dict[str, Alert]
) -> None:
    page = settle(open_page(operator))
    answer = '<p class="fault" role="alert"><span>Kim Tan was faster.</span></p>'
    page.route("**/acknowledge/", lambda route: route.fulfill(status=409, body=answer))
    page.keyboard.press("a")
    expect(page.locator("#said")).to_have_text("Kim Tan was faster.")


def test_a_part_that_cannot_be_fetched_is_hatched_and_mends_itself(
    open_page: OpenPage, operator: Any, sites: dict[str, Site]
) -> None:
    page = settle(open_page(operator))
    page.route("**/", lambda route: route.fulfill(status=500, body="broken"))
    page.evaluate("document.body.dispatchEvent(new CustomEvent('live-changed'))")
    expect(page.locator("#board[data-failed]")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_text("All 11 sites are well")
    page.unroute("**/")
    page.evaluate("document.body.dispatchEvent(new CustomEvent('live-changed'))")
    expect(page.locator("#board[data-failed]")).to_have_count(0)


@pytest.fixture
def line() -> Line:
    return Line()


def test_silence_is_called_delayed_then_not_live_and_nothing_looks_current(
    open_page: OpenPage, operator: Any, alerts: dict[str, Alert], line: Line
) -> None:
    page = settle(open_page(operator, before=line.take))
    line.greets = False
    expect(page.locator("#age .says")).to_have_text(re.compile(r"^live, data \d+ s old$"))
    page.clock.fast_forward(16_000)
    expect(page.locator("#age .says")).to_have_text(re.compile("^DELAYED"))
    expect(page.locator("#not-live")).to_be_hidden()
    page.clock.fast_forward(15_000)
    expect(page.locator("#not-live")).to_have_text(
        re.compile(r"^NOT LIVE since \d\d:\d\d:\d\d UTC\. You see the last known state")
    )
    look = "getComputedStyle(document.querySelector('.tile.p2')).backgroundImage"
    assert "gradient" in page.evaluate(look)
    assert faults_at_every_size(page) == []


def test_a_line_that_is_back_after_silence_brings_everything_up_to_date(
    open_page: OpenPage, operator: Any, sites: dict[str, Site], line: Line
) -> None:
    page = settle(open_page(operator, before=line.take))
    line.greets = False
    page.clock.fast_forward(31_000)
    expect(page.locator("#not-live")).to_be_visible()
    line.greets = True
    elsewhere(
        raise_alert, sites["Osaka-3"], Kind.THERMAL_ENVELOPE, "Inlet 38.4 °C", now=datetime.now(UTC)
    )
    page.clock.fast_forward(2_000)
    expect(page.locator("#not-live")).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_have_text("1 site needs someone now")
    expect(page.locator("#counts a.p1")).to_have_text("1 urgent")


def test_news_that_came_before_the_line_was_open_is_shown_once_it_is(
    open_page: OpenPage, operator: Any, sites: dict[str, Site], line: Line
) -> None:
    line.meanwhile = lambda: elsewhere(
        raise_alert, sites["Osaka-3"], Kind.THERMAL_ENVELOPE, "Inlet 38.4 °C", now=datetime.now(UTC)
    )
    page = settle(open_page(operator, before=line.take))
    page.clock.run_for(1_200)
    expect(page.get_by_role("heading", level=1)).to_have_text("1 site needs someone now")
    expect(page.locator("#counts a.p1")).to_have_text("1 urgent")


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (
            {"event": "alert-changed", "id": 7, "site": 3},
            ["alert-changed", "alert-changed-7", "live-changed", "site-changed", "site-changed-3"],
        ),
        (
            {"event": "site-changed", "id": 3, "site": 3},
            ["live-changed", "site-changed", "site-changed-3"],
        ),
        ({"event": "something-new", "id": 3, "site": 3}, []),
    ],
)
def test_each_event_is_told_to_the_page_by_name_and_by_id(
    open_page: OpenPage, operator: Any, line: Line, said: dict[str, Any], heard: list[str]
) -> None:
    page = settle(open_page(operator, before=line.take))
    # What the page tells itself once its line is open is over.
    page.clock.run_for(1_200)
    page.evaluate(
        """window.heard = new Set();
        for (const name of ["alert-changed", "alert-changed-7", "site-changed", "site-changed-3",
                            "live-changed"])
          document.body.addEventListener(name, () => window.heard.add(name));"""
    )
    line.ends[-1].send("no JSON at all")
    line.say(**said)
    page.clock.run_for(5_500)
    assert page.evaluate("[...window.heard].sort()") == heard


def test_many_events_in_a_second_fetch_the_board_once_or_twice(
    open_page: OpenPage, operator: Any, sites: dict[str, Site], line: Line
) -> None:
    page = settle(open_page(operator, before=line.take))
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.headers.get("hx-source", "")))
    for number in range(50):
        line.say("alert-changed", id=number, site=1)
    page.clock.run_for(1_200)
    page.wait_for_load_state("networkidle")
    assert 1 <= asked.count("div#board") <= 2


def test_a_page_whose_session_ended_goes_to_the_login_and_back(
    open_page: OpenPage, operator: Any, sites: dict[str, Site]
) -> None:
    page = settle(open_page(operator, "/?from=test"))
    elsewhere(Session.objects.all().delete)
    page.evaluate("document.body.dispatchEvent(new CustomEvent('live-changed'))")
    page.wait_for_url("**/login/?next=%2F%3Ffrom%3Dtest")


def test_somebody_signed_out_elsewhere_is_told_so(
    open_page: OpenPage, operator: Any, line: Line
) -> None:
    page = settle(open_page(operator, before=line.take))
    line.ends[-1].close(code=4401)
    expect(page.locator("#not-live")).to_contain_text("You are signed out")
    expect(page.get_by_role("link", name="Log in again")).to_be_visible()


def test_ages_tick_by_the_servers_clock_and_in_its_words(
    open_page: OpenPage, operator: Any, alerts: dict[str, Alert]
) -> None:
    page = open_page(operator)
    lengths = [0, 59, 60, 3599, 3600, 6000, 86_399, 86_400, 90_000, 90_000 * 8]
    said = page.evaluate(
        """async (lengths) => {
          const { durationWords } = await import("/static/js/clock.js");
          return lengths.map(durationWords);
        }""",
        lengths,
    )
    assert said == [duration_words(length) for length in lengths]
