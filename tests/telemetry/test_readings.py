"""Windows become arrays without a number in the wrong place, and memories come back whole."""

from __future__ import annotations

import json
import math
from datetime import timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from telemetry.detectors.envelope import EnvelopeState, detect_envelope
from telemetry.detectors.limits import default_limits, group_limits
from telemetry.jobs.packing import FORGET_AFTER_SECONDS, pack, unpack
from telemetry.jobs.readings import blocks_of, readings_of
from telemetry.store import WindowRecord
from tests.factories import NOON

INLET = ["hw.temperature", "Cel", "inlet"]
SETS = {
    1: [INLET, ["system.cpu.utilization", "1", ""]],
    2: [["hw.fan.speed", "rpm", ""], ["hw.temperature", "Cel", "outlet"], INLET],
    3: [["hw.temperature", "[degF]", "inlet"]],
}
NAMES = {7: "rack-7", 8: "rack-8"}
LIMITS = group_limits(default_limits("A2"))[0]

#: Node (9 is judged by other limits), series set, samples a window and a value.
WINDOWS = st.lists(
    st.tuples(
        st.sampled_from([7, 8, 9]),
        st.sampled_from([1, 2, 3]),
        st.integers(0, 3),
        st.floats(-40, 90, width=32),
    ),
    max_size=30,
)


def record(node_id: int, set_id: int, minute: int, n: int, value: float) -> WindowRecord:
    """Return one window in which every series has its own mean: the value plus its column."""
    means = value + np.arange(len(SETS[set_id]), dtype=np.float32)
    counts = np.full(len(means), n, np.int32)
    start = NOON + timedelta(minutes=minute)
    arrays = (counts, means, means, (means * counts).astype(np.float32), means)
    return WindowRecord(node_id, set_id, start, 60.0, 0, start, *arrays)


@given(WINDOWS)
def test_every_reading_stands_at_its_node_its_device_and_its_turn(
    windows: list[tuple[int, int, int, float]],
) -> None:
    ordered = sorted(enumerate(windows), key=lambda one: (one[1][0], one[0]))
    records = [record(node, set_id, at, n, value) for at, (node, set_id, n, value) in ordered]
    expected = {
        (
            (NAMES[one.node_id], device),
            one.start.timestamp(),
            float(one.sum[column]) / one.n[column],
        )
        for one in records
        for column, (metric, unit, device) in enumerate(SETS[one.series_set_id])
        if one.node_id in NAMES and (metric, unit) == ("hw.temperature", "Cel") and one.n[column]
    }
    readings = readings_of(blocks_of(records, SETS), LIMITS, NAMES)
    found = (
        set()
        if readings is None
        else {
            (name, readings.start[tick, column], readings.value[tick, column])
            for column, name in enumerate(readings.series)
            for tick in np.flatnonzero(~np.isnan(readings.value[:, column]))
        }
    )
    assert found == expected


@given(WINDOWS)
def test_windows_of_one_series_stand_in_the_order_of_time(
    windows: list[tuple[int, int, int, float]],
) -> None:
    records = [
        record(7, set_id, minute, n, value) for minute, (_, set_id, n, value) in enumerate(windows)
    ]
    readings = readings_of(blocks_of(records, SETS), LIMITS, NAMES)
    starts = np.empty((0, 1)) if readings is None else readings.start
    known = [column[~np.isnan(column)] for column in starts.T]
    assert all((np.diff(column) > 0).all() for column in known)


@given(st.lists(st.floats(10, 45, width=32), min_size=1, max_size=25))
def test_a_memory_that_was_packed_judges_on_as_if_it_never_was(course: list[float]) -> None:
    kept = packed = EnvelopeState.blank([], [])
    for minute, value in enumerate(course):
        window = record(7, 1, minute, 2, value)
        readings = readings_of(blocks_of([window], SETS), LIMITS, NAMES)
        assert readings is not None
        kept, said = detect_envelope(readings, LIMITS, kept)
        document = json.loads(json.dumps(pack(packed), allow_nan=False))
        packed = unpack(document, names=["rack-7"], now=window.start.timestamp())
        packed, said_after = detect_envelope(readings, LIMITS, packed)
        assert said == said_after
    assert kept.to_json() == packed.to_json()


def remembered(value: float) -> EnvelopeState:
    """Return a memory of three windows of that inlet temperature at noon."""
    records = [record(7, 1, minute, 2, value) for minute in range(3)]
    readings = readings_of(blocks_of(records, SETS), LIMITS, NAMES)
    assert readings is not None
    return detect_envelope(readings, LIMITS, EnvelopeState.blank([], []))[0]


def test_the_memory_forgets_nodes_that_are_not_watched() -> None:
    document = pack(remembered(40.0))
    now = NOON.timestamp()
    assert unpack(document, names=["rack-7"], now=now).series == (("rack-7", "inlet"),)
    assert unpack(document, names=["rack-8"], now=now).series == ()


def test_the_memory_forgets_a_quiet_series_after_a_day_but_never_a_firing_one() -> None:
    tomorrow = NOON.timestamp() + 120 + FORGET_AFTER_SECONDS
    quiet, firing = pack(remembered(22.0)), pack(remembered(40.0))
    assert len(unpack(quiet, names=["rack-7"], now=tomorrow - 1).series) == 1
    assert unpack(quiet, names=["rack-7"], now=tomorrow).series == ()
    assert len(unpack(firing, names=["rack-7"], now=tomorrow).series) == 1


def test_a_window_without_a_sample_has_no_value() -> None:
    readings = readings_of(blocks_of([record(7, 1, 0, 0, 0.0)], SETS), LIMITS, NAMES)
    assert readings is not None
    assert math.isnan(readings.value[0, 0])


def test_there_are_no_readings_where_nothing_is_judged() -> None:
    assert readings_of([], LIMITS, NAMES) is None
    assert readings_of(blocks_of([record(9, 1, 0, 2, 1.0)], SETS), LIMITS, NAMES) is None
    assert readings_of(blocks_of([record(7, 3, 0, 2, 1.0)], SETS), LIMITS, NAMES) is None
