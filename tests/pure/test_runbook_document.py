"""A runbook in the database, its variables, and the advice on it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.library.document import (
    VARIABLES,
    RunbookError,
    code_to_scan,
    fill,
)
from runbooks.library.lint import lint
from runbooks.library.parse import parse_runbook
from runbooks.library.stored import document_from_json, document_to_json
from tests.pure.run_steps import make_step
from tests.pure.runbook_text import EVERY_RUNBOOK, VALID, anything, unhurried

# The form in the database


@pytest.mark.parametrize("text", EVERY_RUNBOOK)
def test_a_document_comes_back_from_json_unchanged(text):
    runbook = parse_runbook(text)

    assert document_from_json(json.loads(json.dumps(document_to_json(runbook)))) == runbook


@pytest.mark.parametrize(
    "change",
    [
        {"format": 3},
        {"format": True},
        {"slug": None},
        {"minutes": True},
        {"minutes": "10"},
        {"matches": "disk.full"},
        {"matches": [1]},
        {"review_by": "tomorrow"},
        {"steps": {}},
        {"steps": ["a"]},
        {"steps": [{"id": "a"}]},
    ],
)
def test_a_stored_runbook_of_another_form_is_refused(change):
    stored = document_to_json(parse_runbook(VALID)) | change

    with pytest.raises(RunbookError) as caught:
        document_from_json(stored)

    assert (caught.value.code, caught.value.line) == ("bad_json", 0)
    assert "publish" in str(caught.value) or "store" in str(caught.value)


@pytest.mark.parametrize("bound", [float("nan"), float("inf"), "10", True])
def test_a_stored_bound_that_is_no_number_is_refused(bound):
    stored = document_to_json(parse_runbook(VALID))
    stored["steps"][1]["minimum"] = bound

    with pytest.raises(RunbookError, match="'minimum' in step 2"):
        document_from_json(stored)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@unhurried
@given(st.data())
def test_any_changed_json_is_read_or_refused(data):
    stored = document_to_json(parse_runbook(VALID))
    place = data.draw(st.sampled_from([stored, *stored["steps"]]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(json_values)

    try:
        answer = str(document_from_json(stored))
    except RunbookError as error:
        answer = error.code

    assert answer == "bad_json" or answer.startswith("RunbookDocument")


# Variables


def test_variables_are_replaced_by_their_values():
    assert fill("{{ site.name }}: {{value}}", {"site.name": "Osaka-3", "value": "38.4 °C"}) == (
        "Osaka-3: 38.4 °C"
    )


@pytest.mark.parametrize("missing", [{}, {"node.name": None}, {"node.name": " \n"}])
def test_a_missing_value_becomes_a_phrase_that_says_so(missing):
    assert fill("At {{ node.name }}.", missing) == "At — (node name not known)."


def test_several_stand_in_place_of_the_one_in_texts_and_never_in_a_code():
    several = {"node.name": None, "node.names": "node-1 and node-2"}
    assert fill("At {{ node.name }}.", several) == "At node-1 and node-2."
    assert fill("At {{ node.name }}.", several | {"node.name": "node-3"}) == "At node-3."
    assert code_to_scan(make_step("label", "scan", code="{{ node.name }}"), several) == ""


def test_a_value_is_put_in_once_and_on_one_line():
    filled = fill("{{ alert.summary }}", {"alert.summary": "{{ value }}\n## Steps", "value": "1"})

    assert filled == "{{ value }} ## Steps"


@unhurried
@given(st.dictionaries(st.sampled_from(sorted(VARIABLES)), st.none() | anything))
def test_no_variable_leaves_a_hole_whatever_its_value(values):
    filled = [fill(f"At {{{{ {name} }}}}.", values) for name in VARIABLES]

    assert [text for text in filled if text == "At ." or "\n" in text] == []


# Advice


def test_a_good_runbook_gets_no_advice():
    assert lint(parse_runbook(VALID)) == []


@pytest.mark.parametrize(
    ("old", "new", "advice"),
    [
        ("### Read the inlet", "### The inlet", "begin the title with a verb"),
        ("- expect: 18 to 27 °C\n", "", "say in 'expect'"),
        ("- expect: Below 27 °C\n", "", "say in 'expect'"),
        ("Wait 5 min.", "a" * 601, "shorten the text"),
        ("- mandatory: yes", "- destructive: yes\n- warning: Only by day.", "say what is lost"),
    ],
)
def test_advice_names_the_step_and_what_to_do(old, new, advice):
    sentences = lint(parse_runbook(VALID.replace(old, new, 1)))

    assert len(sentences) == 1
    assert advice in sentences[0]
    assert sentences[0].startswith("Step ")


def test_a_destructive_step_that_says_what_is_lost_gets_no_advice():
    text = VALID.replace("- mandatory: yes", "- destructive: yes")

    assert (
        lint(parse_runbook(text.replace("Press it", "Only by day. Lost: the draught. Press it")))
        == []
    )


def test_a_stored_reading_without_a_unit_gets_advice():
    stored = document_to_json(parse_runbook(VALID))
    stored["steps"][1]["unit"] = ""

    assert lint(document_from_json(stored)) == [
        "Step 2, 'Read the inlet': give the unit of the reading."
    ]


def test_verbs_are_not_sought_in_another_language():
    text = VALID.replace("language: en-GB", "language: ja").replace("Read the inlet", "吸気を読む")

    assert lint(parse_runbook(text)) == []
