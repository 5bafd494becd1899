"""Where a run stands: the vectors that the tablet is held to as well, and what no order changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.library.document import StepOption
from runbooks.library.log_entry import LogEntry
from runbooks.library.progress import progress_of
from tests.factories import NOON
from tests.pure.run_steps import make_step
from tests.pure.run_vectors import answer_of, cases, entry_of, step_of

STEPS = (
    make_step("look", is_mandatory=True),
    make_step("read", "reading", minimum=10.0, maximum=27.0, is_mandatory=True),
    make_step("way", "branch", options=(StepOption("Hot", "cool"), StepOption("Cold"))),
    make_step("warm", is_mandatory=True),
    make_step("cool", "wait"),
)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["name"])
def test_the_vectors_hold(case: dict[str, Any]) -> None:
    steps = [step_of(step) for step in case["steps"]]
    entries = [entry_of(entry) for entry in case["entries"]]
    now = NOON.fromisoformat(case["now"])
    assert answer_of(progress_of(steps, entries, now=now)) == case["expect"]


def test_the_vectors_show_every_outcome_and_every_state() -> None:
    expected = [case["expect"] for case in cases()]
    outcomes = {step["outcome"] for expect in expected for step in expect["steps"]}
    assert outcomes == {"open", "done", "cannot", "skipped", "waiting", "disputed", "passed"}
    states = {expect["state"] for expect in expected}
    waits = {"waiting_human", "waiting_approval", "waiting_timer"}
    assert states == {"created", "in_progress"} | waits


SAID = st.sampled_from(
    [
        ("step_done", "look", {}),
        ("step_cannot", "look", {"reason": "Locked"}),
        ("step_done", "read", {"value": 21, "unit": "Cel"}),
        ("step_done", "read", {"value": 30, "unit": "Cel"}),
        ("step_skipped", "read", {"reason": "Dark"}),
        ("step_done", "way", {"choice": "Hot"}),
        ("step_done", "way", {"choice": "Cold"}),
        ("step_done", "warm", {}),
        ("timer_started", "cool", {"until": (NOON + timedelta(minutes=5)).isoformat()}),
        ("timer_started", "cool", {"until": (NOON - timedelta(minutes=5)).isoformat()}),
        ("step_done", "cool", {}),
        ("noted", "", {"note": "Hm"}),
        ("taken_back", "", {}),
    ]
)
DEVICES = st.lists(st.tuples(st.sampled_from("12"), st.lists(SAID, max_size=6)), max_size=3)


def logs_of(devices: list[tuple[str, list[Any]]], data: st.DataObject) -> list[LogEntry]:
    """Return what the devices wrote; each takes back one of its own entries, earlier or later."""
    log = []
    for place, (person, said) in enumerate(devices):
        for count, (kind, step, entered) in enumerate(said, start=1):
            facts = dict(entered)
            if kind == "taken_back":
                facts["entry"] = f"t{place}:{data.draw(st.integers(1, 6))}"
            log.append(LogEntry(kind, step, None, f"t{place}", count, person=person, input=facts))
    return log


@given(DEVICES, st.data())
def test_no_order_of_arrival_changes_where_the_run_stands(
    devices: list[tuple[str, list[Any]]], data: st.DataObject
) -> None:
    log = logs_of(devices, data)
    first = answer_of(progress_of(STEPS, log, now=NOON))
    shuffled = data.draw(st.permutations(log))
    assert answer_of(progress_of(STEPS, shuffled, now=NOON)) == first


@given(DEVICES, st.data())
def test_what_arrives_twice_changes_nothing(
    devices: list[tuple[str, list[Any]]], data: st.DataObject
) -> None:
    log = logs_of(devices, data)
    first = answer_of(progress_of(STEPS, log, now=NOON))
    again = data.draw(st.lists(st.sampled_from(log))) if log else []
    assert answer_of(progress_of(STEPS, [*log, *again], now=NOON)) == first


@given(DEVICES, st.data())
def test_what_was_taken_back_might_as_well_not_have_been_entered(
    devices: list[tuple[str, list[Any]]], data: st.DataObject
) -> None:
    log = [entry for entry in logs_of(devices, data) if entry.kind != "taken_back"]
    gone = set(data.draw(st.lists(st.sampled_from(range(len(log)))))) if log else set()
    back = [
        LogEntry(
            "taken_back",
            log[place].step,
            None,
            log[place].device,
            100 + place,
            person=log[place].person,
            input={"entry": log[place].names[0]},
        )
        for place in sorted(gone)
    ]
    left = [entry for place, entry in enumerate(log) if place not in gone]
    with_back = answer_of(progress_of(STEPS, [*back, *log], now=NOON))
    without = answer_of(progress_of(STEPS, left, now=NOON))
    # Somebody was here, all the same: the run has begun.
    assert with_back["steps"] == without["steps"]
    assert with_back["undone"] == without["undone"]


@given(DEVICES, st.data())
def test_nothing_undone_is_hidden_and_the_current_step_is_the_first_that_is_left(
    devices: list[tuple[str, list[Any]]], data: st.DataObject
) -> None:
    progress = progress_of(STEPS, logs_of(devices, data), now=NOON)
    settled = {"done", "skipped", "passed"}
    for step, found in zip(STEPS, progress.steps, strict=True):
        assert (step.id in progress.undone) == (step.is_mandatory and found.outcome not in settled)
    left = [
        found.id
        for found in progress.steps
        if found.outcome in ("open", "waiting") or found.is_undecided
    ]
    assert progress.current == (left[0] if left else "")
