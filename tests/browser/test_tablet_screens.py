"""The tablet's screens: every kind of step, every state, light and dark, thumbs and gloves."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import brotli
import pytest
from django.contrib.staticfiles import finders
from playwright.sync_api import Locator, Page, Route, expect

from runbooks.models import RunEntry, Tablet
from runbooks.runs.services import dispatch_run, pause_run
from runbooks.runs.tokens import make_claim
from tests.browser.screens import elsewhere, script
from tests.browser.tablet_faults import faults_of
from tests.browser.tablet_world import EVERY_KIND, RunWorld, Tablets, TabletServer
from tests.pure.run_steps import make_step

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

IDLE = "localStorage.setItem('hw_tablet_seen', String(Date.now() - 16 * 60000))"


def test_every_kind_of_step_is_drawn_without_fault(tablets: Tablets, run_world: RunWorld) -> None:
    run = elsewhere(run_world.run)
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    faults: dict[str, Any] = {}
    for number in range(1, 16):
        tablet.go_to(number)
        faults[f"step {number}"] = faults_of(page) + page.evaluate(script("small_targets"), 48)
    tablet.press("All steps")
    expect(page.get_by_role("heading", level=1)).to_have_text("All steps")
    faults["list"] = faults_of(page) + page.evaluate(script("small_targets"), 48)
    tablet.press("Safety")
    expect(page.get_by_role("dialog", name="Safety and meaning")).to_be_visible()
    faults["sheet"] = faults_of(page) + page.evaluate(script("small_targets"), 48)
    page.keyboard.press("Escape")
    tablet.press("Gloves")
    tablet.go_to(2)
    faults["gloves"] = faults_of(page) + page.evaluate(script("small_targets"), 64)
    assert {name: found for name, found in faults.items() if found} == {}
    page.reload()
    expect(page.get_by_role("button", name="Gloves")).to_have_attribute("aria-pressed", "true")


def test_a_reading_beyond_its_bounds_warns_in_shape_colour_and_words(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run)
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    tablet.go_to(2)
    tablet.press_main()
    expect(page.locator("#fault")).to_have_text(re.compile("Write the number you read"))
    page.locator("#reading").fill("180")
    expect(page.locator(".reading.outside .icon.p2")).to_be_visible()
    expect(page.locator("#out-of-bounds")).to_contain_text(
        "Outside: expected at most 125 Pa. The filter is blocked: go on with step 5, change it."
    )
    tablet.press_main()
    expect(page.locator(".sides")).to_contain_text("180 Pa, outside the bounds")
    tablet.has_sent_all()
    entry = elsewhere(RunEntry.objects.get, run=run, kind="step_done")
    assert entry.input == {"value": 180, "unit": "Pa", "is_within": False}
    assert entry.actor == run_world.hands


def test_the_screen_says_saved_only_after_the_disk_has_it(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run)
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    page.evaluate(
        """() => { IDBObjectStore.prototype.add = () => {
          throw new DOMException("The disk is full.", "QuotaExceededError"); }; }"""
    )
    tablet.press_main()
    expect(page.locator("#alarm")).to_contain_text("NOT saved: The disk is full.")
    expect(page.locator("#said")).to_be_empty()
    tablet.at(1)


def test_a_step_that_cannot_be_undone_asks_first_and_says_what_is_lost(
    tablets: Tablets, run_world: RunWorld
) -> None:
    restart = next(step for step in EVERY_KIND if step.id == "restart")
    run = elsewhere(run_world.run, restart, make_step("look", title="Look at its lamp"))
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    tablet.press("Before you do it")
    expect(page.locator("#sheet")).to_contain_text("jobs without a checkpoint are lost")
    tablet.press("Go back")
    assert elsewhere(RunEntry.objects.filter(run=run, step_id="restart").count) == 0
    tablet.press("Before you do it")
    tablet.press("I have read it, go on")
    tablet.enter("Done")
    tablet.at(2)
    expect(page.locator("#step-title")).to_be_focused()


def test_an_entry_is_taken_back_and_stays_in_the_log(tablets: Tablets, run_world: RunWorld) -> None:
    run = elsewhere(run_world.run)
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    tablet.press_main()
    tablet.go_to(1)
    tablet.press("Take back")
    tablet.press("Take it back")
    expect(page.locator("#main-act")).to_have_text("Done")
    expect(page.locator("#said")).to_have_text("Saved: taken back, step 1 is open.")
    tablet.has_sent_all()
    kinds = elsewhere(lambda: list(RunEntry.objects.filter(step_id="arrive").values_list("kind")))
    assert kinds == [("step_done",), ("taken_back",)]


def test_a_timer_outlives_a_reload(tablets: Tablets, run_world: RunWorld) -> None:
    run = elsewhere(run_world.run)
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    tablet.go_to(12)
    tablet.press_main()
    page.reload()
    tablet.go_to(12)
    expect(page.get_by_role("timer")).to_have_text(re.compile(r"^9 min \d+ s left$"))


def test_the_desks_word_reaches_the_tablet(tablets: Tablets, run_world: RunWorld) -> None:
    run = elsewhere(run_world.run)
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    elsewhere(pause_run, run=run, by=run_world.lead, reason="Storm", now=datetime.now(UTC))
    tablet.send_now()
    expect(page.locator("#banners")).to_have_text(
        "Paused by the desk: Storm. Your entries are still kept."
    )
    assert faults_of(page) == []


def test_news_take_no_button_away_from_under_a_finger(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run)
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    button = page.locator("#rail button").nth(2).element_handle()
    elsewhere(pause_run, run=run, by=run_world.lead, reason="Storm", now=datetime.now(UTC))
    tablet.send_now()
    expect(page.locator("#banners")).to_contain_text("Paused by the desk")
    assert button.evaluate("(one) => one.isConnected")
    tablet.go_to(3)
    expect(page.locator("#rail [aria-current]")).to_have_text("3")


def test_a_code_of_the_desk_opens_a_run_without_a_login(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run)
    claim = elsewhere(make_claim, run=run, now=datetime.now(UTC))
    tablet = tablets.new(installs=False)
    page = tablet.open(f"/r/{claim.text}")
    expect(page.locator("#claim-run")).to_have_text(f"R-{run.pk} at Osaka-3")
    assert faults_of(page) == []
    tablet.press("Follow this run on this tablet")
    page.wait_for_url(f"**/runs/{run.pk}/?t**")
    tablet.at(1)
    tablet.press_main()
    page.get_by_label("Your name, as it shall stand in the log").fill("Ben Roth")
    tablet.press("Save")
    tablet.at(2)
    tablet.has_sent_all()
    entry = elsewhere(RunEntry.objects.get, run=run, step_id="arrive")
    assert (entry.actor_name, entry.actor) == ("Ben Roth", None)


def test_no_key_and_no_login_are_said_only_once_the_server_was_asked(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run)
    tablet = tablets.new(run_world.hands, installs=False)
    held: list[Route] = []
    tablet.page.route("**/token/", lambda route: held.append(route))
    with tablet.page.expect_request("**/token/"):
        tablet.open(f"/runs/{run.pk}/")
    expect(tablet.page.locator("#main-act")).to_be_visible()
    assert "no key" not in tablet.page.locator("#banners").inner_text()
    held.pop().abort()
    expect(tablet.page.locator("#banners")).to_contain_text("no key")
    tablet.page.route("**/session.json", lambda route: held.append(route))
    with tablet.page.expect_request("**/session.json"):
        tablet.open("/tablet/")
    assert tablet.page.locator("#sign-in").is_hidden()
    held.pop().abort()
    expect(tablet.page.locator("#sign-in")).to_be_visible()


def test_a_site_is_made_ready_and_its_run_opens_without_the_server(
    tablets: Tablets, tablet_server: TabletServer, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run)
    tablet = tablets.new(run_world.hands)
    page = tablet.open("/tablet/")
    tablet.press("Make available offline")
    expect(page.locator("#prepare-fault")).to_have_text("Choose a PIN of 4 to 8 digits.")
    page.locator("#new-pin").fill("2468")
    tablet.press("Make available offline")
    ready = re.compile(r"^Ready for offline, 4 of 4, checked \d\d:\d\d$")
    expect(page.locator("#prepare-words")).to_have_text(ready)
    assert faults_of(page) + page.evaluate(script("small_targets"), 48) == []
    told = elsewhere(Tablet.objects.get)
    assert (told.site, told.file_count, told.ready_count) == (run_world.site, 4, 4)
    page.evaluate(script("worker_controls"))

    tablet_server.kill()
    tablet.reopen(f"/runs/{run.pk}/")
    tablet.go_to(2)
    expect(page_picture(tablet.page)).to_have_js_property("complete", True)
    assert page_picture(tablet.page).evaluate("image => image.naturalWidth") == 192
    tablet.press("Skip, say why")
    tablet.page.locator("#sheet-words").fill("No filter here.")
    tablet.press("Save")
    tablet.waits(1)


def test_a_run_that_somebody_was_sent_to_do_is_on_their_tablet_without_being_asked_for(
    tablets: Tablets, tablet_server: TabletServer, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run)
    now = datetime.now(UTC)
    elsewhere(dispatch_run, run=run, to=run_world.hands, by=run_world.lead, now=now)
    tablet = tablets.new(run_world.hands)
    page = tablet.open("/tablet/")
    expect(page.get_by_role("link", name=re.compile("Osaka-3"))).to_contain_text("sent to you")
    expect(page.locator("html")).to_have_attribute("data-drawn", "yes")
    page.evaluate(script("worker_controls"))
    tablet_server.kill()
    tablet.reopen(f"/runs/{run.pk}/")
    tablet.go_to(2)
    expect(page_picture(tablet.page)).to_have_js_property("complete", True)
    assert page_picture(tablet.page).evaluate("image => image.naturalWidth") == 192


def page_picture(page: Page) -> Locator:
    return page.get_by_role("img", name="Filter on the left, fans on the right")


def test_the_pin_hides_the_screen_and_a_wrong_one_loses_nothing(
    tablets: Tablets, tablet_server: TabletServer, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run)
    tablet = tablets.new(run_world.hands)
    page = tablet.carry(run)
    page.evaluate("import('/static/js/run/pin.js').then(({ setPin }) => setPin('2468'))")
    tablet_server.kill()
    tablet.press_main()
    tablet.waits(1)
    page.evaluate(IDLE)
    page.reload()
    expect(page.get_by_role("dialog", name="Locked after 15 minutes")).to_be_visible()
    expect(page.locator("#main-act")).to_be_hidden()
    assert faults_of(page) == []
    page.locator("#pin").fill("1111")
    tablet.press("Unlock")
    expect(page.locator("#pin-fault")).to_have_text(
        "That is not the PIN. What you entered is safe."
    )
    page.locator("#pin").fill("2468")
    tablet.press("Unlock")
    tablet.at(2)
    tablet.waits(1)


def test_a_new_program_waits_for_the_next_start(
    tablets: Tablets, tablet_server: TabletServer, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run)
    tablet = tablets.new(run_world.hands)
    page = tablet.carry(run)
    version = re.compile(rb'"version": "[0-9a-f]{16}"')
    newer = b'"version": "0123456789abcdef"'
    tablet_server.line.edit = lambda path, body: (
        version.sub(newer, body) if path.startswith("/sw.js") else body
    )
    page.evaluate("window.mark = 'the same page'")
    assert page.evaluate(script("worker_waits")) == "installed"
    tablet.press_main()
    tablet.at(2)
    assert page.evaluate("window.mark") == "the same page"
    tablet.reopen(f"/runs/{run.pk}/")
    tablet.at(2)


def test_a_first_visit_weighs_little(tablets: Tablets, run_world: RunWorld) -> None:
    run = elsewhere(run_world.run)
    tablet = tablets.new(run_world.hands, installs=False)
    response = tablet.page.goto(f"/runs/{run.pk}/")
    assert response is not None
    page_size = len(brotli.compress(response.body()))
    names = tablet.page.evaluate(
        """[...document.querySelectorAll("script[src], link[rel=modulepreload]")]
          .map((one) => new URL(one.src || one.href).pathname.replace("/static/", ""))"""
    )
    size = 0
    for name in names:
        path = finders.find(name)
        assert isinstance(path, str)
        with open(path, "rb") as file:
            size += len(brotli.compress(file.read()))
    assert page_size <= 15 * 1024
    assert size <= 25 * 1024
