"""Runs begun without network, and what goes on meanwhile: other runs, other people, the worker."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from fleet.models import Membership
from runbooks.models import Run
from tests.browser.screens import elsewhere, script
from tests.browser.tablet_faults import faults_of
from tests.browser.tablet_world import ROOT, RunWorld, Tablet, Tablets, TabletServer
from tests.browser.test_tablet_begun import JOB, begin, entries_of, ready
from tests.runbooks.world import make_alert, make_library

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NUMBERED = re.compile(r"/runs/\d+/")


def begun_run() -> Run:
    return elsewhere(Run.objects.get, begun_as__isnull=False)


def test_what_is_stuck_in_another_run_holds_up_no_run_that_was_begun(
    tablets: Tablets, run_world: RunWorld
) -> None:
    other = elsewhere(run_world.run, *JOB, title="Silent node")
    elsewhere(run_world.edition, *JOB, title="Thermal alarm")
    tablet = ready(tablets, run_world)
    tablet.page.evaluate(script("spoil_key"), other.pk)
    begin(tablet.page, "Thermal alarm")
    tablet.page.wait_for_url(NUMBERED)
    tablet.press_main()
    tablet.page.evaluate(script("until_sent"), other.pk)
    assert [entry.step_id for entry in entries_of(begun_run())] == ["", "find"]


def test_an_unknown_key_of_one_run_takes_no_key_from_another(
    tablets: Tablets, run_world: RunWorld
) -> None:
    other, run = elsewhere(run_world.run, *JOB), elsewhere(run_world.run, *JOB)
    tablet = tablets.new(run_world.hands, installs=False)
    tablet.carry(other)
    page = tablet.carry(run)
    tablet.context.clear_cookies()
    page.evaluate(script("spoil_key"), other.pk)
    tablet.press_main()
    page.evaluate(script("until_sent"), other.pk)
    tablet.go_to(2)
    page.locator("#code").fill("HW-node-3")
    tablet.press_main()
    page.evaluate(script("until_sent"), other.pk)
    assert [entry.step_id for entry in entries_of(run)] == ["", "find", "label"]


def test_a_photo_that_is_being_taken_when_the_number_comes_finds_its_step(
    tablets: Tablets, run_world: RunWorld
) -> None:
    elsewhere(run_world.edition, *JOB, title="Thermal alarm")
    tablet = ready(tablets, run_world)
    tablet.context.set_offline(True)
    page = tablet.page
    begin(page, "Thermal alarm")
    tablet.go_to(3)
    with page.expect_file_chooser() as chooser:
        tablet.press("Take the photo")
    tablet.context.set_offline(False)
    page.wait_for_url(NUMBERED)
    chooser.value.set_files(ROOT / "static/icons/tablet-192.png")
    page.locator(".photos li").first.wait_for()
    tablet.press_main()
    tablet.has_sent_all()
    run = begun_run()
    assert elsewhere(run.photos.count) == 1
    assert [entry.step_id for entry in entries_of(run)] == ["", "picture"]


def test_its_old_address_leads_to_the_run_without_network_too(
    tablets: Tablets, tablet_server: TabletServer, run_world: RunWorld
) -> None:
    elsewhere(run_world.edition, *JOB, title="Thermal alarm")
    tablet = ready(tablets, run_world)
    begin(tablet.page, "Thermal alarm")
    tablet.page.wait_for_url(NUMBERED)
    tablet_server.kill()
    tablet.press_main()
    tablet.waits(1)
    page = tablet.reopen("/tablet/run/?begun=1")
    page.wait_for_url(NUMBERED)
    expect(page.locator(".stepno")).to_have_text("Step 2 of 3")


def test_an_alert_that_a_run_was_begun_for_is_not_offered_again(
    tablets: Tablets, tablet_server: TabletServer, run_world: RunWorld
) -> None:
    elsewhere(make_library)
    first = elsewhere(make_alert, site=run_world.site)
    second = elsewhere(make_alert, site=run_world.site)
    elsewhere(run_world.run, *JOB, title="Silent node")
    tablet = ready(tablets, run_world)
    tablet_server.kill()
    page = tablet.reopen("/tablet/")
    begin(page, f"A-{first.pk}")
    page = tablet.reopen("/tablet/")
    expect(page.locator("#runs li").first).to_contain_text("the desk does not know it yet")
    page.get_by_text("Begin a run at Osaka-3").click()
    expect(page.locator("#offers")).to_contain_text("in the name of Kim Tan")
    assert faults_of(page) == []
    expect(page.get_by_role("button", name=f"A-{second.pk}")).to_be_visible()
    expect(page.get_by_role("button", name=f"A-{first.pk}")).to_have_count(0)


def test_a_glove_that_lies_on_the_screen_begins_one_run(
    tablets: Tablets, run_world: RunWorld
) -> None:
    for title in ("Thermal alarm", "Silent node"):
        elsewhere(run_world.edition, *JOB, title=title)
    tablet = ready(tablets, run_world)
    tablet.context.set_offline(True)
    tablet.page.get_by_text("Begin a run at Osaka-3").click()
    assert tablet.page.evaluate(script("press_all")) == 1


def _leave(world: RunWorld) -> None:
    Membership.objects.filter(user=world.hands).delete()


def test_who_may_not_work_there_any_more_begins_nothing_and_hears_why_it_stays(
    tablets: Tablets, run_world: RunWorld
) -> None:
    elsewhere(run_world.edition, *JOB, title="Thermal alarm")
    tablet = ready(tablets, run_world)
    tablet.context.set_offline(True)
    begin(tablet.page, "Thermal alarm")
    tablet.press_main()
    elsewhere(_leave, run_world)
    tablet.context.set_offline(False)
    page = tablet.reopen("/tablet/")
    expect(page.locator("#runs")).to_contain_text("you may not work there")
    expect(page.locator("#runs")).to_contain_text("1 waiting")
    expect(page.locator("html")).to_have_attribute("data-drawn", "yes")
    expect(page.get_by_text("Begin a run at Osaka-3")).to_have_count(0)


def sync_of(tablet: Tablet, origin: str) -> None:
    """Let the browser do what it does when the network is back and no page is open."""
    line = tablet.context.new_cdp_session(tablet.page)
    known: list[dict[str, Any]] = []
    line.on(
        "ServiceWorker.workerRegistrationUpdated", lambda said: known.extend(said["registrations"])
    )
    line.send("ServiceWorker.enable")
    tablet.page.wait_for_function("navigator.serviceWorker.ready.then(() => true)")
    line.send(
        "ServiceWorker.dispatchSyncEvent",
        {
            "origin": origin,
            "registrationId": known[-1]["registrationId"],
            "tag": "outbox",
            "lastChance": False,
        },
    )


def test_a_run_begun_without_network_is_sent_after_its_page_was_closed(
    tablets: Tablets, tablet_server: TabletServer, run_world: RunWorld
) -> None:
    elsewhere(run_world.edition, *JOB, title="Thermal alarm")
    tablet = ready(tablets, run_world)
    tablet_server.kill()
    begin(tablet.page, "Thermal alarm")
    tablet.press_main()
    tablet.waits(1)
    tablet.page.close()
    tablet.page = tablet.context.new_page()
    tablet_server.start()
    tablet.open("/login/")
    tablet.page.evaluate(script("hear_news"))
    sync_of(tablet, tablet_server.url)
    assert tablet.page.evaluate("globalThis.told") == "sent"
    assert [entry.step_id for entry in entries_of(begun_run())] == ["", "find"]
