"""An address for one's own calendar, made and revoked in a real browser."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.screens import elsewhere, faults_at_every_size, settle
from tests.factories import make_owner, make_user
from tests.noc.paging_world import make_europe

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def a_viewer_and_a_schedule() -> Any:
    make_europe(make_owner(name="Anne"), make_owner(name="Mei"), now=datetime.now(UTC))
    return make_user("viewer")


def test_an_address_is_made_seen_once_and_revoked(open_page: OpenPage) -> None:
    viewer = elsewhere(a_viewer_and_a_schedule)
    page = settle(open_page(viewer, "/oncall/schedules/europe/"))
    page.get_by_role("button", name="Make an address").click()
    expect(page.locator(".once .secret")).to_contain_text("/oncall/feeds/hwc_")
    assert faults_at_every_size(page) == []
    page.get_by_role("link", name="I have kept it").click()
    expect(page.locator(".once")).to_have_count(0)
    page.get_by_role("button", name="Revoke the address").click()
    expect(page.locator("body")).to_contain_text("is revoked; calendars that follow it stop.")
    expect(page.get_by_role("button", name="Revoke the address")).to_have_count(0)
