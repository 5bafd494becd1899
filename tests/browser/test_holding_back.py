"""Several alerts at once, and what holds alerts back, in a real browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from fleet.models import Site
from runbooks.models import Alert
from runbooks.suppression.maintenance import plan_maintenance
from runbooks.suppression.matchers import parse_matchers
from runbooks.suppression.shelf import shelve_alert
from runbooks.suppression.silences import create_silence
from tests.browser.conftest import OpenPage
from tests.browser.screens import elsewhere, faults_at_every_size, settle

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

hour = timedelta(hours=1)


@pytest.fixture
def held(alerts: dict[str, Alert], sites: dict[str, Site], operator: Any) -> Alert:
    """The fleet with a silence, work going on and planned, and one alert on the shelf."""

    def hold_back() -> None:
        now = datetime.now(UTC)
        create_silence(
            matchers=parse_matchers('kind="thermal.throttle", site="osaka-3"'),
            starts_at=now,
            ends_at=now + 3 * hour,
            reason="Fan tray swapped, Ken on site",
            by=operator,
            now=now,
        )
        for offset, every in ((0, "once"), (30, "week")):
            plan_maintenance(
                site=sites["Lyon-Clinic"],
                starts_at=now + offset * hour,
                ends_at=now + (offset + 2) * hour,
                reason="Filter change by the contractor",
                every=every,
                by=operator,
                now=now,
            )
        until = now + 4 * hour
        shelve_alert(alert=alerts["hot"], by=operator, until=until, reason="Part ordered", now=now)

    elsewhere(hold_back)
    return alerts["hot"]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["silences", "maintenance", "alerts"])
def test_pages_of_what_is_held_back_are_accessible_and_fit_every_screen(
    name: str, dark: bool, open_page: OpenPage, held: Alert, operator: Any
) -> None:
    page = settle(open_page(operator, reverse(f"noc:{name}"), dark=dark))
    assert faults_at_every_size(page) == []


@pytest.mark.parametrize("dark", [False, True])
def test_the_held_alert_with_its_menu_open_is_accessible_and_fits_every_screen(
    dark: bool, open_page: OpenPage, held: Alert, operator: Any
) -> None:
    page = settle(open_page(operator, reverse("noc:alert", args=[held.pk]), dark=dark))
    page.keyboard.press("m")
    expect(page.locator("#more")).to_have_attribute("open", "")
    assert faults_at_every_size(page) == []


def test_two_ticked_rows_are_acknowledged_and_leave_the_band(
    open_page: OpenPage, alerts: dict[str, Alert], operator: Any
) -> None:
    page = settle(open_page(operator, reverse("noc:alerts")))
    boxes = page.locator("#band-waiting input[name=alert]")
    boxes.nth(0).check()
    boxes.nth(1).check()
    expect(page.locator("#picked")).to_have_text("2 chosen")
    page.get_by_role("button", name="Acknowledge chosen").click()
    expect(page.locator("#queue .note[role=status]").first).to_contain_text("2 alerts acknowledged")
    expect(page.locator("#band-mine .alertrow")).to_have_count(2)
    expect(page.locator("#picked")).to_have_text("none chosen")


def test_what_is_ticked_stays_ticked_when_the_list_changes(
    open_page: OpenPage, alerts: dict[str, Alert], operator: Any
) -> None:
    page = settle(open_page(operator, reverse("noc:alerts")))
    page.locator("#band-waiting input[name=alert]").first.check()
    ticked = page.locator("#band-waiting input[name=alert]").first.get_attribute("value")
    page.evaluate("document.activeElement.blur()")
    page.evaluate("document.body.dispatchEvent(new CustomEvent('live-resumed'))")
    expect(page.locator(f"input[name=alert][value='{ticked}']")).to_be_checked()
    expect(page.locator("#picked")).to_have_text("1 chosen")


def test_typing_conditions_shows_what_they_would_hold_back(
    open_page: OpenPage, alerts: dict[str, Alert], operator: Any
) -> None:
    page = settle(open_page(operator, reverse("noc:silences")))
    page.get_by_label("Alerts that match all of").fill('kind=~"thermal.*"')
    expect(page.locator("#silence-preview")).to_contain_text("Holds back 2 open alerts now.")
    page.get_by_label("Alerts that match all of").fill('kind="')
    expect(page.locator("#silence-preview .fault")).to_be_visible()


def test_shelving_from_the_alert_page_says_so_without_a_reload(
    open_page: OpenPage, alerts: dict[str, Alert], operator: Any
) -> None:
    page = settle(open_page(operator, reverse("noc:alert", args=[alerts["hot"].pk])))
    page.keyboard.press("m")
    page.get_by_placeholder("Why, such as").fill("Part ordered")
    page.get_by_role("button", name="Shelve").click()
    expect(page.locator(".note.held")).to_contain_text("Part ordered")
    expect(page.locator(".standing")).to_contain_text("Held back: nobody is paged.")
