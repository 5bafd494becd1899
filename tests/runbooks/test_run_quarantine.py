"""What was kept aside: taken in by a person as its device wrote it, or set aside, once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from runbooks.library.run_log import run_progress
from runbooks.models import Run, RunQuarantine
from runbooks.runs.errors import RunError
from runbooks.runs.quarantine import accept_quarantined, set_aside_quarantined
from runbooks.runs.tokens import issue_token, revoke_token
from tests.factories import NOON
from tests.pure.run_steps import make_step
from tests.runbooks.run_world import Device, codes_of, kinds_of, make_run

pytestmark = pytest.mark.django_db


def progress(run: Run) -> Any:
    return run_progress(Run.objects.select_related("runbook_version").get(pk=run.pk), now=NOON)


def test_what_cannot_be_stored_is_told_to_who_wants_to_accept_it() -> None:
    run = make_run()
    device = Device(run)
    entry = device.done("look") | {"by": 5, "mac": ""}
    assert codes_of(device.send(entry)) == ["entry_tampered"]
    with pytest.raises(RunError) as refusal:
        accept_quarantined(row=RunQuarantine.objects.get(), by=run.lead, now=NOON)
    assert refusal.value.code == "bad_entry"


@pytest.mark.parametrize(
    ("step", "odd", "kept"),
    [
        ("look", {"input": {"note": "1\x0b\x00\ud800"}}, {"note": "1␋␀�"}),
        ("look", {"input": {"a\x1d": True}}, {"a␝": True}),
        ("label", {"input": {"code": "HW\x00"}}, {"code": "HW␀", "is_match": False}),
    ],
)
def test_what_holds_control_characters_is_taken_in_with_their_pictures(
    step: str, odd: dict[str, Any], kept: dict[str, Any]
) -> None:
    run = make_run(make_step("look"), make_step("label", "scan", code="HW"))
    device = Device(run)
    entry = device.done(step) | odd | {"by": "K\x07", "mac": ""}
    device.send(entry)
    taken = accept_quarantined(row=RunQuarantine.objects.get(), by=run.lead, now=NOON)
    assert taken.input == kept
    assert device.send(entry).kept == [1]


def test_nul_in_a_scanned_code_is_looked_at_by_a_person_first() -> None:
    device = Device(make_run(make_step("label", "scan")))
    assert codes_of(device.send(device.done("label", code="HW\x00"))) == ["text_refused"]


def test_what_a_revoked_key_brought_is_accepted_or_set_aside_by_a_person_once() -> None:
    run = make_run()
    device = Device(run)
    revoke_token(token=device.token, now=NOON)
    device.send(device.done("look"), device.done("cool"))
    first, second = RunQuarantine.objects.order_by("counter")
    entry = accept_quarantined(row=first, by=run.lead, now=NOON)
    assert (entry.kind, entry.actor, entry.counter) == ("step_done", device.user, 1)
    assert progress(run).steps[0].outcome == "done"
    set_aside_quarantined(row=second, by=run.lead, now=NOON)
    for act in (accept_quarantined, set_aside_quarantined):
        for row in (first, second):
            with pytest.raises(RunError) as refusal:
                act(row=row, by=run.lead, now=NOON)
            assert refusal.value.code == "quarantine_settled"
    assert RunQuarantine.objects.filter(settled_by=run.lead).count() == 2


def test_an_entry_that_is_accepted_later_keeps_how_wrong_its_clock_was() -> None:
    run = make_run()
    device = Device(run, ahead=timedelta(minutes=10))
    revoke_token(token=device.token, now=NOON)
    device.send(device.done("look"))
    entry = accept_quarantined(row=RunQuarantine.objects.get(), by=run.lead, now=NOON)
    assert entry.skew_seconds == 600.0


def test_an_entry_that_is_accepted_later_keeps_what_its_device_knew_of_its_clock() -> None:
    run = make_run()
    device = Device(run)
    revoke_token(token=device.token, now=NOON)
    device.send(device.entry("step_done", "look", at=NOON + timedelta(hours=1), offset=-3600))
    late = NOON + timedelta(days=2)
    entry = accept_quarantined(row=RunQuarantine.objects.get(), by=run.lead, now=late)
    assert entry.skew_seconds == 3600


def test_an_entry_whose_number_is_taken_is_accepted_without_one_and_is_the_later_word() -> None:
    run = make_run()
    device = Device(run)
    device.send(device.done("inlet", value=21, unit="Cel"))
    device.count = 0
    device.send(device.done("inlet", value=22, unit="Cel"))
    entry = accept_quarantined(row=RunQuarantine.objects.get(), by=run.lead, now=NOON)
    assert (entry.counter, entry.input["count"]) == (None, 1)
    step = progress(run).steps[1]
    assert (step.outcome, step.counts.input["value"]) == ("done", 22)
    device.count = 1
    device.send(device.done("inlet", value=18, unit="Cel"))
    assert progress(run).steps[1].counts.input["value"] == 18


def test_what_was_sent_again_with_a_newer_key_is_taken_in_once_and_overrides_nothing() -> None:
    run = make_run()
    device = Device(run)
    revoke_token(token=device.token, now=NOON)
    first = device.done("inlet", value=180, unit="Cel")
    device.send(first)
    issued = issue_token(run=run, user=device.user, device_id=device.device_id, now=NOON)
    device.secret = issued.text
    assert device.send(device.signed(first)).kept == [1]
    device.send(device.done("inlet", value=18, unit="Cel"))
    entry = accept_quarantined(row=RunQuarantine.objects.get(), by=run.lead, now=NOON)
    assert (entry.counter, entry.input["value"]) == (1, 180)
    assert kinds_of(run).count("step_done") == 2
    assert progress(run).steps[1].counts.input["value"] == 18
    row = RunQuarantine.objects.get()
    assert (row.settlement, row.entry, row.settled_by) == ("accepted", entry, run.lead)


@pytest.mark.parametrize(("value", "code"), [("warm", "number_missing"), (10**400, "text_refused")])
def test_what_no_log_takes_can_only_be_set_aside(value: Any, code: str) -> None:
    run = make_run()
    device = Device(run)
    device.send(device.done("inlet") | {"input": {"value": value, "unit": "Cel"}})
    row = RunQuarantine.objects.get()
    with pytest.raises(RunError) as refusal:
        accept_quarantined(row=row, by=run.lead, now=NOON)
    assert refusal.value.code == code
    row.refresh_from_db()
    assert row.settlement == ""
