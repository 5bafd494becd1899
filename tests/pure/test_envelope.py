"""Limits on readings: holds, deadbands, gaps, late data, and one finding a series."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.detectors.detection import Detection
from telemetry.detectors.envelope import EnvelopeState, Limit, Readings, detect_envelope
from telemetry.detectors.limits import default_limits, group_limits

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()
INLET = group_limits(default_limits("A2"))[0]
BLANK = EnvelopeState.from_json({})


def limits_on(metric: str) -> tuple[Limit, ...]:
    return next(group for group in group_limits(default_limits("A2")) if group[0].metric == metric)


def one_series(values, *, step=60.0, start=NOON, metric="hw.temperature", device="inlet"):
    """Windows of one series, one after the other; NaN is a window without a reading."""
    column = np.array(values, np.float64).reshape(-1, 1)
    starts = start + step * np.arange(len(column)).reshape(-1, 1)
    return Readings(metric, starts, np.full(column.shape, step), column, (("node-a", device),))


def cut(readings: Readings, first: int, last: int) -> Readings:
    return Readings(
        readings.metric,
        readings.start[first:last],
        readings.seconds[first:last],
        readings.value[first:last],
        readings.series,
    )


def judge(values, **shape) -> list[Detection]:
    return detect_envelope(one_series(values, **shape), INLET, BLANK)[1]


def told(detections: list[Detection]) -> list[tuple[bool, int, float]]:
    return [(found.is_firing, found.severity, found.at - NOON) for found in detections]


def outcome(detections: list[Detection]) -> tuple[list[object], dict[str, tuple[object, ...]]]:
    """What began, changed and ended, and what a reader would see in the end."""
    changes: list[object] = []
    seen: dict[str, tuple[object, ...]] = {}
    for found in detections:
        before = seen.get(found.fingerprint, (False, 0, ""))
        if before[:2] != (found.is_firing, found.severity):
            changes.append(found)
        seen[found.fingerprint] = (found.is_firing, found.severity, found.summary)
    return changes, seen


def test_air_above_the_allowable_limit_for_two_windows_is_urgent():
    [found] = judge([36.0, 38.4])
    assert told([found]) == [(True, 1, 120.0)]
    assert found.kind == "thermal.envelope"
    assert found.fingerprint == "thermal.envelope/node-a/inlet"
    assert found.node == "node-a"
    assert found.summary == "Inlet air 38.4 °C, limit 35.0 °C"
    assert found.evidence["since"] == NOON
    assert found.evidence["basis"] == "ASHRAE A2 allowable"


def test_one_hot_window_is_not_enough():
    assert judge([36.0, 34.0, 36.0, 34.0, 36.0]) == []


def test_the_limit_itself_is_still_allowed():
    assert judge([35.0, 35.0, 35.0, 10.0, 10.0, 10.0]) == []


def test_the_sentence_names_value_limit_and_rate():
    ramp = one_series([34.8, 35.0, 35.2, 35.4])
    state, [found] = detect_envelope(ramp, INLET, BLANK)
    _, [later] = detect_envelope(one_series([35.2, 35.0], start=NOON + 240), INLET, state)
    assert found.summary == "Inlet air 35.4 °C, limit 35.0 °C, rising 0.2 °C a minute"
    assert found.evidence["rate_per_minute"] == 0.2
    assert later.summary == "Inlet air 35.0 °C, limit 35.0 °C, rising 0.1 °C a minute"


def test_the_rate_forgets_all_but_the_last_ten_readings():
    [*_, ten] = judge([20.0] * 20 + [36.0] * 10)
    [*_, nine] = judge([20.0] * 20 + [36.0] * 9)
    assert ten.summary == "Inlet air 36.0 °C, limit 35.0 °C, steady"
    assert nine.summary == "Inlet air 36.0 °C, limit 35.0 °C, rising 0.9 °C a minute"


def test_cold_air_names_the_lower_limit():
    [found] = judge([9.0, 8.2])
    assert found.summary == "Inlet air 8.2 °C, lower limit 10.0 °C"
    assert found.severity == 1


def test_a_quarter_of_an_hour_outside_the_recommended_range_warns():
    assert told(judge([28.0] * 14)) == []
    assert told(judge([28.0] * 15)) == [(True, 3, 900.0)]


def test_a_warning_becomes_urgent_in_place_and_falls_back_before_it_ends():
    state, detections = BLANK, []
    for minute, value in enumerate([28.0] * 15 + [36.0] * 2 + [30.0] * 2 + [25.0] * 2):
        readings = one_series([value], start=NOON + 60 * minute)
        state, found = detect_envelope(readings, INLET, state)
        detections += found
    changes, _ = outcome(detections)
    assert [(found.is_firing, found.severity) for found in changes] == [
        (True, 3),
        (True, 1),
        (True, 3),
        (False, 3),
    ]
    assert {found.fingerprint for found in detections} == {"thermal.envelope/node-a/inlet"}
    assert changes[-1].summary == (
        "Inlet air 25.0 °C, back inside the limit 27.0 °C after 21 min, worst 36.0 °C"
    )


def test_an_end_tells_of_the_whole_time_even_when_all_limits_are_left_at_once():
    [*_, over] = judge([28.0] * 15 + [36.0] * 2 + [25.0] * 2)
    assert over.summary == (
        "Inlet air 25.0 °C, back inside the limit 27.0 °C after 19 min, worst 36.0 °C"
    )


def test_of_two_limits_that_were_passed_the_one_passed_now_is_named():
    slow_to_end = tuple(replace(limit, clear_hold_seconds=600) for limit in INLET[:2])
    for values, name in (([8.0] * 2 + [36.0] * 2, "limit 35.0"), ([36.0] * 2 + [8.0] * 2, "10.0")):
        _, [*_, found] = detect_envelope(one_series(values), slow_to_end, BLANK)
        assert name in found.summary


def test_a_finding_that_goes_on_unchanged_is_not_told_again():
    state, _ = detect_envelope(one_series([36.0] * 12), INLET, BLANK)
    _, quiet = detect_envelope(one_series([36.0] * 3, start=NOON + 720), INLET, state)
    _, moved = detect_envelope(one_series([36.0, 36.5], start=NOON + 720), INLET, state)
    assert quiet == []
    assert len(moved) == 1


def test_a_share_is_told_again_when_its_tenth_of_a_per_cent_changed():
    disk = limits_on("system.filesystem.utilization")
    shape = {"metric": "system.filesystem.utilization", "device": "/srv"}
    state, _ = detect_envelope(one_series([0.96] * 12, **shape), disk, BLANK)
    _, quiet = detect_envelope(one_series([0.9601], start=NOON + 720, **shape), disk, state)
    _, moved = detect_envelope(one_series([0.962], start=NOON + 720, **shape), disk, state)
    assert quiet == []
    assert len(moved) == 1


def test_the_finding_ends_only_a_degree_inside_and_after_its_hold():
    state, _ = detect_envelope(one_series([36.0] * 2), INLET, BLANK)
    hovering = one_series([34.5] * 10, start=NOON + 120)
    state, detections = detect_envelope(hovering, INLET, state)
    assert all(found.is_firing for found in detections)
    state, detections = detect_envelope(one_series([26.0], start=NOON + 720), INLET, state)
    assert all(found.is_firing for found in detections)
    state, [found] = detect_envelope(one_series([26.0], start=NOON + 780), INLET, state)
    assert told([found]) == [(False, 1, 840.0)]


def test_a_gap_neither_satisfies_a_hold_nor_resets_it():
    state, detections = detect_envelope(one_series([36.0]), INLET, BLANK)
    assert detections == []
    state, detections = detect_envelope(one_series([36.0], start=NOON + 86_400), INLET, state)
    assert told(detections) == [(True, 1, 86_460.0)]


def test_a_window_without_a_reading_neither_satisfies_a_hold_nor_resets_it():
    assert told(judge([36.0] + [math.nan] * 30)) == []
    assert told(judge([36.0, math.nan, math.nan, 36.0])) == [(True, 1, 240.0)]


def test_a_missing_reading_does_not_end_a_finding():
    assert told(judge([36.0, 36.0] + [math.nan] * 60)) == [(True, 1, 120.0)]


def test_late_and_repeated_windows_change_nothing():
    state, _ = detect_envelope(one_series([22.0] * 5), INLET, BLANK)
    again, detections = detect_envelope(one_series([40.0] * 5), INLET, state)
    assert detections == []
    assert again.to_json() == state.to_json()


def test_only_the_inlet_is_judged_as_inlet_air():
    assert judge([90.0] * 20, device="gpu0") == []


def test_a_limit_that_is_no_longer_watched_ends_its_finding():
    state, _ = detect_envelope(one_series([36.0] * 2), INLET, BLANK)
    only_low = tuple(limit for limit in INLET if not limit.is_upper)
    _, [found] = detect_envelope(one_series([36.0], start=NOON + 120), only_low, state)
    assert not found.is_firing
    assert found.summary == "Inlet air: the limit it had passed is no longer watched"


def test_a_wider_class_judges_the_running_finding_by_its_own_limits():
    state, _ = detect_envelope(one_series([36.0] * 2), INLET, BLANK)
    wider = group_limits(default_limits("A4"))[0]
    _, detections = detect_envelope(one_series([26.0] * 2, start=NOON + 120), wider, state)
    assert told(detections) == [(False, 1, 240.0)]


def test_a_ups_on_battery_is_told_at_once_and_when_mains_is_back():
    battery = limits_on("mdc.ups.on_battery")
    shape = {"metric": "mdc.ups.on_battery", "device": "ups0"}
    state, [found] = detect_envelope(one_series([0.0, 1.0], **shape), battery, BLANK)
    assert (found.summary, found.severity) == ("UPS on battery (ups0)", 2)
    _, [over] = detect_envelope(one_series([0.0], start=NOON + 600, **shape), battery, state)
    assert over.summary == "UPS on battery (ups0): over after 10 min"


def test_shares_are_told_in_per_cent_with_their_device():
    disk = limits_on("system.filesystem.utilization")
    shape = {"metric": "system.filesystem.utilization", "device": "/srv"}
    _, [found] = detect_envelope(one_series([0.95, 0.951] + [0.96] * 4, **shape), disk, BLANK)
    assert found.summary == "Disk in use (/srv) 96.0 %, limit 95.0 %, rising 0.2 points a minute"
    assert found.fingerprint == "disk.full/node-a//srv"


def test_cpu_and_gpu_of_one_node_have_two_findings_even_without_device():
    fingerprints = set()
    for metric in ("mdc.cpu.throttled_ratio", "mdc.gpu.throttled_ratio"):
        readings = one_series([0.5], metric=metric, device="")
        fingerprints |= {
            found.fingerprint for found in detect_envelope(readings, limits_on(metric), BLANK)[1]
        }
    assert len(fingerprints) == 2


def test_series_that_come_and_go_keep_their_own_memory():
    both = Readings(
        "hw.temperature",
        np.full((1, 2), NOON),
        np.full((1, 2), 60.0),
        np.array([[36.0, 22.0]]),
        (("node-a", "inlet"), ("node-b", "inlet")),
    )
    swapped = Readings(
        "hw.temperature",
        np.full((1, 3), NOON + 60),
        np.full((1, 3), 60.0),
        np.array([[22.0, 22.0, 36.0]]),
        (("node-c", "inlet"), ("node-b", "inlet"), ("node-a", "inlet")),
    )
    state, _ = detect_envelope(both, INLET, BLANK)
    _, [found] = detect_envelope(swapped, INLET, state)
    assert found.node == "node-a"


def test_the_state_given_is_not_changed():
    state, _ = detect_envelope(one_series([36.0]), INLET, BLANK)
    before = json.dumps(state.to_json())
    first = detect_envelope(one_series([36.0], start=NOON + 60), INLET, state)
    second = detect_envelope(one_series([36.0], start=NOON + 60), INLET, state)
    assert json.dumps(state.to_json()) == before
    assert first[0].to_json() == second[0].to_json()
    assert first[1] == second[1]


def test_limits_that_do_not_belong_to_the_readings_are_refused():
    with pytest.raises(ValueError, match="pass limits of one kind"):
        detect_envelope(one_series([1.0]), limits_on("mdc.ups.on_battery"), BLANK)
    with pytest.raises(ValueError, match="merge them"):
        detect_envelope(one_series([1.0]), (INLET[0], INLET[0]), BLANK)


def test_readings_that_are_no_table_of_series_are_refused():
    wide, name = np.ones((1, 2)), ("node-a", "inlet")
    with pytest.raises(ValueError, match="name each series once"):
        detect_envelope(Readings("hw.temperature", wide, wide, wide, (name, name)), INLET, BLANK)
    with pytest.raises(ValueError, match="must be"):
        detect_envelope(Readings("hw.temperature", wide, wide, wide, (name,)), INLET, BLANK)


@pytest.mark.parametrize(
    ("ashrae_class", "high", "basis"),
    [
        ("A1", 32.0, "ASHRAE A1 allowable"),
        ("a3", 40.0, "ASHRAE A3 allowable"),
        ("A4", 45.0, "ASHRAE A4 allowable"),
        ("", 35.0, "ASHRAE A2 allowable, class not stated"),
        ("H9", 35.0, "ASHRAE A2 allowable, class not stated"),
    ],
)
def test_the_allowable_range_follows_the_class(ashrae_class, high, basis):
    upper = default_limits(ashrae_class)[0]
    assert (upper.set_at, upper.basis) == (high, basis)


def test_holds_can_be_shortened_for_a_demonstration():
    assert {limit.hold_seconds for limit in default_limits("A2", hold_scale=0)} == {0}
    with pytest.raises(ValueError, match="hold_scale"):
        default_limits("A2", hold_scale=-1)


TEMPERATURES = st.one_of(
    st.sampled_from([5.0, 9.0, 10.5, 17.0, 18.5, 22.0, 26.5, 27.5, 34.5, 36.0, math.nan]),
    st.floats(0, 50),
)
#: Runs of one value, so that holds are reached; windows of 150 s keep the streams short.
RUNS = st.lists(st.tuples(TEMPERATURES, st.integers(1, 8)), min_size=1, max_size=8)
STREAMS = RUNS.map(lambda runs: [value for value, times in runs for _ in range(times)])
QUICK = settings(max_examples=30, deadline=None)


@QUICK
@given(values=STREAMS, cuts=st.lists(st.integers(0, 64), max_size=4))
def test_a_stream_read_in_pieces_gives_what_it_gives_in_one(values, cuts):
    stream = one_series(values, step=150.0)
    whole, at_once = detect_envelope(stream, INLET, BLANK)
    state, in_pieces = BLANK, []
    edges = [0, *sorted(cuts), len(values)]
    for first, last in zip(edges, edges[1:], strict=False):
        # Through JSON and back, as a database would carry it.
        state = EnvelopeState.from_json(json.loads(json.dumps(state.to_json())))
        state, found = detect_envelope(cut(stream, first, last), INLET, state)
        in_pieces += found
    assert state.to_json() == whole.to_json()
    assert outcome(in_pieces) == outcome(at_once)


@QUICK
@given(values=STREAMS)
def test_a_stream_read_twice_adds_nothing(values):
    stream = one_series(values, step=150.0)
    state, _ = detect_envelope(stream, INLET, BLANK)
    again, found = detect_envelope(stream, INLET, state)
    assert found == []
    assert again.to_json() == state.to_json()


@QUICK
@given(first=STREAMS, second=STREAMS)
def test_series_do_not_touch_each_other(first, second):
    many = min(len(first), len(second))
    alone = [
        detect_envelope(one_series(part[:many], step=150.0), INLET, BLANK)[1]
        for part in (first, second)
    ]
    left = one_series(first[:many], step=150.0)
    right = one_series(second[:many], step=150.0)
    both = Readings(
        "hw.temperature",
        np.hstack([left.start, right.start]),
        np.hstack([left.seconds, right.seconds]),
        np.hstack([left.value, right.value]),
        (("node-a", "inlet"), ("node-b", "inlet")),
    )
    _, together = detect_envelope(both, INLET, BLANK)
    summaries = [
        [(found.at, found.is_firing, found.summary) for found in together if found.node == node]
        for node in ("node-a", "node-b")
    ]
    assert summaries == [[(f.at, f.is_firing, f.summary) for f in part] for part in alone]


@QUICK
@given(values=st.lists(st.sampled_from([math.nan, math.inf, -math.inf, 1e39]), max_size=50))
def test_no_detection_ever_comes_from_windows_without_a_reading(values):
    assert judge(values, step=900.0) == []


@QUICK
@given(values=STREAMS, pauses=st.lists(st.floats(0, 1e6), min_size=64, max_size=64))
def test_gaps_of_any_length_change_no_verdict(values, pauses):
    smooth = one_series(values, step=150.0)
    shifts = np.cumsum(pauses[: len(values)]).reshape(-1, 1)
    torn = Readings(
        smooth.metric, smooth.start + shifts, smooth.seconds, smooth.value, smooth.series
    )
    verdicts = [
        [(found.is_firing, found.severity, found.evidence["value"]) for found in changes]
        for changes in (
            outcome(detect_envelope(stream, INLET, BLANK)[1])[0] for stream in (smooth, torn)
        )
    ]
    assert verdicts[0] == verdicts[1]


@QUICK
@given(values=st.lists(st.floats(34.0, 35.0, exclude_min=True), max_size=60))
def test_nothing_begins_or_ends_while_values_stay_in_the_deadband(values):
    allowable = INLET[:1]
    _, from_quiet = detect_envelope(one_series(values), allowable, BLANK)
    firing, _ = detect_envelope(one_series([36.0] * 2, start=NOON - 600), allowable, BLANK)
    _, from_firing = detect_envelope(one_series(values), allowable, firing)
    assert from_quiet == []
    assert all(found.is_firing and found.severity == 1 for found in from_firing)
