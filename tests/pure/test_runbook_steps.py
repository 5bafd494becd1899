"""Steps beyond the simple ones: answers, branches, pictures, scans, approvals, waits, links."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from runbooks.library.document import StepOption, code_to_scan, device_to_verify
from runbooks.library.parse import parse_runbook
from runbooks.library.stored import document_from_json, document_to_json
from tests.pure.runbook_text import VALID, step_with, unhurried, with_steps
from tests.pure.runbook_texts import runbook_texts
from tests.pure.test_runbook_faults import error_of, line_of

BRANCH = """\
### Look at the fan
- type: branch
- id: fan
- options: It stands -> change-fan | It turns -> end

### Wait
- type: wait
- id: wait
- minutes: 0.5

### Change the fan
- type: instruction
- id: change-fan
"""


def step_of(*entries: str):
    return parse_runbook(step_with(*entries)).steps[0]


def test_a_branch_has_labels_that_lead_to_later_steps_or_the_end():
    assert parse_runbook(with_steps(BRANCH)).steps[0].options == (
        StepOption("It stands", "change-fan"),
        StepOption("It turns", "end"),
    )


def test_a_choice_has_labels_that_lead_nowhere():
    assert step_of("type: choice", "options: Room | Door|Filter").options == (
        StepOption("Room"),
        StepOption("Door"),
        StepOption("Filter"),
    )


@pytest.mark.parametrize(
    ("minutes", "seconds"), [("10", 600), ("0.5", 30), ("0.017", 1), ("1440", 86_400)]
)
def test_a_wait_is_written_in_minutes_and_kept_in_seconds(minutes, seconds):
    assert step_of("type: wait", f"minutes: {minutes}").wait_seconds == seconds


@pytest.mark.parametrize(("span", "seconds"), [("30 s", 30), ("10 min", 600), ("2h", 7200)])
def test_a_verified_value_holds_for_a_time_with_its_unit(span, seconds):
    step = step_of("type: verify", "metric: hw.temperature", "unit: °C", "max: 27", f"for: {span}")

    assert step.for_seconds == seconds


@pytest.mark.parametrize(("span", "seconds"), [("90 s", 90), ("15 min", 900), ("24 h", 86_400)])
def test_a_verification_says_how_long_the_value_may_take(span, seconds):
    step = step_of("type: verify", "metric: system.uptime", "unit: s", "min: 60", f"within: {span}")

    assert step.within_seconds == seconds


def test_the_sensor_to_verify_may_be_the_one_of_the_alert():
    lines = ("metric: system.filesystem.utilization", "unit: %", "max: 85")
    step = step_of("type: verify", *lines, "device: {{ alert.device }}")

    assert device_to_verify(step, {"alert.device": "/data"}) == "/data"
    assert device_to_verify(step, {"alert.device": None}) == device_to_verify(step, {}) == ""


def test_any_step_may_have_a_picture_a_warning_and_a_way_out():
    step = step_of(
        "type: check",
        "picture: filter-gauge.svg | The gauge: beside the door",
        "warning: Fans turn.",
        "otherwise: Call {{ owner.name }}.",
    )

    assert (step.picture, step.picture_alt) == ("filter-gauge.svg", "The gauge: beside the door")
    assert (step.warning, step.otherwise) == ("Fans turn.", "Call {{ owner.name }}.")


def test_an_approval_a_link_and_a_scan_say_what_they_want():
    assert step_of("type: approval", "approver: engineer").approver == "engineer"
    assert step_of("type: link", "runbook: reboot").runbook == "reboot"
    assert step_of("type: scan", "code: PSU-2").code == "PSU-2"
    assert step_of("type: scan").code == ""


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"node.name": "node-7"}, "HW/node-7"),
        ({"node.name": " "}, ""),
        ({}, ""),
    ],
)
def test_a_code_with_an_unknown_variable_lets_any_scan_pass(values, code):
    step = step_of("type: scan", "code: HW/{{ node.name }}")

    assert code_to_scan(step, values) == code


def test_a_runbook_may_be_for_some_sites_and_classes_only():
    scope = "language: en-GB\nsites: [osaka-3, lyon-1]\nclasses: ['edge 2U: L4']\n"
    runbook = parse_runbook(VALID.replace("language: en-GB\n", scope))

    assert (runbook.sites, runbook.classes) == (("osaka-3", "lyon-1"), ("edge 2U: L4",))


def test_a_runbook_without_a_scope_is_for_every_site_and_class():
    assert (parse_runbook(VALID).sites, parse_runbook(VALID).classes) == ((), ())


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("-> change-fan", "-> change-fans", "bad_goto"),
        ("-> change-fan", "-> fan", "bad_goto"),
        ("-> change-fan", "", "bad_goto"),
        ("-> change-fan", "->", "bad_value"),
        ("-> change-fan", "-> change-fan -> end", "bad_value"),
        ("It turns", "it stands", "duplicate_option"),
        ("It turns", "", "empty_value"),
        ("It turns", "a" * 81, "too_long"),
        ("It turns", "{{ node.name }}", "bad_variable"),
        (" | It turns -> end", "", "bad_value"),
        ("It turns -> end", " | ".join(f"{n} -> end" for n in range(8)), "bad_value"),
    ],
)
def test_a_bad_answer_is_named_at_its_line(old, new, code):
    text = with_steps(BRANCH.replace(old, new, 1))

    error = error_of(text)

    assert (error.code, error.line) == (code, line_of(text, "- options"))


def test_a_branch_that_leads_back_is_told_so():
    text = with_steps(BRANCH + "\n### Look\n- type: branch\n- options: A -> wait | B -> end\n")

    assert "stands before this one" in str(error_of(text))


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        (["type: choice", "options: A -> end | B"], "bad_goto"),
        (["type: choice"], "missing_key"),
        (["type: check", "options: A | B"], "key_not_for_type"),
        (["type: wait", "minutes: 0"], "bad_value"),
        (["type: wait", "minutes: 0.001"], "bad_value"),
        (["type: wait", "minutes: 1440.5"], "bad_value"),
        (["type: wait", "minutes: 10 min"], "bad_value"),
        (["type: approval", "approver: boss"], "bad_value"),
        (["type: link", "runbook: Re boot"], "bad_value"),
        (["type: check", "picture: gauge.svg"], "bad_value"),
        (["type: check", "picture: gauge.svg |"], "empty_value"),
        (["type: check", "picture: ../gauge.svg | Up"], "bad_value"),
        (["type: check", "picture: gauge.gif | It moves"], "bad_value"),
        (["type: check", "picture: gauge.svg | At {{ site.name }}"], "bad_variable"),
        (["type: check", "id: end"], "bad_value"),
        (["type: check", f"warning: {'a' * 241}"], "too_long"),
        (["type: scan", f"code: {'a' * 201}"], "too_long"),
        (["type: verify", "metric: a.b", "unit: s", "max: 1", "for: 10"], "bad_value"),
        (["type: verify", "metric: a.b", "unit: s", "max: 1", "for: 25 h"], "bad_value"),
        (["type: verify", "metric: a.b", "unit: s", "max: 1", "within: 15"], "bad_value"),
        (["type: verify", "metric: a.b", "unit: s", "max: 1", "within: 25 h"], "bad_value"),
        (["type: verify", "metric: a.b", "unit: s", "max: 1", "within: 0 min"], "bad_value"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(entries, code):
    assert error_of(step_with(*entries)).code == code


@pytest.mark.parametrize(
    ("scope", "code"),
    [
        ("sites: osaka-3", "bad_value"),
        ("sites: [Osaka 3]", "bad_value"),
        ("sites: [osaka-3, osaka-3]", "duplicate_key"),
        ("classes: ['']", "empty_value"),
        (f"classes: [{', '.join(f'c{n}' for n in range(51))}]", "too_long"),
    ],
)
def test_a_bad_scope_is_refused_at_its_line(scope, code):
    text = VALID.replace("language: en-GB\n", f"language: en-GB\n{scope}\n")

    assert (error_of(text).code, error_of(text).line) == (code, line_of(text, scope[:7]))


def test_a_step_titled_end_is_not_called_so():
    assert parse_runbook(with_steps("### End\n- type: check\n")).steps[0].id == "step-1"


@unhurried
@given(runbook_texts())
def test_every_good_runbook_comes_back_from_json_unchanged(text):
    runbook = parse_runbook(text)

    assert document_from_json(json.loads(json.dumps(document_to_json(runbook)))) == runbook
    assert parse_runbook(runbook.source) == runbook


@unhurried
@given(runbook_texts())
def test_no_run_can_go_in_circles(text):
    runbook = parse_runbook(text)
    place = {step.id: step.number for step in runbook.steps} | {"end": len(runbook.steps) + 1}

    back = [o for s in runbook.steps for o in s.options if o.goto and place[o.goto] <= s.number]

    assert back == []


def test_what_an_older_program_stored_is_read():
    runbook = parse_runbook(VALID)
    stored = document_to_json(runbook) | {"format": 1}
    for name in ("sites", "classes", "media"):
        stored.pop(name)
    for step in stored["steps"]:
        for name in ("otherwise", "warning", "picture", "picture_alt", "options", "code"):
            step.pop(name)
        for name in ("approver", "wait_seconds", "for_seconds", "runbook", "within_seconds"):
            step.pop(name)

    assert document_from_json(stored) == runbook
