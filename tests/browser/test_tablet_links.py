"""A step that leads to another runbook, read on the tablet: with a key alone, without network."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from runbooks.models import Run
from runbooks.runs.tokens import make_claim
from tests.browser.screens import elsewhere, script
from tests.browser.tablet_faults import faults_with_gloves_and_without
from tests.browser.tablet_world import RunWorld, Tablets, TabletServer
from tests.pure.run_steps import make_step

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

CHECK = (
    make_step(
        "hash",
        title="Compare the model's digest at {{ site.name }}",
        body="Read it from the **label**.",
        expect="The digests are alike.",
        otherwise="Stop the node.",
        warning="Touch no running node.",
    ),
    make_step("note", title="Write down what you found"),
)


def leading_run(world: RunWorld) -> Run:
    linked = world.edition(*CHECK, title="Model check")
    return world.run(make_step("next", "link", title="Go on", runbook=linked.runbook.slug))


def reads_the_steps(page: Page) -> None:
    expect(page.locator("#main")).to_contain_text("Go on with the runbook Model check.")
    steps = page.locator("details.byhand li")
    expect(steps.first).to_be_hidden()
    page.get_by_text("Read the steps").click()
    expect(steps).to_have_count(2)
    for words in (
        "1. Compare the model's digest at Osaka-3",
        "Warning. Touch no running node.",
        "Read it from the label.",
        "Expected: The digests are alike.",
        "Not as expected: Stop the node.",
    ):
        expect(steps.first).to_contain_text(words)
    expect(steps.last).to_contain_text("2. Write down what you found")


def test_a_tablet_with_a_key_alone_reads_the_linked_runbook_with_network_and_without(
    tablets: Tablets, tablet_server: TabletServer, run_world: RunWorld
) -> None:
    run = elsewhere(leading_run, run_world)
    claim = elsewhere(make_claim, run=run, now=datetime.now(UTC))
    tablet = tablets.new()
    page = tablet.open(f"/r/{claim.text}")
    tablet.press("Follow this run on this tablet")
    page.wait_for_url(f"**/runs/{run.pk}/?t**")
    reads_the_steps(page)
    assert faults_with_gloves_and_without(page) == []
    expect(page.locator("#main a[href^='/runbooks/']")).to_have_count(0)
    page.evaluate(script("worker_controls"))
    page.locator("html[data-started=yes]").wait_for(state="attached")

    tablet_server.kill()
    reads_the_steps(tablet.reopen(f"/runs/{run.pk}/"))
    tablet.press("Done")
    tablet.page.get_by_label("Your name, as it shall stand in the log").fill("Ben Roth")
    tablet.press("Save")
    tablet.waits(1)


def test_with_a_login_the_runbooks_own_page_is_at_hand_too_and_where_it_is_not_here_its_words(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = elsewhere(leading_run, run_world)
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    reads_the_steps(page)
    own = page.locator("#main a[href^='/runbooks/']")
    expect(own).to_have_text("Model check")

    gone = elsewhere(run_world.run, make_step("next", "link", title="Go on", runbook="book-none"))
    page = tablet.carry(gone)
    expect(page.locator("#main")).to_contain_text("It opens with network only.")
    expect(page.get_by_text("Read the steps")).to_have_count(0)
