"""Advice on a runbook that parses: branches, links, reviews, pictures, tablets."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from runbooks.library.lint import LARGEST_PACK, lint, lint_pack, reached_steps
from runbooks.library.parse import parse_runbook
from tests.pure.runbook_text import VALID, with_steps

GOOD = parse_runbook(VALID)


def advice_on(steps: str, **parts: object) -> list[str]:
    return lint(parse_runbook(with_steps(steps)), **parts)


@pytest.mark.parametrize("kind", ["check", "reading"])
def test_a_mandatory_look_says_what_to_do_when_it_is_not_as_expected(kind):
    more = "- unit: V\n- min: 1\n" if kind == "reading" else ""
    step = f"### Read it\n- type: {kind}\n- expect: Well\n- mandatory: yes\n{more}"

    assert advice_on(step) == [
        "Step 1, 'Read it': say in 'otherwise' what to do when it is not as expected."
    ]
    assert advice_on(step + "- otherwise: Call.\n") == []
    assert advice_on(step.replace("mandatory: yes", "mandatory: no")) == []


def test_what_destroys_says_when_it_may_be_done():
    step = "### Pull the cord\n- type: instruction\n- destructive: yes\n\nLost: the spool.\n"

    assert "say when it may be done" in advice_on(step)[0]
    assert advice_on(step.replace("Lost", "Only at night. Lost")) == []
    assert advice_on(f"### Ask first\n- type: approval\n- approver: owner\n\n{step}") == []


def test_a_warning_may_say_what_is_lost():
    step = (
        "### Pull it\n- type: instruction\n- destructive: yes\n- warning: Only once; spool lost.\n"
    )

    assert advice_on(step) == []


BRANCH = """\
### Look at it
- type: branch
- id: look
- options: A -> last | B -> end

### Turn it
- type: instruction
- id: turn

### Close it
- type: instruction
- id: last
"""


VERIFY = """\
### Verify that it answers
- type: verify
- metric: system.uptime
- unit: s
- min: 60
- expect: It answers
"""


def test_what_is_verified_after_a_restart_says_how_long_that_may_take():
    restart = (
        "### Restart the node\n- type: instruction\n- destructive: yes\n\n"
        "Only if it hangs. Lost: its work.\n\n"
    )

    assert advice_on(VERIFY) == []
    assert advice_on(restart + VERIFY) == [
        "Step 2, 'Verify that it answers': say in 'within' how long a restart may take; 2 min are "
        "assumed."
    ]
    assert advice_on(f"{restart}{VERIFY}- within: 15 min\n") == []


@pytest.mark.parametrize(("within", "word"), [("119 s", "longer"), ("3 h", "shorter")])
def test_a_verification_is_given_neither_too_little_time_nor_too_much(within, word):
    assert f"or {word}" in advice_on(f"{VERIFY}- within: {within}\n")[0]


def test_a_step_that_every_branch_passes_over_is_named():
    assert advice_on(BRANCH) == [
        "Step 2, 'Turn it': let a branch lead here, or delete the step: no run reaches it."
    ]
    assert advice_on(BRANCH.replace("B -> end", "B -> turn")) == []


def test_steps_after_a_step_that_is_not_reached_are_not_reached_through_it():
    steps = parse_runbook(with_steps(BRANCH.replace("A -> last", "A -> end"))).steps

    assert reached_steps(steps) == {"look", "end"}


def test_a_link_leads_to_another_runbook_that_exists():
    step = "### Go on there\n- type: link\n- runbook: {}\n"

    assert advice_on(step.format("reboot"), known_slugs={"reboot"}) == []
    assert advice_on(step.format("reboot")) == []
    assert "there is no runbook 'reboot'" in advice_on(step.format("reboot"), known_slugs=[])[0]
    assert "leads to itself" in advice_on(step.format("door-open"))[0]


def test_a_review_is_due_from_the_day_after():
    day = GOOD.review_by

    assert lint(GOOD, today=day) == []
    assert lint(GOOD, today=day + timedelta(days=1)) == [
        "Review: it was due on 2030-06-30; look at every step, then set a later day."
    ]
    assert day == date(2030, 6, 30)


def test_a_picture_that_is_too_large_is_named():
    assert lint(GOOD, picture_sizes={"a.png": 300_000}) == []
    assert lint(GOOD, picture_sizes={"a.png": 300_001}) == [
        "Picture 'a.png': make it 300,000 bytes or fewer; it has 300,001."
    ]


def test_a_site_takes_along_just_as_much_as_a_tablet_holds():
    text = len(GOOD.source.encode())
    shown = replace(GOOD, media=(("a.png", "1" * 64),))

    assert lint_pack([shown, shown], {"1" * 64: LARGEST_PACK - 2 * text}) == []
    assert len(lint_pack([shown, shown], {"1" * 64: LARGEST_PACK - 2 * text + 1})) == 1
