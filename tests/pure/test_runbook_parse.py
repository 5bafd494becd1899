"""Reading a runbook: what comes out of a good text."""

from __future__ import annotations

import dataclasses
from datetime import date

import pytest
from hypothesis import given

from runbooks.library.document import RunbookStep
from runbooks.library.parse import content_hash, normalise, parse_runbook
from tests.pure.runbook_text import (
    EVERY_RUNBOOK,
    VALID,
    anything,
    step_with,
    unhurried,
    with_steps,
)


def test_the_front_matter_becomes_typed_values():
    runbook = parse_runbook(VALID)

    assert runbook.slug == "door-open"
    assert runbook.title == "Door open"
    assert runbook.category == "thermal"
    assert runbook.matches == ("thermal.envelope", "disk.full")
    assert runbook.owner == "Facilities"
    assert runbook.review_by == date(2030, 6, 30)
    assert runbook.minutes == 10
    assert runbook.language == "en-GB"


def test_the_sections_become_prose_without_their_headings():
    runbook = parse_runbook(VALID)

    assert runbook.meaning == "It is open."
    assert runbook.impact == "It gets warm."
    assert runbook.safety == "Mind your fingers."
    assert runbook.verify == "It is closed."
    assert runbook.escalate == "It does not close."


def test_a_step_keeps_its_text_and_takes_its_settings():
    step = parse_runbook(VALID).steps[0]

    assert step == RunbookStep(
        id="close-door",
        number=1,
        title="Close the door of {{ site.name }}",
        kind="instruction",
        body="Press it at the top.\n\n- Then at the bottom.",
        expect="",
        unit="",
        minimum=None,
        maximum=None,
        is_mandatory=True,
        is_destructive=False,
        who="on-site",
        metric="",
    )


def test_a_reading_has_a_unit_and_bounds():
    step = parse_runbook(VALID).steps[1]

    assert (step.minimum, step.maximum, step.unit) == (10.0, 35.5, "°C")
    assert (step.id, step.who, step.expect) == ("read-the-inlet", "either", "18 to 27 °C")


def test_a_verification_carries_its_metric():
    step = parse_runbook(VALID).steps[2]

    assert (step.kind, step.metric, step.minimum, step.maximum) == (
        "verify",
        "hw.temperature",
        None,
        27.0,
    )
    assert (step.number, step.body) == (3, "")


@pytest.mark.parametrize("kind", ["instruction", "check", "confirm", "escalate"])
def test_these_types_need_nothing_more(kind):
    assert parse_runbook(step_with(f"type: {kind}")).steps[0].kind == kind


def test_an_empty_line_between_title_and_list_is_allowed():
    assert (
        parse_runbook(with_steps("### Look\n\n- type: check\n\nText.\n")).steps[0].body == "Text."
    )


def test_a_title_without_a_latin_letter_is_named_by_its_number():
    assert parse_runbook(with_steps("### 扉を閉める\n- type: check\n")).steps[0].id == "step-1"


def test_headings_inside_a_fenced_block_are_text():
    block = "~~~ text\n## Verify\n```\n### No step\n# comment\n~~~"
    steps = f"### Look\n- type: check\n\n{block}\n\nAfter.\n"

    step = parse_runbook(with_steps(steps)).steps[0]

    assert step.body == f"{block}\n\nAfter."


def test_a_fourth_level_heading_is_part_of_the_text():
    runbook = parse_runbook(VALID.replace("It is open.", "It is open.\n\n#### Why\n\nWind."))

    assert runbook.meaning == "It is open.\n\n#### Why\n\nWind."


@pytest.mark.parametrize("empty", ["matches: []", "matches:"])
def test_a_runbook_may_answer_no_finding(empty):
    text = VALID.replace("matches: [thermal.envelope, disk.full]", empty)

    assert parse_runbook(text).matches == ()


def test_front_matter_words_stay_words():
    # As YAML 1.1 objects these would be False, 600 and a sexagesimal number.
    text = VALID.replace("owner: Facilities", "owner: no").replace("Door open", "12:30:45")

    runbook = parse_runbook(text)

    assert (runbook.owner, runbook.title) == ("no", "12:30:45")


def test_documents_and_steps_cannot_be_changed():
    runbook = parse_runbook(VALID)

    with pytest.raises(dataclasses.FrozenInstanceError):
        runbook.slug = "other"  # type: ignore[misc]  # the point of the test
    with pytest.raises(dataclasses.FrozenInstanceError):
        runbook.steps[0].title = "other"  # type: ignore[misc]  # the point of the test


# Hash and source


@pytest.mark.parametrize(
    "same",
    [
        VALID.replace("\n", "\r\n"),
        VALID.replace("\n", "\r"),
        VALID.replace("\n", "  \t\n"),
        "\ufeff" + VALID + "\n\n",
        VALID.rstrip("\n"),
    ],
)
def test_newlines_and_trailing_space_change_neither_hash_nor_document(same):
    assert content_hash(same) == content_hash(VALID)
    assert parse_runbook(same) == parse_runbook(VALID)


def test_the_hash_is_the_sha256_of_the_normalised_text():
    # printf 'a\n\nb\n' | sha256sum
    digest = "770423513bd0765c18e500000baec91976bcd8267a245437b32572665c6ac370"

    assert content_hash("a \r\n\r\nb\t") == digest


def test_another_word_is_another_hash():
    assert content_hash(VALID) != content_hash(VALID.replace("open", "shut"))


@unhurried
@given(anything)
def test_normalising_twice_changes_nothing(text):
    assert normalise(normalise(text)) == normalise(text)
    assert content_hash(normalise(text)) == content_hash(text)


@pytest.mark.parametrize("text", EVERY_RUNBOOK)
def test_the_source_of_a_document_gives_the_document_again(text):
    runbook = parse_runbook(text)

    assert parse_runbook(runbook.source) == runbook
    assert content_hash(runbook.source) == content_hash(text)
