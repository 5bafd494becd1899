"""What a run comes to on a tablet: a dispute, an end, what waits, the last look, the lock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import expect

from runbooks.models import Run, RunEntry
from runbooks.runs.services import abandon_run, enter
from tests.browser.screens import elsewhere
from tests.browser.tablet_faults import faults_with_gloves_and_without
from tests.browser.tablet_world import RunWorld, Tablets, TabletServer
from tests.pure.run_steps import make_step

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

IDLE = "localStorage.setItem('hw_tablet_seen', String(Date.now() - 16 * 60000))"
SET_PIN = "import('/static/js/run/pin.js').then(({ setPin }) => setPin('2468'))"


def disputed_run(world: RunWorld) -> Run:
    """A run whose first step was entered twice, with different readings."""
    run = world.run(
        make_step(
            "inlet",
            "reading",
            title="Read the inlet of node-3",
            unit="Cel",
            maximum=27.0,
            otherwise="It is too warm: open the second door.",
            is_mandatory=True,
        ),
        make_step("flag", title="Stand in front of rack **A2**"),
        make_step("wait", title="Sign the book at the entrance", is_mandatory=True),
        make_step(
            "restart",
            title="Restart node-3",
            warning="Everything that runs on node-3 stops; jobs without a checkpoint are lost.",
            is_destructive=True,
            is_mandatory=True,
        ),
    )
    for by, value in ((world.lead, 21.5), (world.hands, 30.25)):
        said = {"value": value, "unit": "Cel"}
        kind, now = RunEntry.Kind.STEP_DONE, datetime.now(UTC)
        enter(run=run, kind=kind, by=by, now=now, step_id="inlet", said=said)
    return run


def test_what_a_run_comes_to_is_drawn_without_fault(
    tablets: Tablets, tablet_server: TabletServer, run_world: RunWorld
) -> None:
    run = elsewhere(disputed_run, run_world)
    tablet = tablets.new(run_world.lead, installs=False)
    page = tablet.carry(run)
    faults: dict[str, Any] = {}

    tablet.go_to(1)
    expect(page.get_by_role("button", name="This one counts")).to_have_count(2)
    expect(page.locator(".sides")).to_contain_text("30.25 °C, outside the bounds")
    faults["dispute"] = faults_with_gloves_and_without(page)

    tablet_server.line.edit_request = lambda path, body: body.replace(b'"flag"', b'"wait"')
    tablet.go_to(2)
    tablet.press_main()
    expect(page.locator("#banners")).to_contain_text("1 entry was flagged")
    tablet.context.set_offline(True)
    tablet.press_main()
    tablet.waits(1)
    page.locator("#sync").click()
    sheet = page.get_by_role("dialog", name="Saved here, 1 waiting")
    for title in ("Waiting", "Flagged by the server, kept for the desk"):
        expect(sheet.get_by_role("heading", name=title, exact=True)).to_be_visible()
    faults["what waits"] = faults_with_gloves_and_without(page)
    tablet.press("Close")

    tablet.go_to(4)
    tablet.press("Before you do it")
    expect(page.get_by_role("dialog", name="This cannot be undone")).to_be_visible()
    faults["last look"] = faults_with_gloves_and_without(page)
    tablet.press("I have read it, go on")
    tablet.give_reason("Cannot do", "The button is behind a lock.")
    expect(page.get_by_role("heading", level=1)).to_have_text("2 steps that must be done are left")
    expect(page.locator(".steplist")).to_contain_text(
        "cannot be done: The button is behind a lock. · Aiko Sato"
    )
    faults["end, with steps left"] = faults_with_gloves_and_without(page)

    tablet.context.set_offline(False)
    elsewhere(abandon_run, run=run, by=run_world.lead, reason="Sold.", now=datetime.now(UTC))
    tablet.send_now()
    tablet.has_sent_all()
    expect(page.locator("#banners")).to_contain_text("Abandoned on the server")
    faults["end, ended by the desk"] = faults_with_gloves_and_without(page)

    page.evaluate(SET_PIN)
    page.evaluate(IDLE)
    page.reload()
    expect(page.get_by_role("dialog", name="Locked after 15 minutes")).to_be_visible()
    page.locator("#pin").fill("1111")
    tablet.press("Unlock")
    expect(page.locator("#pin-fault")).to_contain_text("That is not the PIN.")
    faults["lock"] = faults_with_gloves_and_without(page)
    assert {name: found for name, found in faults.items() if found} == {}


def test_what_the_disk_has_is_never_called_unsaved(tablets: Tablets, run_world: RunWorld) -> None:
    run = elsewhere(run_world.run)
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    # While it starts, a store that cannot be read is another trouble.
    page.wait_for_selector("html[data-started]", state="attached")
    page.evaluate(
        """() => {
          const { add } = IDBObjectStore.prototype;
          IDBObjectStore.prototype.add = function (...given) {
            IDBObjectStore.prototype.getAll = () => { throw new Error("It cannot be read"); };
            return add.apply(this, given);
          };
        }"""
    )
    tablet.press_main()
    expect(page.locator("#alarm")).to_contain_text(
        "Saved, but the screen cannot show it: It cannot be read. Do not enter it again"
    )
    page.reload()
    tablet.has_sent_all()
    assert elsewhere(RunEntry.objects.filter(run=run, kind="step_done").count) == 1


def test_the_last_look_without_a_warning_shows_what_the_step_says_is_lost(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = elsewhere(
        run_world.run, make_step("clear", body="Lost: the caches, for good.", is_destructive=True)
    )
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    tablet.press("Before you do it")
    expect(page.locator("#sheet")).to_contain_text("Lost: the caches, for good.")
    expect(page.locator("#sheet")).not_to_contain_text("What runs there now stops")


def test_what_the_steps_call_escalate_is_read_on_the_tablet(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run)
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    tablet.press("Safety")
    expect(page.locator("#sheet").get_by_role("heading", name="Escalate")).to_be_visible()


def test_a_photo_that_goes_with_no_entry_is_named_at_the_end(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run, make_step("picture", "photo", title="Photograph the filter"))
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    tablet.take_photo()
    page.evaluate("location.hash = '~end'")
    expect(page.locator(".loose")).to_contain_text("A photo goes with no entry yet and is not sent")
    expect(page.locator(".loose + .steplist")).to_contain_text("Photograph the filter")
