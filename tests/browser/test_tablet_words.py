"""The words on a tablet: in the language it was set to, and kept while they are still typed."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from runbooks.library.document import StepOption
from runbooks.library.selectors import document_of
from runbooks.library.stored import document_to_json
from runbooks.models import Run, RunbookTranslation, RunEntry
from runbooks.runs.tablets import MOST_BYTES
from tests.browser.screens import elsewhere, script
from tests.browser.tablet_faults import faults_of
from tests.browser.tablet_world import (
    RunWorld,
    Tablet,
    Tablets,
    TabletServer,
    drawing,
)
from tests.factories import make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

JAPANESE = ("シュトゥルツ", "バーティブ")


def translate(run: Run) -> RunbookTranslation:
    """Publish the run's edition in Japanese; the branch is step 4."""
    version = run.runbook_version
    own = document_of(version)
    steps = tuple(
        replace(
            step,
            title=f"手順{step.number}",
            options=tuple(
                StepOption(label, option.goto)
                for label, option in zip(JAPANESE, step.options, strict=False)
            )
            if step.id == "kind"
            else step.options,
        )
        for step in own.steps
    )
    document = document_to_json(replace(own, language="ja", steps=steps))
    return version.translations.create(
        language="ja", document=document, content_hash="ab" * 32, published_at=datetime.now(UTC)
    )


def prepare(page: Page) -> None:
    """Set a PIN and have the site made ready."""
    page.locator("#new-pin").fill("2468")
    page.get_by_role("button", name="Make available offline").click()


def choose_japanese(tablet: Tablet) -> None:
    tablet.press("Safety")
    tablet.page.get_by_label("Language of the steps").select_option("ja")
    expect(tablet.page.locator("#main")).to_have_attribute("lang", "ja")
    tablet.press("Back to the step")


def test_a_branch_chosen_in_japanese_leads_the_same_way_and_offline(
    tablets: Tablets, tablet_server: TabletServer, run_world: RunWorld
) -> None:
    run, other = elsewhere(run_world.run), elsewhere(run_world.run)
    elsewhere(translate, run)
    elsewhere(translate, other)
    tablet = tablets.new(run_world.hands)
    tablet.carry(other)
    page = tablet.carry(run)
    choose_japanese(tablet)
    page.evaluate(script("until_language"), [other.pk, "ja"])

    tablet_server.kill()
    tablet.reopen(f"/runs/{other.pk}/")
    expect(tablet.page.locator("#step-title")).to_have_text("手順1")
    tablet.reopen(f"/runs/{run.pk}/")
    tablet.go_to(4)
    tablet.page.get_by_label(JAPANESE[1]).check()
    tablet.press_main()
    tablet.at(7)
    expect(tablet.page.locator("#rail .passed")).to_have_count(2)
    tablet.go_to(4)
    expect(tablet.page.locator(".sides")).to_contain_text(JAPANESE[1])
    tablet_server.start()
    tablet.send_now()
    tablet.has_sent_all()
    entry = elsewhere(RunEntry.objects.get, run=run, step_id="kind")
    assert entry.input == {"choice": "Vertiv"}


def test_what_is_not_translated_yet_is_said_and_shown_in_the_editions_own_language(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run, plain = elsewhere(run_world.run), elsewhere(run_world.run)
    elsewhere(translate, run)
    tablet = tablets.new(run_world.hands, installs=False)
    tablet.carry(run)
    choose_japanese(tablet)
    page = tablet.carry(plain)
    expect(page.locator("#banners")).to_have_text("Not in Japanese yet, shown in English.")
    elsewhere(translate, plain)
    page.reload()
    expect(page.locator("#step-title")).to_have_text("手順1")
    expect(page.locator("#banners")).to_be_empty()


def test_what_is_typed_outlives_the_tab_until_it_is_entered(
    tablets: Tablets, tablet_server: TabletServer, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run)
    tablet = tablets.new(run_world.hands)
    page = tablet.carry(run)
    tablet_server.kill()
    tablet.go_to(4)
    page.get_by_label("Stulz").check()
    tablet.go_to(2)
    page.locator("#reading").fill("117")
    tablet.press("Write a note")
    page.locator("#sheet-words").fill("The lock is stiff.")
    tablet.press("Go back")
    tablet.press("Cannot do")
    page.locator("#sheet-words").fill("It is too h")
    page.evaluate(script("until_typed"), [run.pk, "It is too h"])

    tablet.reopen(f"/runs/{run.pk}/#filter")
    page = tablet.page
    expect(page.locator("#reading")).to_have_value("117")
    tablet.press("Cannot do")
    expect(page.locator("#sheet-words")).to_have_value("It is too h")
    tablet.press("Go back")
    tablet.press_main()
    tablet.at(3)
    tablet.go_to(4)
    expect(page.get_by_label("Stulz")).to_be_checked()

    tablet.reopen(f"/runs/{run.pk}/#filter")
    page = tablet.page
    tablet.press("Go on with your note")
    expect(page.locator("#sheet-words")).to_have_value("The lock is stiff.")
    tablet.press("Save the note")
    tablet.press("Enter it again")
    expect(page.locator("#reading")).to_have_value("")
    tablet.waits(2)
    assert typed_in(tablet, run) == ["kind"]


def typed_in(tablet: Tablet, run: Run) -> list[str]:
    found: list[str] = tablet.page.evaluate(
        """async (run) => { const { typedIn } = await import("/static/js/run/typed.js");
          return [...(await typedIn(run)).keys()]; }""",
        run.pk,
    )
    return found


def test_an_approval_is_answered_on_the_tablet_by_another_person_who_may(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run)
    engineer = elsewhere(make_user, "engineer", run_world.site, first_name="Mei", last_name="Ito")
    asker = tablets.new(run_world.hands, installs=False)
    other = tablets.new(engineer, installs=False)
    asker.carry(run)
    asker.go_to(11)
    asker.enter("Ask for approval")
    asker.has_sent_all()
    asker.page.reload()
    asker.go_to(11)
    expect(asker.page.locator("#main .waiting")).to_have_text(
        "Step 11 is approved by somebody else than who asks for it."
    )

    page = other.carry(run)
    other.go_to(11)
    assert faults_of(page) + page.evaluate(script("small_targets"), 48) == []
    other.press("Refuse, say why")
    page.locator("#sheet-words").fill("The backup runs.")
    other.context.set_offline(True)
    other.press("Save")
    expect(page.locator("#alarm")).to_contain_text("The answer was NOT given.")
    expect(page.locator("#main .waiting")).to_contain_text("An engineer answers, at the desk")
    other.context.set_offline(False)
    other.press("Approve")
    expect(page.locator(".sides")).to_contain_text("Approved")
    expect(page.locator(".sides")).to_contain_text("Mei Ito")
    entry = elsewhere(RunEntry.objects.get, run=run, kind="approved")
    assert (entry.actor, entry.channel) == (engineer, "tablet")


def test_what_a_sites_pack_has_no_room_for_is_named(tablets: Tablets, run_world: RunWorld) -> None:
    elsewhere(drawing, size=MOST_BYTES + 1)
    elsewhere(run_world.run)
    page = tablets.new(run_world.hands).open("/tablet/")
    prepare(page)
    expect(page.locator("#prepare-words")).to_contain_text("Not ready for offline, 1 of 2")
    expect(page.locator(".left-out")).to_contain_text("25 MB of pictures: R-")


def test_a_prepared_tablet_takes_in_what_the_site_needs_since(
    tablets: Tablets, run_world: RunWorld
) -> None:
    elsewhere(run_world.run)
    tablet = tablets.new(run_world.hands)
    page = tablet.open("/tablet/")
    prepare(page)
    expect(page.locator("#prepare-words")).to_contain_text("Ready for offline, 4 of 4")
    elsewhere(run_world.run, title="Silent node")
    page.reload()
    expect(page.locator("#prepared")).to_contain_text("Ready for offline, 6 of 6")
    expect(page.locator("#runs")).to_contain_text("Silent node")


def test_without_network_a_tablet_says_when_it_last_knew_what_the_site_needs(
    tablets: Tablets, run_world: RunWorld
) -> None:
    elsewhere(run_world.run)
    tablet = tablets.new(run_world.hands)
    page = tablet.open("/tablet/")
    prepare(page)
    expect(page.locator("#prepare-words")).to_contain_text("Ready for offline, 4 of 4")
    page.clock.set_system_time(datetime.now(UTC) + timedelta(days=3))
    tablet.context.route("**/session.json", lambda route: route.abort())
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-drawn", "yes")
    checked = re.compile(r"Ready for offline, 4 of 4, checked \d+ \w+, \d\d:\d\d")
    expect(page.locator("#prepared")).to_contain_text(checked)
