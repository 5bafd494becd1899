"""The fleet page, the frame and the login in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from fleet.models import Site
from runbooks.models import Alert
from tests.browser.conftest import OpenPage, find_chromium
from tests.browser.screens import elsewhere, faults_at_every_size, settle
from tests.factories import make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


# --- everybody can use it ------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/preferences/", "/login/", "/nothing/here/"])
def test_axe_finds_nothing_at_any_size(
    open_page: OpenPage, operator: Any, alerts: dict[str, Alert], path: str, dark: bool
) -> None:
    user = None if path == "/login/" else operator
    assert faults_at_every_size(open_page(user, path, dark=dark)) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_in_an_empty_fleet(
    open_page: OpenPage, operator: Any, dark: bool
) -> None:
    page = open_page(operator, dark=dark)
    expect(page.get_by_role("heading", level=1)).to_have_text("No sites yet")
    assert faults_at_every_size(page) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_in_the_open_menu_nor_in_the_list_of_keys(
    open_page: OpenPage, operator: Any, sites: dict[str, Site], dark: bool
) -> None:
    page = open_page(operator, dark=dark)
    page.locator("#menu summary").click()
    assert faults_at_every_size(page) == []
    page.locator("#show-keys").click()
    assert faults_at_every_size(page) == []


def test_a_narrow_phone_needs_no_sideways_scrolling(
    open_page: OpenPage, operator: Any, alerts: dict[str, Alert]
) -> None:
    page = open_page(operator, width=320, height=640)
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_every_target_is_at_least_24_pixels_high_and_wide(
    open_page: OpenPage, operator: Any, alerts: dict[str, Alert]
) -> None:
    page = open_page(operator, width=390, height=844)
    small = page.evaluate(
        """[...document.querySelectorAll("header a, header summary, .cell, .btn, .tile a")]
        .filter(one => one.getClientRects().length)
        .filter(one => { const box = one.getBoundingClientRect();
                         return box.width < 24 || box.height < 24 })
        .map(one => one.outerHTML.slice(0, 90))"""
    )
    assert small == []


# --- keys, menu, choices -------------------------------------------------------------------


def test_keys_lead_to_pages_and_through_lists(
    open_page: OpenPage, operator: Any, alerts: dict[str, Alert]
) -> None:
    page = open_page(operator)
    page.keyboard.press("j")
    expect(page.locator(f"#need-open-{alerts['hot'].pk}")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator(f"#need-open-{alerts['hot'].pk}")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/alerts/{alerts['hot'].pk}/")
    page.keyboard.press("g")
    page.keyboard.press("f")
    page.wait_for_url(re.compile(r":\d+/$"))


def test_a_key_acts_on_the_marked_row_first(
    open_page: OpenPage, operator: Any, alerts: dict[str, Alert]
) -> None:
    page = settle(open_page(operator))
    page.locator(f"#need-open-{alerts['throttled'].pk}").focus()
    page.keyboard.press("a")
    expect(page.locator(f"#need-{alerts['throttled'].pk}")).to_have_count(0)
    expect(page.locator(f"#need-{alerts['hot'].pk}")).to_have_count(1)


Turn = Callable[[Page], object]


@pytest.mark.parametrize(
    "turn",
    [
        pytest.param(lambda page: page.locator("input[name=theme]").first.focus(), id="in a form"),
        pytest.param(lambda page: page.keyboard.press("?"), id="in a dialog"),
        pytest.param(lambda page: page.keyboard.down("Control"), id="with a modifier"),
    ],
)
def test_keys_do_nothing_while_somebody_types(
    open_page: OpenPage, operator: Any, turn: Turn
) -> None:
    page = open_page(operator, "/preferences/")
    turn(page)
    page.keyboard.press("g")
    page.keyboard.press("f")
    expect(page).to_have_url(re.compile("/preferences/$"))


def test_keys_can_be_turned_off(open_page: OpenPage, operator: Any) -> None:
    page = open_page(operator, "/preferences/")
    page.locator("input[name=keys][value=off]").check()
    page.get_by_role("button", name="Save").click()
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.locator("#keys-dialog")).to_be_hidden()


def test_the_list_of_keys_opens_by_its_key_and_closes_by_escape(
    open_page: OpenPage, operator: Any
) -> None:
    page = open_page(operator)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys-dialog")).to_be_hidden()


def test_escape_closes_the_menu_and_gives_the_focus_back(
    open_page: OpenPage, operator: Any
) -> None:
    page = open_page(operator)
    page.locator("#menu summary").click()
    page.keyboard.press("Escape")
    expect(page.locator("#menu .sheet")).to_be_hidden()
    expect(page.locator("#menu summary")).to_be_focused()


def test_a_chosen_theme_wins_over_the_systems(open_page: OpenPage, operator: Any) -> None:
    page = open_page(operator, dark=True)
    ground = "getComputedStyle(document.documentElement).getPropertyValue('--ground').trim()"
    assert page.evaluate(ground) == "#1a1d21"
    page.locator("#menu summary").click()
    page.get_by_role("button", name="Light").click()
    page.wait_for_selector("html[data-theme=light]")
    assert page.evaluate(ground) == "#e9eaec"


# --- without scripts, and logging in -------------------------------------------------------


def test_without_scripts_the_menu_opens_and_an_alert_can_be_taken(
    open_page: OpenPage, operator: Any, alerts: dict[str, Alert]
) -> None:
    page = open_page(operator, width=390, height=844, scripts=False)
    page.locator("#menu summary").click()
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    page.locator("#menu summary").click()
    page.locator(f"#need-take-{alerts['hot'].pk}").click()
    page.wait_for_url(f"**/alerts/{alerts['hot'].pk}/")
    assert elsewhere(Alert.objects.get, pk=alerts["hot"].pk).acknowledged_by_id == operator.pk


def test_a_demo_login_is_filled_in_by_one_press(open_page: OpenPage) -> None:
    elsewhere(make_user, "operator", username="noc", password="hearth-noc")
    page = open_page(None, "/alerts/")
    page.locator("[data-username=noc]").click()
    page.keyboard.press("Enter")
    page.wait_for_url("**/alerts/")


def test_without_a_browser_the_tests_fail_and_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PLAYWRIGHT_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(pytest.fail.Exception, match="No Chromium was found"):
        find_chromium()
