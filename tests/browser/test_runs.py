"""Runs in a real browser: started from an alert, watched as they happen, readable by everybody."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from runbooks.models import Alert, Run, RunEntry
from runbooks.runs.selectors import open_runs
from runbooks.runs.services import enter
from tests.browser.conftest import OpenPage
from tests.browser.screens import elsewhere, faults_at_every_size, settle
from tests.noc.run_noc_world import busy_site, run_of_alert, say
from tests.runbooks.run_world import STEPS, make_edition

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAGES = {
    "list": "/runs/",
    "watch": "/runs/{run}/watch/",
    "aside": "/runs/quarantine/",
    "dispatch": "/runs/{run}/dispatch/",
    "sheet": "/runs/{run}/sheet/",
    "site": "/sites/osaka-3/",
}


@pytest.fixture
def run(transactional_db: None) -> Run:
    """A run that waits for an approval, at a site with more of everything."""

    def make() -> Run:
        site = busy_site(now=datetime.now(UTC))
        return open_runs(Run.objects.filter(site=site)).select_related("lead").earliest("pk")

    return elsewhere(make)


def unfold(page: Page) -> Page:
    page.locator("main details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    return page


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", list(PAGES))
def test_pages_of_runs_are_accessible_and_fit_every_screen(
    name: str, dark: bool, open_page: OpenPage, run: Run
) -> None:
    page = settle(open_page(run.lead, PAGES[name].format(run=run.pk), dark=dark))
    assert faults_at_every_size(unfold(page)) == []


@pytest.mark.parametrize("dark", [False, True])
def test_a_code_that_is_shown_once_is_accessible(open_page: OpenPage, run: Run, dark: bool) -> None:
    page = settle(open_page(run.lead, f"/runs/{run.pk}/dispatch/", dark=dark))
    page.get_by_role("button", name="Make a code").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    assert faults_at_every_size(page) == []


def test_an_alerts_runbook_is_started_and_its_steps_arrive_live(
    open_page: OpenPage, alerts: dict[str, Alert], operator: Any
) -> None:
    alert = next(iter(alerts.values()))
    page = settle(open_page(operator, f"/alerts/{alert.pk}/"))
    page.get_by_role("button", name="Run this runbook").click()
    expect(page.get_by_role("link", name="Do the steps")).to_be_visible()
    settle(page)
    run = elsewhere(lambda: Run.objects.select_related("lead").get(alert=alert))
    first, second = elsewhere(lambda: run.runbook_version.document["steps"][:2])
    onward = next(way["label"] for way in first["options"] if way["goto"] == second["id"])
    done = {"kind": RunEntry.Kind.STEP_DONE, "said": {"choice": onward}}
    elsewhere(enter, run=run, by=operator, step_id=first["id"], now=datetime.now(UTC), **done)
    expect(page.locator("#alert-run")).to_contain_text("Step 2 of")


def test_whoever_watches_sees_an_entry_arrive(open_page: OpenPage, run: Run) -> None:
    page = settle(open_page(run.lead, f"/runs/{run.pk}/watch/"))
    page.locator("#handing > summary").click()
    elsewhere(say, run, run.lead, "inlet", now=datetime.now(UTC), value=22.75, unit="Cel")
    expect(page.locator(".runlog li").first).to_contain_text("22.75 °C")
    assert page.locator("#handing[open]").count() == 1


def test_the_lead_chooses_what_counts_without_leaving_the_page(
    open_page: OpenPage, run: Run
) -> None:
    page = settle(open_page(run.lead, f"/runs/{run.pk}/watch/"))
    page.get_by_role("button", name=re.compile("This one counts.*30.25")).click()
    expect(page.locator("#run-step-2 .stands")).to_contain_text("30.25 °C")
    expect(page.locator("#run-step-2")).to_contain_text("Outside the bounds of 10 to 27 °C")


@pytest.mark.parametrize("dark", [False, True])
def test_an_alert_whose_run_could_follow_a_newer_edition_is_accessible(
    dark: bool, open_page: OpenPage, alerts: dict[str, Alert], operator: Any
) -> None:
    alert = next(iter(alerts.values()))
    now = datetime.now(UTC)
    run = elsewhere(run_of_alert, alert, by=operator, now=now)
    elsewhere(make_edition, *STEPS, runbook=run.runbook_version.runbook, now=now)
    page = settle(open_page(operator, f"/alerts/{alert.pk}/", dark=dark))
    page.get_by_text("Move the run to v2 …").click()
    expect(page.get_by_role("button", name=f"Move R-{run.pk} to v2")).to_be_visible()
    assert faults_at_every_size(page) == []
