"""Who is paged, in a real browser: on call, schedules, policies, contacts, deliveries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.screens import elsewhere, faults_at_every_size, settle
from tests.factories import make_user
from tests.noc.paging_world import make_paging

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAGES = {
    "oncall": "/oncall/",
    "schedule": "/oncall/schedules/europe/",
    "gaps": "/oncall/schedules/americas/",
    "policies": "/oncall/policies/",
    "policy": "/oncall/policies/standard/",
    "policy-edit": "/oncall/policies/standard/edit/",
    "readiness": "/oncall/readiness/",
    "contacts": "/oncall/contacts/",
    "contact": "/oncall/contacts/mei/",
    "dead": "/oncall/deliveries/",
    "log": "/oncall/deliveries/?state=",
}


@pytest.fixture
def admin(transactional_db: None) -> Any:
    """Mei Tanaka, who may do everything and is on call in Europe every other week."""
    return elsewhere(make_user, "admin", first_name="Mei", last_name="Tanaka")


@pytest.fixture
def world(admin: Any) -> dict[str, Any]:
    """Everything about paging in every standing."""
    return elsewhere(make_paging, now=datetime.now(UTC), user=admin)


def address_of(name: str, world: dict[str, Any]) -> str:
    return PAGES[name].replace("mei", str(world["mei"].pk))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", list(PAGES))
def test_pages_about_paging_are_accessible_and_fit_every_screen(
    name: str, dark: bool, open_page: OpenPage, world: dict[str, Any], admin: Any
) -> None:
    page = settle(open_page(admin, address_of(name, world), dark=dark))
    assert faults_at_every_size(page) == []


@pytest.mark.parametrize("name", ["schedule", "policy", "contact", "log", "oncall"])
def test_with_everything_unfolded_they_are_accessible_too(
    name: str, open_page: OpenPage, world: dict[str, Any], admin: Any
) -> None:
    page = settle(open_page(admin, address_of(name, world)))
    page.locator("main details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    assert faults_at_every_size(page) == []


def test_a_secret_is_shown_once_on_an_accessible_page(
    open_page: OpenPage, world: dict[str, Any], admin: Any
) -> None:
    page = settle(open_page(admin, address_of("contact", world)))
    page.get_by_label("Change pager").click()
    page.get_by_role("button", name="Make a new secret").click()
    expect(page.locator(".secret")).to_contain_text("whsec_")
    assert faults_at_every_size(page) == []
    page.get_by_role("link", name="I have kept it").click()
    expect(page.locator(".secret")).to_have_count(0)


def test_choosing_another_severity_shows_the_preview_without_a_reload(
    open_page: OpenPage, world: dict[str, Any], admin: Any
) -> None:
    page = settle(open_page(admin, address_of("policy", world)))
    expect(page.locator("#policy-preview")).to_contain_text("Step 3")
    page.get_by_label("Severity").select_option("low")
    expect(page.locator("#policy-preview")).to_contain_text("It pages urgent and high alerts only.")
    expect(page.get_by_role("heading", name="Standard")).to_be_visible()


def test_a_step_is_added_and_published_without_a_script(
    open_page: OpenPage, world: dict[str, Any], admin: Any
) -> None:
    page = open_page(admin, address_of("policy-edit", world), scripts=False)
    page.get_by_role("button", name="Add a step").click()
    last = page.get_by_role("group", name="Step 4", exact=True)
    last.get_by_label("the catch-all owner").check()
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("status")).to_contain_text("Edition 3 is published.")
    expect(page.locator(".steplist").first).to_contain_text("the catch-all owner")


def test_a_person_is_put_on_call_by_keyboard_and_stands_in_the_days(
    open_page: OpenPage, world: dict[str, Any], admin: Any
) -> None:
    page = settle(open_page(admin, address_of("gaps", world)))
    expect(page.locator(".turn.other")).to_have_count(0)
    page.get_by_label("Who", exact=True).focus()
    page.keyboard.type("Samira")
    ends = datetime.now(ZoneInfo("America/Chicago")) + timedelta(days=1)
    until = page.get_by_label("Until, in Chicago time")
    until.fill(f"{ends:%Y-%m-%dT%H:%M}")
    until.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Samira Haddad is on call then.")
    expect(page.locator(".turn.other").first).to_contain_text("Samira Haddad")


def test_a_span_that_is_too_long_is_refused_and_what_was_typed_stays(
    open_page: OpenPage, world: dict[str, Any], admin: Any
) -> None:
    page = settle(open_page(admin, address_of("gaps", world)))
    page.get_by_label("Who", exact=True).select_option("Samira Haddad")
    page.get_by_label("Until, in Chicago time").fill("2199-01-01T00:00")
    page.get_by_role("button", name="Put on call").click()
    expect(page.locator("p.fault")).to_contain_text("longer than 400 days")
    expect(page.get_by_label("Until, in Chicago time")).to_have_value("2199-01-01T00:00")
    chosen = page.get_by_label("Who", exact=True).locator("option:checked")
    expect(chosen).to_have_text("Samira Haddad")


def test_on_a_phone_every_target_is_big_enough_for_a_thumb(
    open_page: OpenPage, world: dict[str, Any], admin: Any
) -> None:
    page = settle(open_page(admin, reverse("noc:oncall"), width=390, height=844))
    heights = page.eval_on_selector_all(
        ".subnav a, main .btn, main .choice a",
        "all => all.filter(one => one.offsetParent).map(one => one.getBoundingClientRect().height)",
    )
    assert min(heights) >= 48
