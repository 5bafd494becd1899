"""The sheet after a run, and how it leaves the house: JSON, CSV, Markdown."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest

from fleet.models import Membership
from runbooks.alerts.intake import take_in_findings
from runbooks.models import Alert, Run
from runbooks.runs.export import entries_csv, sheet_json, sheet_markdown
from runbooks.runs.services import abandon_run, start_run_for_alert
from runbooks.runs.sheet import Sheet, sheet_of
from tests.factories import NOON, make_user
from tests.pure.run_steps import make_step
from tests.runbooks.run_world import Device, make_edition, make_run
from tests.runbooks.world import clear, make_alert

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def sheet(run: Run) -> Sheet:
    return sheet_of(run=Run.objects.select_related("alert", "site").get(pk=run.pk), now=NOON)


@pytest.fixture
def run() -> Run:
    """Two tablets, one ten minutes ahead; one reading in dispute; one entry after the end."""
    made = make_run()
    ana = Device(made, make_user(Membership.Role.REMOTE_HANDS, made.site, first_name="Ana"))
    ben = Device(
        made,
        make_user(Membership.Role.REMOTE_HANDS, made.site, first_name="Ben"),
        ahead=10 * MINUTE,
    )
    ana.send(
        ana.done("look", at=NOON + MINUTE),
        ana.done("inlet", at=NOON + 3 * MINUTE, value=41.5, unit="Cel", note="=HYPERLINK(1)"),
        now=NOON + 9 * MINUTE,
    )
    ben.send(
        ben.done("inlet", at=NOON + 4 * MINUTE, value=21, unit="Cel"),
        ben.entry("noted", at=NOON + 5 * MINUTE, input={"note": "A | pipe <b>"}),
        ben.entry("taken_back", at=NOON + 5 * MINUTE, input={"entry": f"{ben.device_id}:2"}),
        now=NOON + 9 * MINUTE,
    )
    abandon_run(run=made, by=made.lead, reason="Two answers", now=NOON + 10 * MINUTE)
    ana.send(ana.done("picture", at=NOON + 6 * MINUTE, note="late"), now=NOON + 11 * MINUTE)
    ana.send(ana.entry("noted", input={"note": "late"}), now=NOON + 11 * MINUTE)
    return made


def test_it_says_who_did_what_when_and_how_long_each_step_took(run: Run) -> None:
    found = sheet(run)
    look, inlet = found.steps[0], found.steps[1]
    assert (look.outcome, look.by, look.at) == ("done", "Ana", NOON + MINUTE)
    assert look.seconds == 60.0
    assert (inlet.outcome, inlet.is_disputed, inlet.at) == ("disputed", True, None)
    assert found.people == ("Ana", "Ben", run.lead.username)
    assert len(found.devices) == 2
    assert found.touchpoints == 5
    assert found.started_at == NOON + MINUTE


def test_it_marks_what_did_not_go_smoothly(run: Run) -> None:
    found = sheet(run)
    marks = [entry.marks for entry in found.entries if entry.marks]
    assert ("entered twice",) in marks
    assert ("clock +600 s", "entered twice") in marks
    assert ("clock +600 s", "taken back") in marks
    assert ("after the end",) in marks
    assert (found.late_count, found.quarantined_count, found.widest_skew) == (1, 1, 600.0)


def test_a_clock_that_is_ahead_is_put_right_on_the_sheet(run: Run) -> None:
    noted = [entry for entry in sheet(run).entries if entry.kind == "Noted"]
    assert noted[0].at == NOON + 5 * MINUTE


@pytest.mark.usefixtures("library")
def test_the_restart_time_goes_from_the_first_step_until_the_alert_cleared() -> None:
    alert = make_alert()
    Alert.objects.filter(pk=alert.pk).update(runbook_version=make_edition())
    by = make_user(Membership.Role.OPERATOR, alert.site)
    run = start_run_for_alert(alert=alert, by=by, now=NOON)
    assert sheet(run).restart_seconds is None
    device = Device(run)
    device.send(device.done("look", at=NOON + MINUTE), now=NOON + MINUTE)
    clear(alert.finding, now=NOON + 16 * MINUTE)
    take_in_findings(now=NOON + 16 * MINUTE)
    assert sheet(run).restart_seconds == 900.0


def test_the_json_says_it_all(run: Run) -> None:
    data = json.loads(sheet_json(sheet(run)))
    assert (data["run"], data["site"], data["touchpoints"]) == (run.pk, run.site.slug, 5)
    assert len(data["entries"]) == run.entries.count()
    assert data["steps"][0]["at"] == "2030-01-01T12:01:00+00:00"


def test_a_line_of_the_csv_is_an_entry_and_never_a_formula(run: Run) -> None:
    device = Device(make_run(site=run.site))
    device.send(device.entry("noted", input={"note": "=1+1"}))
    rows = list(csv.DictReader(io.StringIO(entries_csv(sheet(device.run)))))
    assert len(rows) == device.run.entries.count()
    assert rows[-1]["said"] == "'=1+1"


def test_the_markdown_keeps_its_table_whatever_people_wrote(run: Run) -> None:
    text = sheet_markdown(sheet(run))
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + len(sheet(run).steps)
    assert "- State: Abandoned (Two answers)" in text
    assert "Restart time: -" in text


def test_the_number_of_queries_does_not_grow_with_the_log(
    run: Run, django_assert_max_num_queries: object
) -> None:
    loaded = Run.objects.select_related("alert", "site", "lead", "runbook_version__runbook").get(
        pk=run.pk
    )
    with django_assert_max_num_queries(4):  # type: ignore[operator]  # The fixture has no type.
        sheet_of(run=loaded, now=NOON)


def test_it_says_what_was_done_without_the_answer_that_it_waits_for() -> None:
    allow = make_step("allow", "approval", approver="engineer")
    stop = make_step("stop", title="Stop it", is_destructive=True)
    run = make_run(version=make_edition(allow, stop))
    device = Device(run)
    device.send(device.done("stop", reason="Yes by telephone."))
    asked, stopped = sheet(run).steps
    assert (asked.is_unanswered, stopped.is_unanswered) == (False, True)
    row = next(line for line in sheet_markdown(sheet(run)).splitlines() if "Stop it" in line)
    assert "done, without the answer it waits for" in row
    assert "Yes by telephone." in row
