"""The main flow as a person sees it, from a reading of this machine to the closed alert."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.hashers import make_password
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.screens import settle
from tests.chromium import FLAGS, find_chromium
from tests.factories import make_user
from tests.flows.world import CHANGED, STANDARD, FlowWorld

pytestmark = pytest.mark.browser

PATIENCE_MS = 40_000


@pytest.fixture
def running(world: FlowWorld) -> FlowWorld:
    """The whole product at work, and an operator who can log in."""
    user = make_user("operator", username="noc")
    # The server checks passwords as in production, whatever the tests hash with.
    user.password = make_password("a-long-enough-word", hasher="pbkdf2_sha256")
    user.save(update_fields=["password"])
    for name in ("web", "worker", "beat", "sweep"):
        world.processes.start(name)
    world.start_agent()
    return world


@pytest.fixture
def browser_page(running: FlowWorld) -> Iterator[Page]:
    """A page of a real Chromium; while it is there, no test may touch the database itself."""
    program = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser.new_page()
        browser.close()


def test_a_person_sees_the_alert_come_takes_it_and_sees_it_close(
    running: FlowWorld, browser_page: Page
) -> None:
    world, page = running, browser_page
    page.goto(world.processes.url)
    page.fill("[name=username]", "noc")
    page.fill("[name=password]", "a-long-enough-word")
    page.press("[name=password]", "Enter")
    heading = page.locator("h1")
    expect(heading).not_to_contain_text("need", timeout=PATIENCE_MS)

    world.watched.write_bytes(CHANGED)
    needs = page.get_by_role("button", name="Acknowledge").first
    expect(needs).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("link", name="Runbook").first.click()
    expect(page.locator("body")).to_contain_text("Configuration drift")
    page.goto(f"{world.processes.url}/alerts/")
    page.get_by_role("link", name="sshd_config").first.click()
    expect(heading).to_contain_text("sshd_config")
    # The keys are listened to by then.
    settle(page)

    page.keyboard.press("a")
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0, timeout=PATIENCE_MS)
    expect(page.locator("main")).to_contain_text("noc")

    world.watched.write_bytes(STANDARD)
    expect(page.locator("main")).to_contain_text("Closed", timeout=PATIENCE_MS)
    assert world.pages_to("kenji")
