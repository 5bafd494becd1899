"""Reading a bad runbook: what is said about it, and that nothing else ever happens."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runbooks.library.document import STEP_RULES, VARIABLES, RunbookDocument, RunbookError
from runbooks.library.parse import normalise, parse_runbook
from tests.pure.runbook_text import (
    BODY,
    EVERY_RUNBOOK,
    VALID,
    anything,
    step_with,
    unhurried,
    with_steps,
)


def error_of(text: str) -> RunbookError:
    with pytest.raises(RunbookError) as caught:
        parse_runbook(text)
    return caught.value


def line_of(text: str, words: str) -> int:
    return text[: text.index(words)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "code", "line_words"),
    [
        ("---\nslug", "slug", "no_front_matter", "slug"),
        ("language: en-GB\n---\n", "language: en-GB\n", "no_front_matter", "---"),
        ("owner: Facilities\n", "", "missing_key", "---\n\n## Meaning"),
        ("owner: Facilities", "owner: Facilities\nowner: Me", "duplicate_key", "owner: Me"),
        ("owner: Facilities", "team: Facilities", "unknown_key", "team"),
        ("owner: Facilities", "owner: a: b", "bad_front_matter", "owner"),
        ("owner: Facilities", "owner:", "empty_value", "owner"),
        ("owner: Facilities", "owner: [a, b]", "bad_value", "owner"),
        ("owner: Facilities", 'owner: "a\\0b"', "bad_character", "owner"),
        ("owner: Facilities", 'owner: "{{ owner.name }}"', "bad_variable", "owner"),
        ("owner: Facilities", f"owner: {'a' * 121}", "too_long", "owner"),
        ("slug: door-open", "slug: Door Open", "bad_value", "slug"),
        ("category: thermal", "category: heat", "bad_value", "category"),
        ("matches: [thermal.envelope", "matches: [thermal.envelop", "bad_value", "matches"),
        ("matches: [thermal.envelope", "matches: [disk.full", "duplicate_key", "matches"),
        ("matches: [thermal.envelope, disk.full]", "matches: disk.full", "bad_value", "matches"),
        ("2030-06-30", "2030-02-30", "bad_value", "review_by"),
        ("2030-06-30", "30 June", "bad_value", "review_by"),
        ("minutes: 10", "minutes: 0", "bad_value", "minutes"),
        ("minutes: 10", "minutes: 1441", "bad_value", "minutes"),
        ("minutes: 10", "minutes: ten", "bad_value", "minutes"),
        ("language: en-GB", "language: English!", "bad_value", "language"),
        ("## Impact\n\nIt gets warm.\n", "", "missing_section", None),
        ("## Impact\n\nIt gets warm.\n", "## Impact\n", "empty_section", "## Impact"),
        ("## Impact", "## Impacts", "unknown_section", "## Impacts"),
        ("## Escalate", "## Verify", "duplicate_section", "## Verify\n\nIt does"),
        ("## Meaning", "## Safety", "section_order", "## Impact"),
        ("## Meaning", "# Door\n\n## Meaning", "bad_heading", "# Door"),
        ("## Meaning", "##Meaning", "bad_heading", "##Meaning"),
        ("## Meaning", "Hello\n\n## Meaning", "text_outside_section", "Hello"),
        ("## Steps\n", "## Steps\n\nHello\n", "text_outside_step", "Hello"),
        ("It is closed.", "### Close it\n- type: check", "step_outside_steps", "### Close it"),
        ("It is closed.", "```\nIt is closed.", "open_fence", "```"),
        ("It is closed.", "It is {{ site.nam }}.", "unknown_variable", "It is {{"),
        ("It is closed.", "It is {{ site.name.", "bad_variable", "It is {{"),
        ("It is closed.", "It is\x07closed.", "bad_character", "It is\x07"),
        ("It is closed.", "It is\ud800closed.", "bad_character", "It is\ud800"),
        ("It is closed.", "It is\u2028closed.", "bad_character", "It is\u2028"),
        ("- type: instruction", "- type: film", "unknown_type", "- type: film"),
        ("- type: instruction\n", "", "missing_key", "### Close"),
        ("- type: instruction", "- type: check\n- type: check", "duplicate_key", None),
        ("- who: on-site", "- who: me", "bad_value", "- who: me"),
        ("- who: on-site", "- whom: on-site", "unknown_key", "- whom"),
        ("- who: on-site", "who: on-site", "bad_step_line", "who: on-site"),
        ("- mandatory: yes", "- mandatory: perhaps", "bad_value", "- mandatory"),
        ("- mandatory: yes", "- unit: V", "key_not_for_type", "- unit: V"),
        ("- mandatory: yes\n\n", "- mandatory: yes\n", "bad_step_line", "Press it"),
        ("- id: close-door", "- id: Close", "bad_value", "- id: Close"),
        ("- id: close-door", "- id: read-the-inlet", "duplicate_id", "### Read"),
        ("- unit: °C\n- min", "- min", "missing_key", "### Read"),
        ("- min: 10\n- max: 35.5\n", "", "missing_key", "### Read"),
        ("- min: 10\n", "- min: 10 °C\n", "bad_value", "- min"),
        ("- min: 10\n", "- min: nan\n", "bad_value", "- min"),
        ("- min: 10\n", "- min: ١٠\n", "bad_value", "- min"),
        ("- min: 10\n", "- min: 40\n", "bad_value", "- min"),
        ("- metric: hw.temperature\n", "", "missing_key", "### Verify that"),
        ("- metric: hw.temperature", "- metric: Heat", "bad_value", "- metric"),
        ("- expect: 18 to 27 °C", "- expect:", "empty_value", "- expect"),
        ("### Read the inlet", "###", "empty_value", "###\n"),
    ],
)
def test_a_fault_is_named_by_code_and_line(old, new, code, line_words):
    text = VALID.replace(old, new, 1)

    error = error_of(text)

    expected_line = line_of(text, line_words) if line_words else error.line
    assert (error.code, error.line) == (code, expected_line)
    assert str(error).startswith(f"Line {error.line}: ")
    assert str(error).endswith(".")


def test_a_runbook_without_steps_is_refused():
    assert error_of(with_steps("")).code == "no_steps"


def test_a_runbook_with_too_many_steps_is_refused_at_the_first_too_many():
    text = with_steps("".join(f"### Look {n}\n- type: check\n" for n in range(1, 102)))

    assert (error_of(text).code, error_of(text).line) == (
        "too_many_steps",
        line_of(text, "### Look 101"),
    )


def test_a_text_that_is_too_long_is_refused():
    assert error_of(VALID.replace("It is open.", "a" * 100_000)).code == "too_long"


def test_an_unknown_type_is_answered_with_the_types_there_are():
    message = str(error_of(step_with("type: film")))

    assert "'film'" in message
    assert [kind for kind in STEP_RULES if kind not in message] == []


def test_an_unknown_variable_is_answered_with_the_variables_there_are():
    message = str(error_of(VALID.replace("It is open.", "{{ site }}")))

    assert [name for name in VARIABLES if name not in message] == []


def test_an_unknown_finding_kind_is_answered_with_the_kinds_there_are():
    message = str(error_of(VALID.replace("disk.full", "disk.fill")))

    assert "'disk.fill'" in message
    assert "disk.full" in message


def test_an_error_survives_pickling():
    error = error_of("")

    copy = pickle.loads(pickle.dumps(error))

    assert (copy.code, copy.line, str(copy)) == (error.code, error.line, str(error))


# Whatever the text, only RunbookError comes out


def parse_or_refuse(text: str) -> RunbookDocument | RunbookError:
    try:
        return parse_runbook(text)
    except RunbookError as error:
        return error


#: Pieces that mean something to the format or to YAML, beside plain noise.
pieces = st.one_of(
    anything,
    st.sampled_from(
        [
            *["---\n", "...\n", "## Steps\n", "### ", "# ", "```\n", "~~~~\n", "- ", ": ", "\n\n"],
            *["{{", "}}", "{{ site.name }}", "[", "{", "&a ", "*a", "!!int ", "!!binary ", "<<: "],
            *['"\\UFFFFFFFF"', '"\\ud800"', "\\0", "%YAML 9.9\n", "\t", "\ufeff", "\r", "\x85"],
            *["- type: reading\n", "- min: 1e999\n", "- unit: \n", "[" * 2_000, "٣", "\ud800"],
        ]
    ),
)


@unhurried
@given(anything)
def test_any_text_is_read_or_refused_with_a_sentence(text):
    assert str(parse_or_refuse(text))


@unhurried
@given(st.lists(pieces, max_size=12).map("".join))
@example('"\\UFFFFFFFF": 1\n')
@example("a: " + "[" * 2_000 + "\n")
@example("%YAML 1." + "9" * 3_000 + "\n--- \n")
def test_any_front_matter_is_read_or_refused_with_a_sentence(yaml_text):
    assert str(parse_or_refuse(f"---\n{yaml_text}\n---\n{BODY}"))


@unhurried
@given(st.data())
def test_any_changed_runbook_is_read_or_refused_with_a_sentence(data):
    text = data.draw(st.sampled_from(EVERY_RUNBOOK))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 80)))
    changed = text[:start] + data.draw(pieces) + text[end:]

    answer = parse_or_refuse(changed)

    assert str(answer)


@unhurried
@given(st.data())
def test_a_refusal_names_a_line_of_the_text(data):
    lines = VALID.split("\n")
    place = data.draw(st.integers(0, len(lines)))
    changed = "\n".join([*lines[:place], data.draw(pieces), *lines[place:]])

    answer = parse_or_refuse(changed)

    assert 0 <= getattr(answer, "line", 0) <= normalise(changed).count("\n") + 1
