"""The steps of a run beside its alert, pressed in a real browser."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from runbooks.alerts.services import comment_on_alert
from runbooks.models import Alert, Run, RunEntry
from runbooks.runs.services import start_run_for_alert
from tests.browser.conftest import OpenPage
from tests.browser.screens import RULES, SIZES, against, elsewhere, settle
from tests.factories import make_user
from tests.noc.detail_world import hot_alert
from tests.pure.run_steps import make_step
from tests.runbooks.run_world import make_edition

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

STEPS = (
    make_step("door", title="Close the door", otherwise="Call the owner.", who="on-site"),
    make_step("inlet", "reading", title="Read the inlet", unit="Cel", maximum=27.0),
    make_step("look", "check", title="Look at the lamp", expect="Green"),
)


def followed() -> tuple[Alert, Run, Any]:
    alert = hot_alert()
    Alert.objects.filter(pk=alert.pk).update(runbook_version=make_edition(*STEPS))
    alert.refresh_from_db()
    by = make_user("operator", alert.site, first_name="Aiko", last_name="Sato")
    return alert, start_run_for_alert(alert=alert, by=by, now=datetime.now(UTC)), by


def test_steps_are_entered_beside_the_chart_one_after_the_other(open_page: OpenPage) -> None:
    alert, run, by = elsewhere(followed)
    page = settle(open_page(by, reverse("noc:alert", args=[alert.pk])))
    current = page.locator("#followed [aria-current=step]")
    expect(current).to_contain_text("Close the door")
    current.get_by_text("Cannot do").click()
    current.get_by_label("Why step 1 cannot be done").fill("It is locked.")
    current.get_by_role("button", name="Enter it").click()
    expect(page.locator("#followed-1")).to_contain_text("Otherwise: Call the owner.")
    expect(current).to_contain_text("Read the inlet")
    current.get_by_label("What you read at step 2").fill("2,000")
    current.get_by_role("button", name="Done").click()
    expect(current.locator(".fault")).to_have_text("Is it 2000 or 2.000? Write it without a comma.")
    current.get_by_label("What you read at step 2").fill("24,5")
    current.get_by_role("button", name="Done").click()
    expect(page.locator("#followed-2")).to_contain_text("24.5 °C, Aiko Sato")
    expect(current).to_contain_text("Look at the lamp")
    kinds = elsewhere(lambda: list(run.entries.order_by("pk").values_list("kind", flat=True)))
    assert kinds == ["created", RunEntry.Kind.STEP_CANNOT, RunEntry.Kind.STEP_DONE]


def test_a_digit_goes_to_a_step_and_the_space_bar_says_that_it_is_done(
    open_page: OpenPage,
) -> None:
    alert, _, by = elsewhere(followed)
    page = settle(open_page(by, reverse("noc:alert", args=[alert.pk])))
    page.keyboard.press("3")
    expect(page.locator("#followed-3")).to_be_focused()
    page.keyboard.press("1")
    expect(page.locator("#followed-1").get_by_role("button", name="Done")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.locator("#followed [aria-current=step]")).to_contain_text("Read the inlet")
    page.keyboard.press("2")
    expect(page.get_by_label("What you read at step 2")).to_be_focused()
    page.keyboard.press("9")
    expect(page.get_by_label("What you read at step 2")).to_have_value("9")


def test_what_is_typed_at_a_step_outlives_news_of_the_alert(open_page: OpenPage) -> None:
    alert, run, by = elsewhere(followed)
    page = settle(open_page(by, reverse("noc:alert", args=[alert.pk])))
    current = page.locator("#followed [aria-current=step]")
    current.get_by_text("Cannot do").click()
    why = current.get_by_label("Why step 1 cannot be done")
    why.fill("It is lo")
    now = datetime.now(UTC)
    elsewhere(comment_on_alert, alert=alert, by=by, text="On my way.", now=now)
    expect(page.locator("#alert")).to_contain_text("On my way.")
    expect(why).to_have_value("It is lo")
    expect(why).to_be_visible()


def test_the_steps_fit_every_screen_and_shut_nobody_out(open_page: OpenPage) -> None:
    alert, _, by = elsewhere(followed)
    page = settle(open_page(by, reverse("noc:alert", args=[alert.pk])))
    page.locator("#followed summary").click()
    faults = []
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults.append(f"{width}: wider than the screen")
        faults += against(page, RULES)
    assert faults == []
