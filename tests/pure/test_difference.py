"""What is new in an edition, step by step and word by word."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.library.difference import (
    MOST_WORDS,
    FieldDifference,
    Mark,
    Piece,
    StepChange,
    difference,
    pieces_between,
)
from runbooks.library.parse import parse_runbook
from tests.pure.runbook_text import VALID, unhurried, with_steps
from tests.pure.runbook_texts import runbook_texts

BEFORE = parse_runbook(VALID)


def steps(*names: str) -> str:
    return with_steps(
        "".join(f"### {name}\n- type: check\n- id: {name.lower()}\n\n" for name in names)
    )


def changes(before: str, after: str) -> list[tuple[str, StepChange]]:
    found = difference(parse_runbook(before), parse_runbook(after))
    return [(step.id, step.change) for step in found.steps]


def test_the_same_edition_has_no_difference():
    assert difference(BEFORE, BEFORE).is_empty


def test_a_changed_word_is_marked_and_the_rest_kept():
    after = parse_runbook(VALID.replace("Press it at the top.", "Press it hard at the top."))

    changed = difference(BEFORE, after).steps[0]

    assert changed.change == StepChange.CHANGED
    assert changed.fields == (
        FieldDifference(
            "text",
            (
                Piece(Mark.KEPT, "Press it"),
                Piece(Mark.ADDED, " hard"),
                Piece(Mark.KEPT, " at the top.\n\n- Then at the bottom."),
            ),
        ),
    )


def test_marks_are_read_without_colour():
    assert [mark.value for mark in Mark] == [" ", "+", "-"]


def test_fields_are_called_as_the_writer_calls_them():
    text = VALID.replace("- max: 35.5", "- max: 36").replace("- mandatory: yes", "- mandatory: no")

    found = difference(BEFORE, parse_runbook(text)).steps

    assert found[0].fields == (
        FieldDifference("mandatory", (Piece(Mark.REMOVED, "yes"), Piece(Mark.ADDED, "no"))),
    )
    assert found[1].fields == (
        FieldDifference("max", (Piece(Mark.REMOVED, "35.5"), Piece(Mark.ADDED, "36"))),
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("A B C", "A X B C", "same added same same"),
        ("A B C", "A C", "same removed same"),
        ("A B C", "B C", "removed same same"),
        ("A B C D", "D A B C", "moved same same same"),
        ("A B C D", "A C B D", "same same moved same"),
        ("A B", "X Y", "removed removed added added"),
    ],
)
def test_a_step_is_added_removed_or_moved_but_not_for_its_number_alone(before, after, expected):
    found = [change.value for _, change in changes(steps(*before.split()), steps(*after.split()))]

    assert sorted(found) == sorted(expected.split())


def test_a_removed_step_is_shown_where_it_stood():
    assert [name for name, _ in changes(steps("A", "B", "C"), steps("A", "C"))] == ["a", "b", "c"]


def test_a_step_that_moved_and_changed_is_both():
    after = steps("C", "A", "B").replace("- id: c\n", "- id: c\n- mandatory: yes\n")

    assert changes(steps("A", "B", "C"), after)[0] == ("c", StepChange.MOVED_AND_CHANGED)


def test_front_matter_and_sections_are_compared_too():
    after = parse_runbook(
        VALID.replace("owner: Facilities", "owner: Platform").replace("It gets warm", "It gets hot")
    )

    found = difference(BEFORE, after)

    assert [field.name for field in found.front] == ["owner"]
    assert [field.name for field in found.sections] == ["impact"]


def test_options_are_compared_as_they_are_written():
    branch = "### Look\n- type: branch\n- id: look\n- options: A -> end | B -> end\n"
    after = branch.replace("B -> end", "C -> end")

    found = difference(parse_runbook(with_steps(branch)), parse_runbook(with_steps(after)))

    assert found.steps[0].fields[0].pieces == (
        Piece(Mark.KEPT, "A -> end |"),
        Piece(Mark.REMOVED, " B"),
        Piece(Mark.ADDED, " C"),
        Piece(Mark.KEPT, " -> end"),
    )


def test_a_picture_drawn_anew_under_its_name_is_a_change():
    text = VALID.replace("- mandatory: yes", "- mandatory: yes\n- picture: a.svg | A")
    before = replace(parse_runbook(text), media=(("a.svg", "1" * 64),))
    after = replace(before, media=(("a.svg", "2" * 64),))

    assert difference(before, after).steps[0].fields[0].name == "picture"


def test_a_very_long_text_is_compared_by_lines():
    line = "word " * MOST_WORDS + "\n"

    assert pieces_between(f"a {line}{line}b {line}", f"c {line}{line}d {line}") == (
        Piece(Mark.REMOVED, f"a {line}"),
        Piece(Mark.ADDED, f"c {line}"),
        Piece(Mark.KEPT, line),
        Piece(Mark.REMOVED, f"b {line}"),
        Piece(Mark.ADDED, f"d {line}"),
    )


def test_one_changed_word_in_a_very_long_text_is_marked_alone():
    before, after = "word\n" * 40_000, " word\n" * 30_000

    assert pieces_between(before + "old" + after, before + "new" + after) == (
        Piece(Mark.KEPT, before),
        Piece(Mark.REMOVED, "old"),
        Piece(Mark.ADDED, "new"),
        Piece(Mark.KEPT, after),
    )


def test_more_lines_than_can_be_compared_are_shown_as_a_whole():
    before, after = "a\n" + "word\n" * 20_000 + "b", "c\n" + "word\n" * 20_000 + "d"

    assert pieces_between(before, after) == (
        Piece(Mark.REMOVED, before),
        Piece(Mark.ADDED, after),
    )


@unhurried
@given(st.text("ab \n", max_size=40), st.text("ab \n", max_size=40))
def test_the_pieces_give_both_texts_back(before, after):
    pieces = pieces_between(before, after)

    assert "".join(piece.text for piece in pieces if piece.mark != Mark.ADDED) == before
    assert "".join(piece.text for piece in pieces if piece.mark != Mark.REMOVED) == after


@unhurried
@given(runbook_texts(), runbook_texts())
def test_every_step_of_both_editions_is_in_the_difference_once(one, other):
    before, after = parse_runbook(one), parse_runbook(other)

    found = difference(before, after).steps

    assert len({step.id for step in found}) == len(found)
    assert [step.id for step in found if step.after] == [step.id for step in after.steps]
    assert {step.id for step in found if step.before} == {step.id for step in before.steps}
