"""The runbooks that come with the product, and the samples in the manual."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runbooks.library import document, front_matter
from runbooks.library.document import RunbookDocument
from runbooks.library.lint import lint
from runbooks.library.parse import parse_runbook
from telemetry.metrics import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "runbooks" / "library"
MANUAL = (ROOT / "docs" / "runbook-format.md").read_text(encoding="utf-8")
BUILTIN = {
    path.stem: parse_runbook(path.read_text(encoding="utf-8"))
    for path in sorted((LIBRARY / "builtin").glob("*.md"))
}
SAMPLES = re.findall(r"^````markdown\n(.*?)^````$", MANUAL, re.MULTILINE | re.DOTALL)

ANSWERS = {
    "thermal.envelope": "thermal-alarm",
    "thermal.throttle": "thermal-alarm",
    "node.silent": "silent-node",
    "node.reboot": "reboot",
    "site.dark": "site-dark",
    "model.mismatch": "model-rollback",
    "model.failing": "model-rollback",
    "config.drift": "configuration-drift",
    "power.battery": "power-on-battery",
    "disk.full": "disk-full",
    "memory.pressure": "memory-pressure",
    "metric.threshold": "generic",
    "heartbeat.late": "heartbeat-late",
    "external.alert": "external-alert",
}

#: Runbooks that no finding opens; people reach them from others and from the library.
PROCEDURES = {
    "failed-rollout": "configuration-drift",
    "heat-loop-fault": "thermal-alarm",
    "network-isolation": "configuration-drift",
    "out-of-band-access": "reboot",
    "tamper": "network-isolation",
    "wan-down": "site-dark",
}

each_builtin = pytest.mark.parametrize("runbook", BUILTIN.values(), ids=BUILTIN.keys())


def test_the_library_holds_an_answer_to_every_finding_and_the_procedures():
    assert set(BUILTIN) == {*ANSWERS.values(), *PROCEDURES}


def test_every_kind_of_finding_is_answered_by_exactly_one_runbook():
    answered = [(kind, slug) for slug, runbook in BUILTIN.items() for kind in runbook.matches]

    assert sorted(answered) == sorted(ANSWERS.items())
    assert set(ANSWERS) == set(document.FINDING_KINDS)


def test_every_builtin_runbook_has_its_file_name_as_slug():
    assert [runbook.slug for runbook in BUILTIN.values()] == list(BUILTIN)


@each_builtin
def test_a_builtin_runbook_gets_no_advice(runbook: RunbookDocument):
    assert lint(runbook) == []


@each_builtin
def test_a_builtin_runbook_is_short_enough_to_follow(runbook: RunbookDocument):
    acts = [step for step in runbook.steps if step.kind not in {"branch", "wait"}]

    assert 6 <= len(runbook.steps) <= 18
    assert len(acts) <= 13


@each_builtin
def test_every_check_and_reading_says_what_to_do_when_it_is_not_as_expected(
    runbook: RunbookDocument,
):
    asking = [step for step in runbook.steps if step.kind in {"check", "reading"}]

    assert [step.id for step in asking if not step.otherwise] == []


@each_builtin
def test_every_picture_a_builtin_runbook_shows_is_there_and_every_one_is_shown(
    runbook: RunbookDocument,
):
    shown = {step.picture for step in runbook.steps if step.picture}

    assert [name for name in shown if not (LIBRARY / "builtin" / "media" / name).exists()] == []


def test_every_picture_in_the_library_is_shown_by_a_step():
    shown = {step.picture for runbook in BUILTIN.values() for step in runbook.steps}

    assert {path.name for path in (LIBRARY / "builtin" / "media").iterdir()} == shown - {""}


@pytest.mark.parametrize("kind", document.STEP_RULES)
def test_every_kind_of_step_is_used_by_a_builtin_runbook(kind):
    used = {step.kind for runbook in BUILTIN.values() for step in runbook.steps}

    assert kind in used


@each_builtin
def test_a_link_leads_to_a_runbook_of_the_library(runbook: RunbookDocument):
    assert {step.runbook for step in runbook.steps if step.runbook} <= set(BUILTIN)


@each_builtin
def test_every_builtin_step_names_itself_and_says_what_to_expect(runbook: RunbookDocument):
    assert [step.id for step in runbook.steps if f"- id: {step.id}\n" not in runbook.source] == []
    assert [step.id for step in runbook.steps if not step.expect or not step.body] == []


@each_builtin
def test_a_builtin_runbook_ends_by_looking_or_writing_down(runbook: RunbookDocument):
    last = runbook.steps[-1]

    assert last.is_mandatory
    assert last.kind in {"verify", "check"} or last.id == "write-down"


@each_builtin
def test_runbooks_named_in_a_runbook_exist(runbook: RunbookDocument):
    named = re.findall(r"(?:[Rr]unbook|go to|to|run) `([a-z-]+)`", runbook.source)

    assert set(named) <= set(BUILTIN)
    assert runbook.slug not in named


@each_builtin
def test_a_verification_uses_a_metric_and_unit_of_the_catalogue(runbook: RunbookDocument):
    used = {(step.metric, step.unit) for step in runbook.steps if step.metric}
    known = {(m.name, unit) for m in CATALOGUE.values() for unit in (m.unit, m.shown_unit)}

    assert used <= known


def test_runbooks_without_a_finding_are_reached_from_others():
    unreached = [
        slug for slug, by in PROCEDURES.items() if f"runbook `{slug}`" not in BUILTIN[by].source
    ]

    assert unreached == []


@pytest.mark.parametrize(
    "words",
    [
        ["18 to 27 °C", "10 to 35 °C"],
        ["The room:", "The door:", "The filter:", "A fan:", "The cooling loop:", "The ambient:"],
    ],
)
def test_the_thermal_runbook_states_the_envelope_and_its_six_causes(words):
    assert [word for word in words if word not in BUILTIN["thermal-alarm"].meaning] == []


def test_a_reboot_is_tried_gracefully_then_out_of_band_then_by_power():
    destructive = [step.id for step in BUILTIN["reboot"].steps if step.is_destructive]

    assert destructive == [
        "restart-gracefully",
        "restart-out-of-band",
        "power-button",
        "pull-cords",
    ]


def test_a_rollback_drains_before_it_loads_and_sends_a_canary_after():
    order = [step.id for step in BUILTIN["model-rollback"].steps]

    assert order.index("drain") < order.index("load") < order.index("canary")


@each_builtin
def test_the_safety_section_warns_of_a_live_ups_wherever_hands_are_sent(runbook: RunbookDocument):
    sends_hands = any(step.who == "on-site" for step in runbook.steps)
    warns = "UPS" in runbook.safety or "Do not switch anything off" in runbook.safety

    assert warns or not sends_hands


def test_the_manual_has_a_sample_and_every_sample_parses_without_advice():
    assert [lint(parse_runbook(sample)) for sample in SAMPLES] == [[]]


@pytest.mark.parametrize(
    "word",
    [
        *document.CATEGORIES,
        *document.FINDING_KINDS,
        *document.STEP_RULES,
        *document.WHO,
        *document.STEP_KEYS,
        *sorted({key for rule in document.STEP_RULES.values() for key in rule.takes}),
        *document.APPROVERS,
        *front_matter.KEYS,
        *front_matter.SCOPE_KEYS,
        *(f"{{{{ {name} }}}}" for name in document.VARIABLES),
    ],
)
def test_the_manual_knows_every_word_of_the_format(word):
    assert f"`{word}`" in MANUAL


def test_the_manual_lists_exactly_the_errors_there_are():
    code = "".join(path.read_text(encoding="utf-8") for path in LIBRARY.glob("*.py"))
    raised = set(re.findall(r'RunbookError\(\s*"([a-z_]+)"', code))
    table = MANUAL.split("## Errors")[1].split("## Versions")[0]
    listed = {code for row in re.findall(r"^\| (`.*?) \|", table, re.M) for code in row.split(", ")}

    assert {code.strip("`") for code in listed} == raised
