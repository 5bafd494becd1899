"""News that were asked for before an act, and arrive after it, undo nothing on the screen."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from playwright.sync_api import APIResponse, Page, Route, expect

from tests.browser.conftest import OpenPage
from tests.browser.screens import Line, elsewhere, script, settle
from tests.browser.test_alert_steps import followed

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def has_swapped(page: Page) -> None:
    page.locator("html[data-swaps=some]").wait_for(state="attached")


class HeldBack:
    """A fetch of a page's own part whose answer is made at once and held back."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._url = page.url
        self._held: list[tuple[Route, APIResponse]] = []

    def take(self) -> None:
        """Let the page ask once, and keep the answer."""
        self._page.route("**/*", self._hold)
        self._page.evaluate("document.body.dispatchEvent(new CustomEvent('live-resumed'))")
        while not self._held:
            self._page.evaluate("'Let the browser be heard.'")

    def _hold(self, route: Route) -> None:
        request = route.request
        is_news = request.url == self._url and "hx-request" in request.headers
        if not is_news or self._held:
            route.fallback()
        else:
            self._held.append((route, route.fetch()))

    def let_go(self) -> None:
        """Give the old answer, and wait until the page has asked anew and shown what it got."""
        route, answer = self._held[0]
        self._page.evaluate(script("count_swaps"))
        route.fulfill(response=answer)
        has_swapped(self._page)


def test_an_alert_that_was_taken_does_not_look_untaken_again(open_page: OpenPage) -> None:
    alert, _, by = elsewhere(followed)
    # On a line that says nothing of the act, which would have the page ask anew by itself.
    line = Line()
    page = settle(open_page(by, reverse("noc:alert", args=[alert.pk]), before=line.take))
    old = HeldBack(page)
    old.take()
    page.keyboard.press("a")
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    old.let_go()
    assert page.evaluate("seen.filter((text) => text.includes('Nobody has it'))") == []
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)


def test_why_a_step_was_refused_stays_when_news_arrive(open_page: OpenPage) -> None:
    alert, _, by = elsewhere(followed)
    page = settle(open_page(by, reverse("noc:alert", args=[alert.pk])))
    current = page.locator("#followed [aria-current=step]")
    current.get_by_role("button", name="Done").click()
    expect(current).to_contain_text("Read the inlet")
    current.get_by_label("What you read at step 2").fill("2,000")
    current.get_by_role("button", name="Done").click()
    fault = current.locator(".fault")
    expect(fault).to_have_text("Is it 2000 or 2.000? Write it without a comma.")
    page.evaluate(script("count_swaps"))
    page.evaluate("document.body.dispatchEvent(new CustomEvent('live-resumed'))")
    has_swapped(page)
    expect(fault).to_have_text("Is it 2000 or 2.000? Write it without a comma.")
    current.get_by_label("What you read at step 2").fill("24.5")
    current.get_by_role("button", name="Done").click()
    expect(page.locator("#followed-2")).to_contain_text(re.compile("24.5 °C"))
    expect(page.locator("#followed .fault")).to_have_count(0)
