"""What keeps a technician out of harm: what to do instead, whose step it is, what is meant."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import expect

from runbooks.models import RunEntry
from runbooks.runs.services import enter
from runbooks.runs.tokens import make_claim
from tests.browser.screens import elsewhere
from tests.browser.tablet_world import RunWorld, Tablets
from tests.factories import make_user
from tests.pure.run_steps import make_step
from tests.runbooks.run_world import newest_entry

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

STAY_OUT = "Stay out and call the fire brigade."


@pytest.mark.parametrize("kind", ["instruction", "confirm", "photo"])
def test_what_to_do_instead_is_read_before_and_stays_after_cannot_do(
    tablets: Tablets, run_world: RunWorld, kind: str
) -> None:
    room = make_step("room", kind, title="The room can be entered", otherwise=STAY_OUT)
    run = elsewhere(run_world.run, room, make_step("read", title="Read the voltage"))
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    expect(page.locator(".expect")).to_have_text(f"If not: {STAY_OUT}")
    tablet.give_reason("Cannot do", "Smoke.")
    expect(page.locator(".note.p2").filter(has_text="Not as expected")).to_contain_text(STAY_OUT)
    tablet.at(1)
    expect(page.locator("#main-act")).to_have_text("Next: step 2")
    tablet.has_sent_all()


def test_a_step_that_cannot_be_done_and_says_nothing_else_is_left(
    tablets: Tablets, run_world: RunWorld
) -> None:
    steps = (make_step("room", title="Open the door"), make_step("read", title="Read it"))
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(elsewhere(run_world.run, *steps))
    tablet.give_reason("Cannot do", "No key.")
    expect(page.locator(".stepno")).to_have_text("Step 2 of 2")
    tablet.has_sent_all()


def test_a_failed_verification_says_what_to_do(tablets: Tablets, run_world: RunWorld) -> None:
    step = make_step(
        "steady",
        "verify",
        title="The inlet is cool",
        otherwise=STAY_OUT,
        metric="hw.temperature",
        unit="Cel",
        maximum=35.0,
    )
    run = elsewhere(run_world.run, step)
    elsewhere(_fail, run)
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    expect(page.locator(".runmain")).to_contain_text(f"Not as expected: {STAY_OUT}")


def _fail(run: Any) -> None:
    RunEntry.objects.create(
        run=run,
        kind=RunEntry.Kind.VERIFY_FAILED,
        step_id="steady",
        runbook_version=run.runbook_version,
        channel=RunEntry.Channel.ENGINE,
        received_at=datetime.now(UTC),
        input={"value": 41.0, "unit": "Cel", "sentence": "The inlet is 41 °C."},
    )


def test_whose_step_it_is_stands_on_the_step_the_rail_and_the_list(
    tablets: Tablets, run_world: RunWorld
) -> None:
    steps = (
        make_step("drain", title="Drain the node", who="noc"),
        make_step("pull", title="Pull the cord", who="on-site"),
        make_step("look", title="Look at the lamp"),
    )
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(elsewhere(run_world.run, *steps))
    expect(page.locator(".stepno")).to_have_text("Step 1 of 3 · for the NOC")
    expect(page.locator(".runmain")).to_contain_text("The NOC does this step.")
    expect(
        page.get_by_role("button", name="Step 1, Drain the node, for the NOC, open")
    ).to_be_visible()
    tablet.press("All steps")
    line = page.locator(".stepline")
    expect(line.nth(0)).to_contain_text("for the NOC")
    expect(line.nth(1)).not_to_contain_text("for the NOC")
    tablet.go_to(2)
    expect(page.locator(".stepno")).to_have_text("Step 2 of 3 · on site")
    tablet.go_to(3)
    expect(page.locator(".stepno")).to_have_text("Step 3 of 3")


@pytest.mark.parametrize(
    ("written", "asked"), [("2,000", "Is it 2000 or 2.000?"), ("-1,180", "Is it -1180 or -1.180?")]
)
def test_a_comma_that_could_mean_two_numbers_is_asked_about(
    tablets: Tablets, run_world: RunWorld, written: str, asked: str
) -> None:
    run = elsewhere(run_world.run, make_step("fan", "reading", unit="{rpm}", maximum=3000.0))
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    page.locator("#reading").fill(written)
    page.locator("#main-act").click()
    expect(page.locator("#fault")).to_contain_text(asked)
    assert not elsewhere(run.entries.filter(kind=RunEntry.Kind.STEP_DONE).exists)
    page.locator("#reading").fill("2000,5")
    with page.expect_response("**/entries"):
        tablet.press_main()
    assert elsewhere(newest_entry, run).input["value"] == 2000.5


def test_enter_in_a_field_passes_no_last_look(tablets: Tablets, run_world: RunWorld) -> None:
    step = make_step(
        "vent", "reading", title="Vent the loop to", unit="bar", maximum=2.0, is_destructive=True
    )
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(elsewhere(run_world.run, step))
    expect(page.locator("#main-act")).to_have_text("Before you do it")
    expect(page.locator("#reading")).to_have_count(0)
    tablet.press("Before you do it")
    tablet.press("I have read it, go on")
    expect(page.locator("#reading")).to_be_visible()


def test_a_namesake_of_the_lead_does_not_choose(tablets: Tablets, run_world: RunWorld) -> None:
    step = make_step("inlet", "reading", title="Read the inlet", unit="Cel", maximum=27.0)
    run = elsewhere(run_world.run, step)
    namesake = elsewhere(make_user, "operator", run_world.site, first_name="Aiko", last_name="Sato")
    for by, value in ((run_world.lead, 21.5), (run_world.hands, 30.25)):
        said = {"value": value, "unit": "Cel"}
        kind, now = RunEntry.Kind.STEP_DONE, datetime.now(UTC)
        elsewhere(enter, run=run, kind=kind, by=by, now=now, step_id="inlet", said=said)
    for user, buttons in ((namesake, 0), (run_world.lead, 2)):
        tablet = tablets.new(user, installs=False)
        page = tablet.carry(run)
        tablet.go_to(1)
        expect(page.locator(".sides .said")).to_have_count(2)
        expect(page.get_by_role("button", name="This one counts")).to_have_count(buttons)


def test_a_tablet_without_a_login_can_have_a_pin(tablets: Tablets, run_world: RunWorld) -> None:
    run = elsewhere(run_world.run)
    claim = elsewhere(make_claim, run=run, now=datetime.now(UTC))
    tablet = tablets.new(installs=False)
    page = tablet.open(f"/r/{claim.text}")
    tablet.press("Follow this run on this tablet")
    page.wait_for_url(re.compile(rf"/runs/{run.pk}/"))
    page = tablet.open("/tablet/")
    expect(page.locator("html")).to_have_attribute("data-drawn", "yes")
    tablet.press("Set the PIN")
    expect(page.locator("#prepare-fault")).to_have_text("Choose a PIN of 4 to 8 digits.")
    page.locator("#new-pin").fill("2468")
    tablet.press("Set the PIN")
    expect(page.locator("#prepare-words")).to_have_text("The PIN is set.")
    expect(page.locator("#site-choice")).to_be_hidden()


def test_a_browser_that_cannot_keep_the_program_is_not_ready(
    tablets: Tablets, run_world: RunWorld
) -> None:
    page = tablets.new(run_world.hands, installs=False).open("/tablet/")
    page.locator("#new-pin").fill("2468")
    page.get_by_role("button", name="Make available offline").click()
    expect(page.locator("#prepare-words")).to_contain_text("Not ready for offline, 0 of 1")
    expect(page.locator(".left-out")).to_contain_text("The program itself is not kept")
