"""How a runbook was used: its alerts, its runs, and the steps at which they stumble."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext

from runbooks.alerts.intake import take_in_findings
from runbooks.library.services import publish_runbook
from runbooks.library.usage import KindUsage, RunbookUsage, StepUsage, usage_of
from runbooks.models import Alert, Run, RunbookVersion, RunEntry
from tests.factories import NOON, make_site
from tests.runbooks.world import make_finding, make_runbook, runbook_text

pytestmark = pytest.mark.django_db

Kind = RunEntry.Kind
LATER = NOON + timedelta(hours=1)
STEPS = ("look-at-site-name", "open-the-door")


@pytest.fixture
def version() -> RunbookVersion:
    return make_runbook("thermal-alarm", matches="thermal.envelope", category="thermal")


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def make_run(version: RunbookVersion, **overrides: Any) -> Run:
    fields: dict[str, Any] = {
        "site": make_site(),
        "runbook_version": version,
        "language": "en",
        "created_at": NOON,
        "started_at": NOON,
    }
    return Run.objects.create(**(fields | overrides))


def make_entry(run: Run, kind: Kind, step: str, at: datetime, **overrides: Any) -> RunEntry:
    fields: dict[str, Any] = {
        "run": run,
        "kind": kind,
        "step_id": step,
        "runbook_version": run.runbook_version,
        "channel": RunEntry.Channel.BROWSER,
        "received_at": at,
    }
    return RunEntry.objects.create(**(fields | overrides))


def usage(version: RunbookVersion, now: datetime = LATER) -> RunbookUsage:
    return usage_of(version.runbook, step_ids=STEPS, now=now)


def test_a_runbook_nobody_used_says_so(version: RunbookVersion) -> None:
    found = usage(version)
    assert (found.runs, found.median_minutes, found.kinds, found.linked_from) == (0, None, (), ())
    assert found.steps == tuple(StepUsage(name, 0, 0, 0, None) for name in STEPS)
    assert (found.steps[0].fail_rate, found.steps[0].skip_rate) == (0.0, 0.0)


def test_the_median_run_is_of_those_that_were_done(version: RunbookVersion) -> None:
    for spent in (10, 20, 60):
        make_run(version, state=Run.State.DONE, ended_at=NOON + minutes(spent))
    make_run(version, state=Run.State.ABORTED, ended_at=NOON + minutes(1), reason="False alarm.")
    make_run(version, state=Run.State.FAILED, ended_at=NOON + minutes(1), reason="No key.")
    make_run(version)
    found = usage(version)
    assert (found.runs, found.done, found.aborted, found.failed) == (6, 3, 1, 1)
    assert found.median_minutes == 20.0


def test_runs_of_older_editions_count_and_those_of_other_runbooks_do_not(
    version: RunbookVersion,
) -> None:
    newer = make_runbook("thermal-alarm", title="Thermal alarm", category="thermal")
    make_run(version)
    make_run(newer)
    make_run(make_runbook("reboot"))
    assert usage(newer).runs == 2


def test_runs_older_than_ninety_days_are_left_out(version: RunbookVersion) -> None:
    make_run(version)
    assert usage(version, NOON + timedelta(days=90)).runs == 1
    assert usage(version, NOON + timedelta(days=90, seconds=1)).runs == 0


def test_a_step_lasts_from_the_entry_before_it_to_its_own(version: RunbookVersion) -> None:
    for spent in (1, 3, 8):
        run = make_run(version)
        make_entry(run, Kind.CREATED, "", NOON)
        make_entry(run, Kind.STEP_DONE, STEPS[0], NOON + minutes(spent))
        make_entry(run, Kind.STEP_DONE, STEPS[1], NOON + minutes(spent + 2))
    found = usage(version)
    assert [step.median_seconds for step in found.steps] == [180.0, 120.0]


def test_a_tablet_that_was_offline_is_timed_by_its_own_clock_put_right(
    version: RunbookVersion,
) -> None:
    run = make_run(version)
    make_entry(run, Kind.CREATED, "", NOON)
    wrong = {"skew_seconds": 600.0, "received_at": NOON + minutes(50)}
    for step, at in ((STEPS[0], 4), (STEPS[1], 9)):
        make_entry(run, Kind.STEP_DONE, step, NOON, client_at=NOON + minutes(at + 10), **wrong)
    assert [step.median_seconds for step in usage(version).steps] == [240.0, 300.0]


def test_a_pause_is_no_part_of_the_step_after_it(version: RunbookVersion) -> None:
    run = make_run(version)
    make_entry(run, Kind.CREATED, "", NOON)
    make_entry(run, Kind.RESUMED, "", NOON + minutes(30))
    make_entry(run, Kind.STEP_DONE, STEPS[0], NOON + minutes(31))
    assert usage(version).steps[0].median_seconds == 60.0


def test_failed_and_skipped_steps_are_rates_of_the_runs_that_came_to_them(
    version: RunbookVersion,
) -> None:
    for kind in (Kind.STEP_DONE, Kind.STEP_CANNOT, Kind.VERIFY_FAILED, Kind.STEP_SKIPPED):
        make_entry(make_run(version), kind, STEPS[0], NOON)
    make_run(version)
    step = usage(version).steps[0]
    assert (step.runs, step.fail_rate, step.skip_rate) == (4, 0.5, 0.25)


def test_the_last_word_on_a_step_counts_and_not_what_was_taken_back(
    version: RunbookVersion,
) -> None:
    run = make_run(version)
    make_entry(run, Kind.STEP_CANNOT, STEPS[0], NOON)
    make_entry(run, Kind.STEP_DONE, STEPS[0], NOON + minutes(1))
    wrong = make_entry(run, Kind.STEP_SKIPPED, STEPS[0], NOON + minutes(2))
    make_entry(run, Kind.TAKEN_BACK, STEPS[0], NOON, input={"entry": wrong.pk})
    offline = {"device_id": "tablet-1", "counter": 7}
    make_entry(run, Kind.STEP_CANNOT, STEPS[1], NOON + minutes(3), **offline)
    make_entry(run, Kind.TAKEN_BACK, STEPS[1], NOON, input={"entry": "tablet-1:7"})
    first, second = usage(version).steps
    assert (first.runs, first.failed, first.skipped) == (1, 0, 0)
    assert second.runs == 0


def test_alerts_are_counted_by_kind_and_open_ones_whatever_their_age(
    version: RunbookVersion,
) -> None:
    make_runbook("generic")
    for _ in range(3):
        make_finding()
    take_in_findings(now=NOON)
    Alert.objects.filter(pk=Alert.objects.order_by("pk")[0].pk).update(
        response=Alert.Response.CLOSED, closed_at=NOON
    )
    assert usage(version).kinds == (KindUsage("thermal.envelope", 3, 2),)
    later = usage(version, NOON + timedelta(days=200))
    assert later.kinds == (KindUsage("thermal.envelope", 2, 2),)


def test_runbooks_that_lead_here_are_named(version: RunbookVersion) -> None:
    link = "- type: link\n- runbook: thermal-alarm\n"
    text = runbook_text("reboot").replace("- type: confirm\n", link)
    publish_runbook(source=text, by=None, now=NOON)
    assert usage(version).linked_from == ("reboot",)


def test_usage_takes_four_queries(
    version: RunbookVersion, django_assert_num_queries: type[CaptureQueriesContext]
) -> None:
    for _ in range(3):
        run = make_run(version)
        make_entry(run, Kind.STEP_DONE, STEPS[0], NOON)
    with django_assert_num_queries(4):
        usage(version)
