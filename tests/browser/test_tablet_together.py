"""Two people with one run, each on a tablet of their own."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.screens import elsewhere
from tests.browser.tablet_world import RunWorld, Tablets
from tests.pure.run_steps import make_step

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_each_reads_where_the_other_is(tablets: Tablets, run_world: RunWorld) -> None:
    run = elsewhere(run_world.run, make_step("door"), make_step("filter"), make_step("look"))
    kim = tablets.new(run_world.hands, installs=False)
    kim.carry(run)
    kim.press_main()
    kim.at(2)
    kim.has_sent_all()
    aiko = tablets.new(run_world.lead, installs=False)
    banners = aiko.carry(run).locator("#banners")
    aiko.send_now()
    expect(banners).to_contain_text("Kim Tan is on this run too, at step 2.")
    kim.send_now()
    expect(kim.page.locator("#banners")).to_contain_text("Aiko Sato is on this run too, at step 2.")
    kim.page.context.set_offline(True)
    kim.press_main()
    kim.waits(1)
    expect(kim.page.locator("#banners")).to_contain_text("Aiko Sato is on this run too")
    kim.page.context.set_offline(False)
    kim.has_sent_all()
