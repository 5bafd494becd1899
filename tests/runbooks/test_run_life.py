"""A run from its start to its end: who does what, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import Error, transaction

from fleet.models import Membership
from runbooks.alerts.services import close_alert
from runbooks.library.document import VARIABLES
from runbooks.models import Alert, Run, RunbookVersion, RunbookWithdrawal, RunEntry, RunJob
from runbooks.runs.errors import RunError
from runbooks.runs.services import (
    abandon_run,
    dispatch_run,
    enter,
    fail_run,
    finish_run,
    hand_over_run,
    move_to_newer_edition,
    pause_run,
    resume_run,
    start_run_at_site,
    start_run_for_alert,
)
from runbooks.runs.values import values_for_alert
from runbooks.runs.verify import end_waits
from tests.factories import NOON, make_node, make_site, make_user
from tests.pure.run_steps import make_step
from tests.runbooks.run_world import (
    Device,
    codes_of,
    kinds_of,
    make_edition,
    make_run,
    newest_entry,
)
from tests.runbooks.world import make_alert, make_runbook

pytestmark = pytest.mark.django_db
Kind = RunEntry.Kind
Role = Membership.Role
LATER = NOON + timedelta(minutes=20)


def refused(code: str) -> Any:
    return pytest.raises(RunError, check=lambda exc: exc.code == code)


def do(run: Run, kind: RunEntry.Kind, step: str = "", by: Any = None, **said: Any) -> RunEntry:
    return enter(run=run, kind=kind, step_id=step, by=by or run.lead, said=said, now=NOON)


def state_of(run: Run) -> str:
    run.refresh_from_db()
    return run.state


@pytest.mark.usefixtures("library")
def test_a_run_of_an_alert_follows_the_pinned_edition_with_the_values_of_its_start() -> None:
    alert = make_alert()
    make_runbook("thermal-alarm", matches="thermal.envelope", title="Newer", category="thermal")
    by = make_user(Role.OPERATOR, alert.site)
    run = start_run_for_alert(alert=alert, by=by, now=NOON)
    Alert.objects.filter(pk=alert.pk).update(summary="Something else")
    run.refresh_from_db()
    assert run.runbook_version == alert.runbook_version
    assert run.values["alert.summary"] == "Inlet 38.4 °C, limit 35 °C."
    assert run.values["site.name"] == alert.site.name
    assert (run.state, run.lead, kinds_of(run)) == ("created", by, ["created"])


@pytest.mark.usefixtures("library")
def test_a_second_start_for_an_alert_leads_to_the_run_under_way() -> None:
    alert = make_alert()
    one, two = (make_user(Role.OPERATOR, alert.site) for _ in range(2))
    first = start_run_for_alert(alert=alert, by=one, now=NOON)
    assert start_run_for_alert(alert=alert, by=two, now=NOON) == first
    abandon_run(run=first, by=one, reason="Wrong one", now=NOON)
    assert start_run_for_alert(alert=alert, by=two, now=NOON) != first


@pytest.mark.usefixtures("library")
def test_a_closed_alert_starts_no_run() -> None:
    alert = make_alert()
    by = make_user(Role.OPERATOR, alert.site)
    close_alert(alert=alert, by=by, reason="A test", now=NOON)
    with refused("alert_closed"):
        start_run_for_alert(alert=alert, by=by, now=NOON)


def test_a_withdrawn_edition_and_a_node_of_another_site_start_nothing() -> None:
    site, version = make_site(), make_edition()
    by = make_user(Role.OPERATOR, site)
    with refused("node_elsewhere"):
        start_run_at_site(site=site, version=version, by=by, node=make_node(), now=NOON)
    RunbookWithdrawal.objects.create(version=version, at=NOON, by=by, reason="Wrong bolt.")
    with refused("edition_withdrawn"):
        start_run_at_site(
            site=site, version=RunbookVersion.objects.get(pk=version.pk), by=by, now=NOON
        )
    assert Run.objects.count() == 0


def test_it_is_dispatched_to_who_may_work_there_or_to_anybody() -> None:
    run = make_run()
    hands = make_user(Role.REMOTE_HANDS, run.site)
    dispatch_run(run=run, to=hands, by=run.lead, now=NOON)
    run.refresh_from_db()
    assert run.assigned_to == hands
    assert newest_entry(run).input["to_id"] == hands.pk
    with refused("cannot_run"):
        dispatch_run(run=run, to=make_user(Role.REMOTE_HANDS, make_site()), by=run.lead, now=NOON)
    dispatch_run(run=run, to=None, by=run.lead, now=NOON)
    run.refresh_from_db()
    assert run.assigned_to is None


def test_the_first_step_begins_the_run_and_every_change_is_a_new_revision() -> None:
    run = make_run()
    before = run.revision
    do(run, Kind.STEP_DONE, "look")
    run.refresh_from_db()
    assert (run.state, run.started_at) == ("in_progress", NOON)
    assert run.revision > before


def test_a_run_is_done_only_when_every_mandatory_step_is() -> None:
    run = make_run()
    do(run, Kind.STEP_DONE, "look")
    with pytest.raises(RunError, match=r'step 2 "Do inlet"') as refusal:
        finish_run(run=run, by=run.lead, now=LATER)
    assert refusal.value.code == "steps_undone"
    do(run, Kind.STEP_SKIPPED, "inlet", reason="No thermometer")
    finish_run(run=run, by=run.lead, now=LATER)
    assert (state_of(run), run.ended_at) == ("done", LATER)
    assert newest_entry(run).kind == "done"
    assert not newest_entry(run).is_after_end


def test_a_step_is_not_left_out_without_a_reason() -> None:
    run = make_run()
    for kind in (Kind.STEP_SKIPPED, Kind.STEP_CANNOT):
        with refused("reason_missing"):
            do(run, kind, "inlet", reason="  ")
    assert kinds_of(run) == ["created"]


def test_a_run_fails_when_a_mandatory_step_cannot_be_done() -> None:
    run = make_run()
    with refused("nothing_failed"):
        fail_run(run=run, by=run.lead, reason="Hopeless", now=NOON)
    do(run, Kind.STEP_CANNOT, "inlet", reason="The door is locked")
    with refused("steps_undone"):
        finish_run(run=run, by=run.lead, now=NOON)
    with refused("reason_missing"):
        fail_run(run=run, by=run.lead, reason="", now=NOON)
    fail_run(run=run, by=run.lead, reason="Needs a locksmith", now=NOON)
    assert (state_of(run), run.reason) == ("failed", "Needs a locksmith")


def test_an_ended_run_takes_no_decision_and_the_database_keeps_it_ended() -> None:
    run = make_run()
    abandon_run(run=run, by=run.lead, reason="Wrong site", now=NOON)
    acts: list[Any] = [
        lambda: pause_run(run=run, by=run.lead, reason="x", now=NOON),
        lambda: resume_run(run=run, by=run.lead, now=NOON),
        lambda: hand_over_run(run=run, to=run.lead, by=run.lead, now=NOON),
        lambda: dispatch_run(run=run, to=None, by=run.lead, now=NOON),
        lambda: finish_run(run=run, by=run.lead, now=NOON),
        lambda: fail_run(run=run, by=run.lead, reason="x", now=NOON),
        lambda: abandon_run(run=run, by=run.lead, reason="x", now=NOON),
        lambda: do(run, Kind.STEP_DONE, "look"),
    ]
    for act in acts:
        with refused("run_ended"):
            act()
    do(run, Kind.NOTED, note="It was the other rack")
    assert newest_entry(run).is_after_end
    with pytest.raises(Error, match="stays ended"), transaction.atomic():
        Run.objects.filter(pk=run.pk).update(state="in_progress")


def test_a_paused_run_says_why_and_still_takes_what_devices_enter() -> None:
    run = make_run()
    device = Device(run)
    with refused("reason_missing"):
        pause_run(run=run, by=run.lead, reason=" ", now=NOON)
    pause_run(run=run, by=run.lead, reason="Fire drill", now=NOON)
    pause_run(run=run, by=run.lead, reason="Again", now=LATER)
    assert device.send(device.done("look")).kept == [1]
    run.refresh_from_db()
    assert (run.paused_at, run.reason, run.state) == (NOON, "Fire drill", "in_progress")
    resume_run(run=run, by=run.lead, now=LATER)
    resume_run(run=run, by=run.lead, now=LATER)
    run.refresh_from_db()
    assert (run.paused_at, run.reason) == (None, "")
    assert kinds_of(run) == ["created", "paused", "step_done", "resumed"]


def test_a_hand_over_makes_another_the_lead() -> None:
    run = make_run()
    other = make_user(Role.ENGINEER, run.site, first_name="Mei", last_name="Tanaka")
    hand_over_run(run=run, to=other, by=run.lead, note="My shift ends", now=NOON)
    assert newest_entry(run).input["to"] == "Mei Tanaka"
    run.refresh_from_db()
    assert run.lead == other
    with refused("cannot_run"):
        hand_over_run(run=run, to=make_user(), by=other, now=NOON)


def test_an_approval_is_given_by_a_second_person_of_the_standing() -> None:
    run = make_run()
    asker = make_user(Role.ENGINEER, run.site)
    with refused("nothing_to_approve"):
        do(run, Kind.APPROVED, "allow", by=asker)
    do(run, Kind.APPROVAL_ASKED, "allow", by=asker)
    for early in ("look", "inlet"):
        do(run, Kind.STEP_SKIPPED, early, reason="Done before")
    assert state_of(run) == "waiting_approval"
    with refused("second_person_needed"):
        do(run, Kind.APPROVED, "allow", by=asker)
    elsewhere = make_user(Role.ENGINEER, make_site())
    for nobody in (make_user(Role.OPERATOR, run.site), make_user(Role.OWNER, run.site), elsewhere):
        with refused("not_an_approver"):
            do(run, Kind.APPROVED, "allow", by=nobody)
    with refused("second_person_needed"):
        do(run, Kind.STEP_DONE, "allow", by=asker)
    do(run, Kind.REFUSED, "allow", by=make_user(Role.ENGINEER, run.site), reason="Not now")
    assert state_of(run) == "waiting_human"
    do(run, Kind.APPROVAL_ASKED, "allow", by=asker)
    do(run, Kind.APPROVED, "allow", by=make_user(Role.ADMIN))
    assert state_of(run) == "in_progress"


def test_the_owner_of_the_site_approves_what_asks_for_the_owner() -> None:
    run = make_run(make_step("allow", "approval", approver="owner"))
    owner = make_user()
    run.site.owner.user = owner
    run.site.owner.save(update_fields=["user"])
    do(run, Kind.APPROVAL_ASKED, "allow")
    with refused("not_an_approver"):
        do(run, Kind.APPROVED, "allow", by=make_user(Role.ENGINEER, run.site))
    do(run, Kind.APPROVED, "allow", by=owner)
    assert state_of(run) == "in_progress"


def test_the_lead_and_nobody_else_chooses_which_of_two_readings_counts() -> None:
    run = make_run()
    ana, ben = Device(run), Device(run)
    ana.send(ana.done("inlet", value=21, unit="Cel"))
    ben.send(ben.done("inlet", value=29, unit="Cel"))
    hot = newest_entry(run)
    with refused("not_the_lead"):
        do(run, Kind.COUNTED, "inlet", by=make_user(Role.ENGINEER, run.site), entry=hot.pk)
    for unknown in (0, "9" * 30, "tablet:1", "²", hot.pk + 1):
        with refused("entry_unknown"):
            do(run, Kind.COUNTED, "inlet", entry=unknown)
    do(run, Kind.STEP_DONE, "look")
    with refused("steps_undone"):
        finish_run(run=run, by=run.lead, now=NOON)
    do(run, Kind.COUNTED, "inlet", entry=hot.pk)
    finish_run(run=run, by=run.lead, now=NOON)
    assert state_of(run) == "done"


def test_a_newer_edition_is_followed_only_when_somebody_says_so() -> None:
    run = make_run()
    old = run.runbook_version
    device = Device(run)
    do(run, Kind.STEP_DONE, "look")
    newer = make_edition(
        make_step("look", is_mandatory=True),
        make_step("wear-gloves", is_mandatory=True),
        runbook=old.runbook,
    )
    run.refresh_from_db()
    assert run.runbook_version == old
    move_to_newer_edition(run=run, version=newer, by=run.lead, now=NOON)
    assert newest_entry(run).input == {"from": 1, "to": 2}
    with pytest.raises(RunError, match="step 2") as left:
        finish_run(run=run, by=run.lead, now=NOON)
    assert "step 1" not in left.value.sentence
    # The tablet still shows the old edition; what it says is kept under that one.
    assert device.send(device.done("picture", note="old"), device.done("inlet")).kept == []
    assert device.send(device.entry("noted", "inlet", input={"note": "v1"})).kept == [3]
    assert newest_entry(run).runbook_version == old


def test_no_edition_is_followed_that_is_older_foreign_or_withdrawn() -> None:
    run = make_run()
    newer = make_edition(runbook=run.runbook_version.runbook)
    for wrong in (run.runbook_version, make_edition()):
        with refused("edition_not_newer"):
            move_to_newer_edition(run=run, version=wrong, by=run.lead, now=NOON)
    RunbookWithdrawal.objects.create(version=newer, at=NOON, by=run.lead, reason="Wrong bolt.")
    with refused("edition_not_newer"):
        move_to_newer_edition(
            run=run, version=RunbookVersion.objects.get(pk=newer.pk), by=run.lead, now=NOON
        )


def test_the_end_of_a_wait_is_worked_out_and_never_slept() -> None:
    run = make_run(make_step("cool", "wait", wait_seconds=600))
    do(run, Kind.TIMER_STARTED, "cool", until=(NOON + timedelta(minutes=10)).isoformat())
    assert state_of(run) == "waiting_timer"
    assert end_waits(now=NOON + timedelta(minutes=9)) == 0
    assert end_waits(now=NOON + timedelta(minutes=10)) == 1
    assert state_of(run) == "in_progress"


def test_asking_twice_for_a_verification_is_one_job() -> None:
    run = make_run()
    do(run, Kind.VERIFY_ASKED, "steady")
    do(run, Kind.VERIFY_ASKED, "steady")
    assert RunJob.objects.count() == 1


def test_the_log_cannot_be_rewritten() -> None:
    run = make_run()
    for act in (lambda: run.entries.update(kind="done"), lambda: run.entries.all().delete()):
        with pytest.raises(Error), transaction.atomic():
            act()
    assert codes_of(Device(run).send()) == []


@pytest.mark.usefixtures("library")
def test_every_variable_a_runbook_may_use_is_filled_or_known_to_be_unknown() -> None:
    alert = make_alert()
    hands = make_user(Role.REMOTE_HANDS, alert.site, first_name="Ken", last_name="Ito")
    values = values_for_alert(alert)
    assert set(values) == set(VARIABLES)
    assert values["site.hands"] == hands.get_full_name()
    assert values["alert.id"] == f"A-{alert.pk}"
