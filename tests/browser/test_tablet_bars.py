"""What cannot be undone waits on the tablet for the answers before it, with network or without."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from runbooks.library.document import StepOption
from runbooks.models import RunEntry
from runbooks.runs.services import enter
from tests.browser.screens import elsewhere
from tests.browser.tablet_faults import faults_with_gloves_and_without
from tests.browser.tablet_world import RunWorld, Tablets
from tests.factories import make_user
from tests.pure.run_steps import make_step
from tests.runbooks.run_world import newest_entry

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ALLOW = make_step("allow", "approval", title="Ask whether it may stop", approver="engineer")
STOP = make_step("stop", title="Stop it", warning="What it holds is lost.", is_destructive=True)
LOOK = make_step("look", title="Look at its lamp")


def test_a_step_that_nobody_has_approved_leads_to_the_approval_and_opens_with_it(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run, ALLOW, STOP)
    engineer = elsewhere(make_user, "engineer", run_world.site, first_name="Mei", last_name="Ito")
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    tablet.go_to(2)
    expect(page.locator(".barred")).to_have_text(
        "Not before it is approved at step 1: Ask whether it may stop"
    )
    assert faults_with_gloves_and_without(page) == []
    tablet.press("Go to step 1")
    tablet.enter("Ask for approval")
    tablet.has_sent_all()
    tablet.go_to(2)
    expect(page.locator(".barred")).to_be_visible()
    kind, now = RunEntry.Kind.APPROVED, datetime.now(UTC)
    elsewhere(enter, run=run, kind=kind, by=engineer, now=now, step_id="allow")
    tablet.send_now()
    tablet.press("Before you do it")
    tablet.press("I have read it, go on")
    tablet.enter("Done")
    tablet.has_sent_all()
    assert elsewhere(newest_entry, run).input == {}


def test_without_a_network_a_yes_by_telephone_is_written_down_with_the_step(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run, ALLOW, STOP)
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    tablet.context.set_offline(True)
    tablet.enter("Ask for approval")
    tablet.go_to(2)
    tablet.press("Without it, say why")
    page.locator("#sheet-words").fill("Mei Ito said yes by telephone.")
    tablet.press("Save")
    tablet.press("Before you do it")
    tablet.press("I have read it, go on")
    tablet.enter("Done")
    tablet.go_to(2)
    missing = "Done without the answer of step 1, which is still missing."
    expect(page.locator("#main")).to_contain_text(missing)
    expect(page.locator(".sides")).to_contain_text("Done · Mei Ito said yes by telephone.")
    tablet.context.set_offline(False)
    tablet.has_sent_all()
    entry = elsewhere(newest_entry, run)
    assert (entry.step_id, entry.kind) == ("stop", "step_done")
    assert entry.input == {"reason": "Mei Ito said yes by telephone."}


def test_what_was_left_is_barred_when_it_is_entered_again(
    tablets: Tablets, run_world: RunWorld
) -> None:
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(elsewhere(run_world.run, ALLOW, STOP, LOOK))
    tablet.go_to(2)
    tablet.give_reason("Cannot do", "No key.")
    tablet.go_to(2)
    tablet.press("Enter it again")
    expect(page.locator(".barred")).to_be_visible()
    expect(page.locator("#main-act")).to_have_text("Go to step 1")


def test_a_refusal_takes_back_the_yes_that_was_told(tablets: Tablets, run_world: RunWorld) -> None:
    run = elsewhere(run_world.run, ALLOW, STOP)
    engineer = elsewhere(make_user, "engineer", run_world.site)
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    tablet.enter("Ask for approval")
    tablet.has_sent_all()
    tablet.go_to(2)
    tablet.press("Without it, say why")
    page.locator("#sheet-words").fill("They said yes.")
    tablet.press("Save")
    expect(page.locator("#main-act")).to_have_text("Before you do it")
    kind, now, said = RunEntry.Kind.REFUSED, datetime.now(UTC), {"reason": "Not today."}
    elsewhere(enter, run=run, kind=kind, by=engineer, now=now, step_id="allow", said=said)
    tablet.send_now()
    expect(page.locator(".barred")).to_have_text("Refused at step 1: Ask whether it may stop")


def test_every_answer_that_is_missing_is_named(tablets: Tablets, run_world: RunWorld) -> None:
    more = make_step("more", "approval", title="Ask the owner too", approver="owner")
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(elsewhere(run_world.run, ALLOW, more, STOP))
    tablet.go_to(3)
    expect(page.locator(".barred")).to_have_text(
        "Not before it is approved at step 1: Ask whether it may stop, then step 2"
    )


@pytest.mark.parametrize("button", ["Cannot do", "Skip, say why"])
def test_a_branch_that_nobody_can_answer_holds_the_run(
    tablets: Tablets, run_world: RunWorld, button: str
) -> None:
    ways = (StepOption("Smoke", "end"), StepOption("None", ""))
    gate = make_step("gate", "branch", title="Look for smoke", options=ways)
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(elsewhere(run_world.run, gate, STOP, LOOK))
    tablet.give_reason(button, "The window is dark.")
    tablet.at(1)
    expect(page.locator("#main")).to_contain_text("Nobody knows yet which way to go on.")
    expect(page.locator("#main-act")).to_have_text("All steps")
    tablet.go_to(2)
    expect(page.locator(".barred")).to_contain_text("Not before it is known which way to go")
    tablet.press("Go to step 1")
    tablet.press("Enter it again")
    page.get_by_label("None").check()
    tablet.press_main()
    tablet.at(2)
    expect(page.locator("#main-act")).to_have_text("Before you do it")
    tablet.has_sent_all()
