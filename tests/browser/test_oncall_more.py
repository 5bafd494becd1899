"""Around on call, in a real browser: groups, a site's policy, the order of contacts, heartbeats."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.screens import elsewhere, faults_at_every_size, settle
from tests.factories import make_contact, make_user
from tests.noc.oncall_more_world import make_more
from tests.noc.paging_world import make_paging

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def admin(transactional_db: None) -> Any:
    """Mei Tanaka, who may do everything."""
    return elsewhere(make_user, "admin", first_name="Mei", last_name="Tanaka")


@pytest.fixture
def world(admin: Any) -> dict[str, Any]:
    """Everything about paging, with groups and heartbeats in every state."""
    now = datetime.now(UTC)
    return elsewhere(make_more, elsewhere(make_paging, now=now, user=admin), now=now)


def addresses(world: dict[str, Any]) -> list[str]:
    return [
        "/oncall/groups/",
        "/oncall/groups/power-crew/",
        "/oncall/heartbeats/",
        f"/sites/{world['site'].slug}/policy/?policy=night",
        f"/sites/{world['site'].slug}/numbers/",
    ]


def unfold(page: Page) -> None:
    page.locator("main details").evaluate_all("all => all.forEach(one => { one.open = true; })")


@pytest.mark.parametrize("dark", [False, True])
def test_the_pages_around_on_call_are_accessible_and_fit_every_screen(
    dark: bool, open_page: OpenPage, world: dict[str, Any], admin: Any
) -> None:
    page = settle(open_page(admin, dark=dark))
    faults = {}
    for address in addresses(world):
        page.goto(address)
        settle(page)
        unfold(page)
        faults[address] = faults_at_every_size(page)
    assert {address: found for address, found in faults.items() if found} == {}


def test_without_anything_they_are_accessible_and_say_the_next_step(
    open_page: OpenPage, admin: Any
) -> None:
    page = settle(open_page(admin, "/oncall/groups/"))
    assert faults_at_every_size(page) == []
    page.goto("/oncall/heartbeats/")
    expect(page.locator(".empty code")).to_contain_text("/api/v1/heartbeat/KEY")
    assert faults_at_every_size(page) == []


def test_a_group_is_made_by_keyboard_a_fault_stands_beside_its_field(
    open_page: OpenPage, world: dict[str, Any], admin: Any
) -> None:
    page = settle(open_page(admin, "/oncall/groups/"))
    page.get_by_label("Name").fill("Cooling")
    page.get_by_label("Name").press("Enter")
    expect(page.locator("#fault-people")).to_contain_text("reaches nobody")
    assert faults_at_every_size(page) == []
    page.get_by_label("Samira Haddad").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The group Cooling is made.")
    page.get_by_role("button", name="Delete the group Cooling").click()
    expect(page.get_by_role("status")).to_contain_text("The group Cooling is deleted.")


def test_a_policy_is_tried_out_without_a_reload_then_chosen(
    open_page: OpenPage, world: dict[str, Any], admin: Any
) -> None:
    site = world["site"]
    page = settle(open_page(admin, f"/sites/{site.slug}/"))
    page.get_by_role("link", name="Choose another policy").click()
    expect(page.locator("#choice-preview")).to_contain_text(f"{site.name} follows it already.")
    page.get_by_label("Night shift").check()
    page.get_by_role("button", name=f"Let {site.name} follow Night shift").click()
    expect(page.get_by_role("status").first).to_contain_text("follows Night shift.")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{site.name} follows Night shift")


def test_without_a_script_a_policy_is_chosen_too(
    open_page: OpenPage, world: dict[str, Any], admin: Any
) -> None:
    site = world["site"]
    page = open_page(admin, f"/sites/{site.slug}/policy/", scripts=False)
    page.get_by_label("Night shift").check()
    page.get_by_role("button", name="Show").click()
    page.get_by_role("button", name=f"Let {site.name} follow Night shift").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{site.name} follows Night shift")


def test_contacts_change_places_by_touch(
    open_page: OpenPage, world: dict[str, Any], admin: Any
) -> None:
    elsewhere(make_contact, owner=world["mei"], position=3, label="desk")
    address = f"/oncall/contacts/{world['mei'].pk}/"
    page = settle(open_page(admin, address, width=390, height=844))
    heights = page.eval_on_selector_all(
        "main .btn", "all => all.filter(one => one.offsetParent).map(one => one.offsetHeight)"
    )
    assert min(heights) >= 48
    page.get_by_role("button", name="Try desk before mail").click()
    expect(page.locator(".messages[role=status]")).to_contain_text("desk is tried before mail.")
    page.get_by_role("button", name="Try desk before pager").click()
    expect(page.locator(".contacts > li").first).to_contain_text("desk")


def test_a_heartbeat_is_made_paused_and_resumed(
    open_page: OpenPage, world: dict[str, Any], admin: Any
) -> None:
    page = settle(open_page(admin, "/oncall/heartbeats/"))
    page.get_by_label("What it is the heartbeat of").fill("cache warmer")
    page.get_by_label("Site", exact=True).select_option(world["site"].slug)
    page.get_by_role("button", name="Make it").click()
    expect(page.locator(".once code")).to_contain_text("/api/v1/heartbeat/hwb_")
    assert faults_at_every_size(page) == []
    page.get_by_role("link", name="I have kept it").click()
    expect(page.locator(".once")).to_have_count(0)
    row = page.get_by_role("listitem").filter(has_text="cache warmer")
    row.get_by_label("Change cache warmer").click()
    row.get_by_label("Why it is not expected").fill("The host is rebuilt")
    row.get_by_role("button", name="Pause").click()
    expect(row).to_contain_text("by Mei Tanaka: The host is rebuilt")
    row.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("status").first).to_contain_text("cache warmer is expected again")
