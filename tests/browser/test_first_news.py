"""The first fetch of a page, as its line opens: whoever was faster than it loses nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from runbooks.library.services import publish_builtin_library
from runbooks.models import Alert, Run
from runbooks.runs.selectors import open_runs
from tests.browser.conftest import OpenPage
from tests.browser.screens import Line, elsewhere, settle
from tests.factories import make_user
from tests.noc.oncall_more_world import make_heartbeats
from tests.noc.run_noc_world import busy_site
from tests.runbooks.world import make_alert

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: Where somebody may write at once: the page, the sheet to be opened, the field.
FIELDS = {
    "alert": ("/alerts/{alert}/", "#closing", "#close-reason"),
    "queue": ("/alerts/", "#bulk-close", "#bulk-reason"),
    "run": ("/runs/{run}/watch/", "", "#run-note"),
}


@pytest.fixture
def line() -> Line:
    """A line that says nothing until it is told to."""
    line = Line()
    line.greets = False
    return line


@pytest.fixture
def run(transactional_db: None) -> Run:
    """A run at a busy site that has an alert, too."""

    def make() -> Run:
        now = datetime.now(UTC)
        site = busy_site(now=now)
        publish_builtin_library(now=now)
        make_alert(site=site, now=now)
        return open_runs(Run.objects.filter(site=site)).select_related("lead").earliest("pk")

    return elsewhere(make)


def greet(page: Page, line: Line) -> None:
    """Let the line open, and what it brings be fetched."""
    line.say("hello")
    page.clock.run_for(1_200)
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("name", list(FIELDS))
def test_what_somebody_types_meanwhile_stays_under_their_hands(
    name: str, open_page: OpenPage, run: Run, line: Line
) -> None:
    path, sheet, field = FIELDS[name]
    alert = elsewhere(Alert.objects.get)
    page = open_page(run.lead, path.format(alert=alert.pk, run=run.pk), before=line.take)
    if sheet:
        page.locator(f"{sheet} summary").click()
    page.locator(field).fill("filter bl")
    greet(page, line)
    page.keyboard.type("ocked")
    expect(page.locator(field)).to_have_value("filter blocked")


def test_what_somebody_chooses_meanwhile_stays_chosen(
    open_page: OpenPage, run: Run, line: Line
) -> None:
    page = open_page(run.lead, "/sites/osaka-3/", before=line.take)
    page.locator("#starting-run summary").click()
    page.locator("#run-node").select_option(label="node-1")
    greet(page, line)
    expect(page.locator("#run-node option:checked")).to_have_text("node-1")


def test_a_page_that_says_why_a_form_was_refused_goes_on_saying_it(
    open_page: OpenPage, run: Run, line: Line
) -> None:
    elsewhere(make_heartbeats, run.site, now=datetime.now(UTC))
    line.greets = True
    engineer = elsewhere(make_user, "admin", run.site)
    page = settle(open_page(engineer, "/oncall/heartbeats/", before=line.take))
    row = page.locator("#heartbeats .changing").first
    row.locator("summary").click()
    row.get_by_label("Why it is not expected").fill(" ")
    row.get_by_role("button", name="Pause").click()
    settle(page)
    page.clock.run_for(1_200)
    page.wait_for_load_state("networkidle")
    expect(page.locator("#heartbeats .fault")).to_be_visible()
