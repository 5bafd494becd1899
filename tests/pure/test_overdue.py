"""Silence of nodes and darkness of sites, judged by receive time."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.detectors.overdue import OverdueState, judge_overdue

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()
LONG_AGO = NOON - 86_400


def judge(ages, *, now=NOON, window=10.0, listening_since=LONG_AGO, state=None, **options):
    """Judge nodes a, b, c ... heard `ages` seconds before noon; None for never."""
    received = [math.nan if age is None else NOON - age for age in ages]
    expected = options.pop("expected", None)
    return judge_overdue(
        np.array(received, np.float64),
        np.full(len(ages), window),
        "abcdefgh"[: len(ages)],
        now=now,
        listening_since=listening_since,
        state={} if state is None else state,
        expected_since=None if expected is None else np.array(expected, np.float64),
        **options,
    )


def told(detections):
    return [(found.fingerprint, found.is_firing) for found in detections]


def test_a_node_is_silent_after_five_of_its_windows():
    assert told(judge([50.0, 5.0])[1]) == []
    assert told(judge([51.0, 5.0])[1]) == [("node.silent/a", True)]
    assert told(judge([299.0, 5.0], window=60.0)[1]) == []


def test_short_windows_still_leave_three_quarters_of_a_minute():
    assert told(judge([45.0, 1.0], window=1.0)[1]) == []
    assert told(judge([45.5, 1.0], window=1.0)[1]) == [("node.silent/a", True)]


def test_the_sentence_says_how_long_and_which_limit():
    _, [found] = judge([62.0, 5.0])
    assert found.summary == "Nothing from a for 62 s, limit 50 s"
    assert (found.kind, found.node, found.severity, found.at) == ("node.silent", "a", 2, NOON)
    assert found.evidence["last_received"] == NOON - 62


def test_a_silent_node_is_told_once_and_ends_with_the_next_window():
    state, _ = judge([60.0, 5.0])
    state, quiet = judge([70.0, 5.0], state=state)
    state, [over] = judge([3.0, 5.0], state=state)
    assert quiet == []
    assert told([over]) == [("node.silent/a", False)]
    assert over.summary == "a reports again after 67 s"
    assert over.at == NOON - 3


def test_the_servers_own_absence_counts_against_nobody():
    assert judge([7200.0, 7200.0], listening_since=NOON - 30)[1] == []
    assert told(judge([7200.0, 7200.0], listening_since=NOON - 60)[1]) == [("site.dark", True)]


def test_a_restart_of_the_server_does_not_end_a_silence():
    state, _ = judge([60.0, 5.0])
    state, detections = judge([70.0, 5.0], state=state, listening_since=NOON - 2)
    assert detections == []
    assert told(judge([2.0, 5.0], state=state)[1]) == [("node.silent/a", False)]


def test_nothing_is_judged_while_the_door_is_closed():
    state, _ = judge([60.0, 5.0])
    kept, detections = judge([900.0, 900.0], state=state, listening_since=None)
    assert detections == []
    assert kept == state


def test_all_reporting_nodes_overdue_are_one_dark_site():
    state, [found] = judge([70.0, 62.0, 90.0, None])
    assert told([found]) == [("site.dark", True)]
    assert found.summary == "Nothing from any of 3 nodes for 62 s, limit 50 s"
    assert (found.node, found.severity, found.evidence["nodes"]) == (None, 1, ["a", "b", "c"])
    assert judge([80.0, 72.0, 100.0, None], state=state)[1] == []


def test_a_site_of_one_node_goes_dark_with_it():
    _, [found] = judge([62.0])
    assert told([found]) == [("site.dark", True)]
    assert found.summary == "Nothing from a, the only node, for 62 s, limit 50 s"


def test_a_dark_site_takes_over_from_its_silent_nodes():
    state, _ = judge([100.0, 5.0])
    _, detections = judge([160.0, 65.0], state=state)
    assert told(detections) == [("site.dark", True), ("node.silent/a", False)]
    assert detections[1].evidence == {"covered_by": "site.dark"}


def test_a_lost_uplink_is_not_told_node_by_node():
    state, early = judge([51.0, 42.0, 45.0])
    _, detections = judge([60.0, 51.0, 54.0], state=state)
    assert early == []
    assert told(detections) == [("site.dark", True)]


def test_a_node_that_was_silent_before_stays_so_while_the_others_fall_late():
    state, _ = judge([100.0, 5.0])
    assert told(judge([130.0, 35.0], state=state)[1]) == []


def test_when_some_return_the_others_go_on_as_silent_nodes():
    state, _ = judge([70.0, 62.0, 90.0])
    state, detections = judge([80.0, 2.0, 100.0], state=state)
    assert told(detections) == [
        ("site.dark", False),
        ("node.silent/a", True),
        ("node.silent/c", True),
    ]
    assert detections[0].summary == "The site reports again: b of 3 nodes"
    assert told(judge([1.0, 2.0, 1.0], state=state)[1]) == [
        ("node.silent/a", False),
        ("node.silent/c", False),
    ]


def test_a_returning_site_can_be_given_time_to_return_whole():
    state, _ = judge([70.0, 62.0, 90.0])
    state, first = judge([80.0, 2.0, 100.0], state=state, return_grace_seconds=120.0)
    state, second = judge([-50.0, -55.0, 100.0], now=NOON + 60, state=state)
    _, third = judge([-119.0, -119.0, 100.0], now=NOON + 121, state=state)
    assert told(first) == [("site.dark", False)]
    assert told(second) == []
    assert told(third) == [("node.silent/c", True)]


def test_a_node_that_never_reported_is_expected_not_silent():
    assert judge([None, 5.0])[1] == []
    assert judge([None, None])[1] == []


def test_a_node_is_missed_once_it_was_expected_for_long_enough():
    assert judge([None, 5.0], expected=[NOON - 40, math.nan])[1] == []
    state, [found] = judge([None, 5.0], expected=[NOON - 600, math.nan])
    assert found.summary == "Nothing from a since it was expected 10 min ago, limit 50 s"
    _, [over] = judge([1.0, 5.0], expected=[NOON - 600, math.nan], state=state)
    assert over.summary == "a reports again"


def test_a_node_that_is_no_longer_expected_or_no_longer_there_is_not_silent():
    state, _ = judge([5.0, None], expected=[math.nan, NOON - 600])
    _, [unexpected] = judge([5.0, None], state=state)
    _, [gone] = judge([5.0], state=state)
    assert (unexpected.is_firing, unexpected.summary) == (False, "b is no longer expected")
    assert (gone.is_firing, gone.summary) == (False, "b is no longer a node of this site")


def test_a_site_that_lost_its_last_node_is_not_dark():
    state, _ = judge([70.0])
    assert told(judge([], state=state)[1]) == [("site.dark", False)]


def test_lists_of_different_length_are_refused():
    with pytest.raises(ValueError, match="one of each for every node"):
        judge_overdue(
            np.zeros(2), np.zeros(1), ["a", "b"], now=NOON, listening_since=NOON, state={}
        )


AGES = st.lists(st.one_of(st.none(), st.floats(0, 1e6)), min_size=1, max_size=6)
QUICK = settings(max_examples=60, deadline=None)


@QUICK
@given(ages=AGES, open_for=st.floats(0, 45), window=st.floats(0.1, 600))
def test_nothing_is_overdue_while_the_door_is_open_for_less_than_the_deadline(
    ages, open_for, window
):
    expected = [LONG_AGO] * len(ages)
    shape = {"window": window, "listening_since": NOON - open_for, "expected": expected}
    state, detections = judge(ages, **shape)
    assert detections == []
    assert state["silent"] == {}


@QUICK
@given(looks=st.lists(AGES.map(lambda ages: (ages + [None] * 6)[:6]), min_size=1, max_size=5))
def test_what_is_open_always_matches_the_state_and_a_second_look_adds_nothing(looks):
    state: OverdueState = {}
    is_open: dict[str, bool] = {}
    for ages in looks:
        state, detections = judge(ages, state=json.loads(json.dumps(state)))
        is_open |= dict(told(detections))
        assert judge(ages, state=state) == (state, [])
    silent = set() if state["is_dark"] else {f"node.silent/{name}" for name in state["silent"]}
    dark = {"site.dark"} if state["is_dark"] else set()
    assert {name for name, firing in is_open.items() if firing} == silent | dark
