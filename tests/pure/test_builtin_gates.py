"""Every way through a built-in runbook: it ends, owes nothing, and leads nobody into danger."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest

from runbooks.library.document import END, RunbookDocument, RunbookStep
from runbooks.library.log_entry import LogEntry
from runbooks.library.progress import progress_of
from tests.factories import NOON
from tests.pure.test_builtin_runbooks import BUILTIN, each_builtin

#: What tells hands that they are not to be in the room.
STAY_OUT = re.compile(r"\bstays? out\b|\bdo not go in\b|\bnobody goes (in|near)\b", re.IGNORECASE)
#: What tells whoever finds something else than expected to go no further.
STOP = re.compile(
    r"\b(stop|stay out|hands off|(touch|change|free) nothing|escalate|leave it|leave the rest)\b",
    re.IGNORECASE,
)
#: What somebody answers, so what is to be done next is not what stands next.
ASKING = ("branch", "approval")

Answer = tuple[str, str]
ANSWERS = [
    (slug, (step.id, option.label))
    for slug, runbook in BUILTIN.items()
    for step in runbook.steps
    for option in step.options
    if option.goto
]
GATES = [
    (slug, step.id)
    for slug, runbook in BUILTIN.items()
    for step in runbook.steps
    if STAY_OUT.search(f"{step.title}\n{step.warning}\n{step.otherwise}\n{step.body}")
]


def places_after(steps: Sequence[RunbookStep], place: int, label: str = "") -> set[int]:
    """Return the places that may come next, after one answer or after any; the end is one."""
    places = {step.id: at for at, step in enumerate(steps)} | {END: len(steps)}
    gotos = {o.goto for o in steps[place].options if o.goto and label in ("", o.label)}
    return {places[goto] for goto in gotos} or {place + 1}


def reached_after(steps: Sequence[RunbookStep], place: int, label: str) -> list[RunbookStep]:
    """Return every step that some way comes to once the answer was given."""
    reached = places_after(steps, place, label)
    # Branches lead forward only, so one pass sees everything.
    for at in range(place + 1, len(steps)):
        if at in reached:
            reached |= places_after(steps, at)
    return [step for at, step in enumerate(steps) if at in reached]


def longest_ways(steps: Sequence[RunbookStep], start: int, way: list[Answer]) -> list[list[Answer]]:
    """Return for each place the longest way that goes on from `start` to it, the end included."""
    ways: list[list[Answer]] = [[] for _ in range(len(steps) + 1)]
    ways[start] = way
    for place in range(start, len(steps)):
        if place != start and not ways[place]:
            continue
        for label in [option.label for option in steps[place].options if option.goto] or [""]:
            (after,) = places_after(steps, place, label)
            ways[after] = max(ways[after], [*ways[place], (steps[place].id, label)], key=len)
    return ways


def way_through(steps: Sequence[RunbookStep], answer: Answer) -> list[Answer]:
    """Return the longest way that gives the answer: each step, with the answer given there."""
    (place,) = [at for at, step in enumerate(steps) if step.id == answer[0]]
    (after,) = places_after(steps, place, answer[1])
    way = [*longest_ways(steps, 0, [])[place], answer]
    return longest_ways(steps, after, way)[-1]


def entries_of(steps: Sequence[RunbookStep], way: Sequence[Answer]) -> Iterator[LogEntry]:
    """What a device and a second person enter on that way."""
    kinds = {step.id: step.kind for step in steps}
    for step, label in way:
        if kinds[step] == "approval":
            yield LogEntry("approval_asked", step, person="1")
            yield LogEntry("approved", step, person="2")
        else:
            yield LogEntry("step_done", step, person="1", input={"choice": label} if label else {})


@pytest.mark.parametrize(("slug", "answer"), ANSWERS)
def test_every_answer_leads_on_to_an_end_that_owes_nothing(slug: str, answer: Answer):
    steps = BUILTIN[slug].steps
    way = way_through(steps, answer)
    found = progress_of(steps, entries_of(steps, way), now=NOON)

    assert answer in way
    assert (found.current, found.undone) == ("", ())
    done = [step.id for step in found.steps if step.outcome == "done"]
    assert done == [step for step, _ in way]


@pytest.mark.parametrize(("slug", "step"), GATES)
def test_who_is_told_to_stay_out_has_an_answer_that_leads_nobody_in(slug: str, step: str):
    steps = BUILTIN[slug].steps
    (place,) = [at for at, one in enumerate(steps) if one.id == step]
    labels = [option.label for option in steps[place].options]
    safe = [
        label
        for label in labels
        if all(one.who != "on-site" for one in reached_after(steps, place, label))
    ]

    assert steps[place].kind == "branch"
    assert steps[place].is_mandatory
    # It is read after "Cannot do" as well, before the step that stands next.
    assert STAY_OUT.search(steps[place].otherwise)
    assert safe


@pytest.mark.parametrize(
    "slug",
    ["generic", "heat-loop-fault", "power-on-battery", "site-dark", "tamper", "thermal-alarm"],
)
def test_a_room_that_may_be_dangerous_is_looked_at_before_anything_is_done_in_it(slug: str):
    first = next(step.id for step in BUILTIN[slug].steps if step.who == "on-site")

    assert (slug, first) in GATES


@each_builtin
def test_who_is_told_to_stop_is_asked_before_anything_is_done(runbook: RunbookDocument):
    led_on = []
    for place, step in enumerate(runbook.steps):
        if step.kind in ASKING or not STOP.search(step.otherwise):
            continue
        following = runbook.steps[place + 1 :]
        acts = (s for s in following if s.kind in ASKING or s.who == "on-site" or s.is_destructive)
        led_on += [(step.id, one.id) for one in [*acts][:1] if one.kind not in ASKING]

    assert led_on == []


@each_builtin
def test_no_step_is_left_to_judge_whether_it_applies(runbook: RunbookDocument):
    conditional = re.compile(r"^only (if|when|for|on|where|after|those)\b", re.I | re.M)

    assert [step.id for step in runbook.steps if conditional.search(step.body)] == []


@each_builtin
def test_another_runbook_comes_back_to_a_step_of_its_own(runbook: RunbookDocument):
    links = [(one.id, after.kind) for one, after in pairwise(runbook.steps) if one.kind == "link"]

    assert [link for link in links if link[1] == "link"] == []
