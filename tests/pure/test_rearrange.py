"""Steps put into a text and moved in it, whatever else is wrong with the text."""

from __future__ import annotations

import pytest

from runbooks.library.document import STEP_RULES, RunbookError
from runbooks.library.parse import parse_runbook
from runbooks.library.rearrange import FORMS, insert_step, move_step, places_of
from tests.runbooks.world import runbook_text

TEXT = runbook_text("any")
TITLES = ["Look at {{ site.name }}", "Open the door", "Read the inlet", "Call the owner"]


def titles(text: str) -> list[str]:
    return [place.title for place in places_of(text)]


def test_every_step_type_has_a_form_that_can_be_read() -> None:
    assert set(FORMS) == set(STEP_RULES)
    for kind in FORMS:
        steps = parse_runbook(insert_step(TEXT, kind=kind, after=2).text).steps
        assert (steps[2].kind, steps[2].title) == (kind, f"New {kind}")


@pytest.mark.parametrize(("after", "place"), [(0, 0), (1, 1), (4, 4), (99, 4)])
def test_a_step_is_put_behind_another_and_its_line_is_told(after: int, place: int) -> None:
    found = insert_step(TEXT, kind="check", after=after)
    wanted = [*TITLES[:place], "New check", *TITLES[place:]]
    assert titles(found.text) == wanted
    assert found.text.split("\n")[found.line - 1] == "### New check"


def test_a_second_new_step_has_an_id_of_its_own() -> None:
    twice = insert_step(insert_step(TEXT, kind="check", after=1).text, kind="check", after=1).text
    assert [step.id for step in parse_runbook(twice).steps][1:3] == ["new-check-2", "new-check"]


def test_the_first_step_is_put_into_an_empty_section() -> None:
    found = insert_step("## Steps\n\n## Verify\n", kind="confirm", after=0)
    assert found.text.startswith("## Steps\n\n### New confirm\n- type: confirm\n")
    assert found.text.endswith("Say how.\n\n## Verify\n")


def test_a_step_moves_up_and_comes_back_down_without_a_trace() -> None:
    up = move_step(TEXT, number=3, is_up=True)
    assert titles(up.text) == [TITLES[0], TITLES[2], TITLES[1], TITLES[3]]
    assert up.text.split("\n")[up.line - 1] == "### Read the inlet"
    assert move_step(up.text, number=2, is_up=False).text == TEXT


def test_moving_takes_everything_of_a_step_along() -> None:
    before = {step.id: (step.body, step.kind) for step in parse_runbook(TEXT).steps}
    moved = parse_runbook(move_step(TEXT, number=4, is_up=True).text)
    assert {step.id: (step.body, step.kind) for step in moved.steps} == before


def test_a_heading_in_a_block_of_code_is_no_step() -> None:
    text = TEXT.replace("Say so.", "```\n### Not a step\n## Nor a section\n```")
    assert titles(text) == TITLES


def test_a_text_with_other_faults_can_be_rearranged_too() -> None:
    text = TEXT.replace("slug: any", "slug").replace("- type: confirm", "- type: nothing")
    assert titles(move_step(text, number=1, is_up=False).text)[0] == "Open the door"


@pytest.mark.parametrize(("number", "is_up"), [(1, True), (4, False), (0, False), (9, True)])
def test_a_step_at_the_end_stays(number: int, is_up: bool) -> None:
    with pytest.raises(RunbookError, match="stays there"):
        move_step(TEXT, number=number, is_up=is_up)


def test_what_cannot_be_done_is_said() -> None:
    with pytest.raises(RunbookError, match="There is no section '## Steps'"):
        insert_step("Only words", kind="check", after=0)
    with pytest.raises(RunbookError, match="no step type"):
        insert_step(TEXT, kind="dance", after=0)
