"""The alert queue in a real browser: why an act was refused, and cells that are narrow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import expect

from runbooks.alerts.services import acknowledge_alert, release_alert
from runbooks.models import Alert
from tests.browser.conftest import OpenPage
from tests.browser.screens import elsewhere, settle, without_news
from tests.factories import make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_refusal_in_a_row_stays_through_its_news_until_somebody_acts_on_it_again(
    open_page: OpenPage, operator: Any, alerts: dict[str, Alert]
) -> None:
    other = elsewhere(make_user, "operator", first_name="Anne", last_name="Roux")
    page = settle(open_page(operator, "/alerts/", before=without_news))
    elsewhere(acknowledge_alert, alert=alerts["hot"], by=other, now=datetime.now(UTC))
    row = page.locator(f"#alert-{alerts['hot'].pk}")
    row.get_by_role("button", name="Acknowledge").click()
    expect(row.locator(".fault")).to_contain_text("already taken: Anne Roux")
    page.unroute("**/*")
    alert = elsewhere(Alert.objects.get, pk=alerts["hot"].pk)
    elsewhere(release_alert, alert=alert, by=other, now=datetime.now(UTC))
    expect(row.get_by_role("button", name="Acknowledge")).to_be_visible()
    expect(row.locator(".fault")).to_contain_text("already taken: Anne Roux")
    row.get_by_role("button", name="Acknowledge").click()
    expect(row.locator(".who")).to_contain_text("you")
    expect(row.locator(".fault")).to_have_count(0)


def test_a_length_of_time_is_never_broken_between_number_and_unit(
    open_page: OpenPage, operator: Any, alerts: dict[str, Alert]
) -> None:
    elsewhere(acknowledge_alert, alert=alerts["hot"], by=operator, now=datetime.now(UTC))
    page = open_page(operator, "/alerts/")
    lines = page.locator(f"#alert-{alerts['hot'].pk} .who").evaluate(
        """cell => {
          Object.assign(cell.style, { display: "block", inlineSize: "0" });
          return [...cell.querySelectorAll("time")].map((time) => time.getClientRects().length);
        }"""
    )
    assert lines == [1]
