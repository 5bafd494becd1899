"""Numbers on a tablet are pressed, with gloves and without network; in an emergency first."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from fleet.models import Owner, Site
from tests.browser.screens import elsewhere, script
from tests.browser.tablet_faults import faults_of
from tests.browser.tablet_world import RunWorld, Tablets
from tests.factories import make_owner

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NUMBERS = ["tel:112", "tel:+12025550142", "tel:+12025550143"]


def give_numbers(site: Site) -> None:
    site.emergency_numbers = [
        {"label": "Fire brigade", "number": "112"},
        {"label": "Power company", "number": "+1 (202) 555-0142"},
    ]
    site.save(update_fields=["emergency_numbers"])
    Owner.objects.filter(pk=site.owner_id).update(phone="+1 202 555 0143")
    make_owner(name="Samira Haddad", is_catch_all=True)


def dialled(place: Locator) -> list[str | None]:
    return [link.get_attribute("href") for link in place.locator("a.reach[href^=tel]").all()]


def test_whom_to_call_is_one_press_away(tablets: Tablets, run_world: RunWorld) -> None:
    run = elsewhere(run_world.run)
    elsewhere(give_numbers, run.site)
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    tablet.go_to(14)
    assert dialled(page.locator("#main")) == NUMBERS
    assert faults_of(page) + page.evaluate(script("small_targets"), 48) == []
    tablet.context.set_offline(True)
    tablet.press("Safety")
    sheet = page.get_by_role("dialog", name="Safety and meaning")
    expect(sheet.get_by_role("link", name="112")).to_be_visible()
    assert dialled(sheet) == NUMBERS
    assert faults_of(page) + page.evaluate(script("small_targets"), 48) == []
    # Nobody said a number of hers, so her name stands alone.
    expect(sheet.locator("li", has_text="Samira Haddad").locator(".reach, span")).to_have_count(1)
