"""Batches against their series set, site and clock; pure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.ingest.frames import check_series
from telemetry.ingest.intake import KnownSet
from telemetry.ingest.validate import check_batch
from telemetry.protocol import Batch, RejectCode, Series, SeriesSetFrame, Window, series_hash
from tests.factories import NOON
from tests.telemetry.ingest.scripted import SERIES, SET_HASH, make_batch, make_window, packed

NOON_MS = round(NOON.timestamp() * 1000)
NODES = {"node-1": 1, "node-2": 2}
KNOWN = check_series(SeriesSetFrame(hash=SET_HASH, series=SERIES))

FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)
COLUMNS = st.one_of(
    st.lists(FLOATS, max_size=5),
    st.lists(FLOATS, min_size=3, max_size=3),
    st.lists(st.floats(), min_size=3, max_size=3),
    st.binary(max_size=16),
    st.lists(FLOATS, min_size=3, max_size=3).map(lambda values: packed(*values)),
)
ANY_WINDOW = st.builds(
    Window,
    node=st.sampled_from(["node-1", "node-2", "nobody", ""]),
    start_ms=st.one_of(
        st.integers(), st.integers(NOON_MS - 10**6, NOON_MS + 10**6), st.integers(2**60, 2**70)
    ),
    seconds=st.one_of(st.floats(), st.floats(1, 60)),
    n=st.one_of(COLUMNS, st.just(packed(1, 1, 1))),
    min=COLUMNS,
    max=COLUMNS,
    sum=COLUMNS,
    last=COLUMNS,
    flags=st.integers(),
)


def believable(values: tuple[float, float, int]) -> dict[str, Any]:
    """Return the numbers of one series whose samples lie between the two values."""
    low, high = sorted(values[:2])
    mean = (low + high) / 2
    return {"n": values[2], "min": low, "max": high, "sum": mean * values[2], "last": mean}


#: Temperatures of three sensors over one window.
GOOD_NUMBERS = st.lists(
    st.tuples(
        st.floats(-40, 150, width=32), st.floats(-40, 150, width=32), st.integers(0, 3600)
    ).map(believable),
    min_size=3,
    max_size=3,
)
PROBES = [Series("hw.temperature", "Cel", f"probe-{number}") for number in range(3)]
PROBE_SET = check_series(SeriesSetFrame(hash=series_hash(PROBES), series=PROBES))


def noon_window(**overrides: Any) -> Window:
    """Make a good window that ends at noon."""
    return make_window(**({"start_ms": NOON_MS - 10_000} | overrides))


def check(*windows: Window, known_set: KnownSet = KNOWN, lane: Any = 1) -> Any:
    """Check a batch of these windows at noon."""
    batch: Batch = make_batch(1, *windows, lane=lane)
    return check_batch(batch, known_set=known_set, nodes=NODES, now=NOON)


@given(st.lists(ANY_WINDOW, min_size=1, max_size=6))
def test_whatever_comes_each_window_is_either_stored_or_refused(windows: list[Window]) -> None:
    checked = check(*windows)
    stored = 0 if checked.windows is None else len(checked.windows)
    assert stored + len(checked.refusals) == len(windows)
    known = [refusal for refusal in checked.refusals if refusal.code is not RejectCode.UNKNOWN_NODE]
    assert len(known) <= len(checked.lost) <= len(checked.refusals)


@given(st.lists(ANY_WINDOW, min_size=1, max_size=6))
def test_what_is_stored_is_finite_ordered_and_of_this_site(windows: list[Window]) -> None:
    checked = check(noon_window(), *windows).windows
    for column in (checked.min, checked.max, checked.sum, checked.last):
        assert np.isfinite(column).all()
        assert (column[checked.n == 0] == 0).all()
    assert (checked.n >= 0).all()
    assert (checked.min <= checked.max).all()
    assert set(checked.node_ids.tolist()) <= set(NODES.values())
    assert ((checked.seconds > 0) & (checked.seconds <= 3600)).all()
    assert (checked.start_ms <= NOON_MS + 600_000).all()
    assert (checked.flags & 1 == 0).all()


@given(GOOD_NUMBERS, st.booleans())
def test_what_an_honest_agent_sends_is_never_refused(
    numbers: list[dict[str, Any]], is_packed: bool
) -> None:
    lists = {name: [one[name] for one in numbers] for name in ("n", "min", "max", "sum", "last")}
    columns: dict[str, Any] = {
        name: packed(*values) if is_packed else values for name, values in lists.items()
    }
    checked = check(noon_window(**columns), known_set=PROBE_SET)
    assert checked.refusals == []
    assert checked.windows.n[0].tolist() == lists["n"]


def test_a_packed_and_a_plain_column_are_the_same() -> None:
    plain = {"n": [10, 10, 0], "min": [20.5, 0.1, 0], "max": [24.5, 0.5, 0]}
    checked = check(noon_window(), noon_window(**plain)).windows
    for column in (checked.n, checked.min, checked.max):
        assert column[0].tolist() == column[1].tolist()


def test_a_series_without_samples_is_zero_whatever_stands_there() -> None:
    nothing = float("nan")
    checked = check(noon_window(min=[20, 0.1, nothing], last=[22, 0.2, 1e30])).windows
    assert checked.min[0, 2] == 0
    assert checked.last[0, 2] == 0


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        ({"seconds": 0.0}, "out_of_range"),
        ({"seconds": 3600.5}, "out_of_range"),
        ({"seconds": float("nan")}, "out_of_range"),
        ({"start_ms": NOON_MS + 600_001}, "future_start"),
        ({"start_ms": 946_684_799_999}, "too_old"),
        ({"start_ms": -(2**70)}, "too_old"),
        ({"start_ms": 2**70}, "future_start"),
        ({"n": [10, 2.5, 0]}, "inconsistent"),
        ({"n": [10, 2e9, 0]}, "out_of_range"),
        ({"n": b"\0\0\0"}, "wrong_length"),
        ({"max": [24.5, 1e300, 0]}, "not_finite"),
        ({"min": [-41, 0.1, 0]}, "out_of_range"),
        ({"max": [24.5, 1.01, 0]}, "out_of_range"),
    ],
)
def test_one_step_beyond_a_limit_is_refused(overrides: dict[str, Any], code: str) -> None:
    (refusal,) = check(noon_window(**overrides)).refusals
    assert refusal.code == code


@pytest.mark.parametrize(
    "overrides",
    [
        {"seconds": 3600.0},
        {"start_ms": NOON_MS + 600_000},
        {"start_ms": 946_684_800_000},
        {"last": [24.5001, 0.25, 0]},
        {"max": [24.5, 1.000001, 0]},
        {"n": [10, 10, 5], "min": [20, 0.1, -1e30], "max": [24.5, 0.5, 1e30]},
    ],
)
def test_a_window_on_the_limit_is_taken(overrides: dict[str, Any]) -> None:
    assert check(noon_window(**overrides)).refusals == []


def test_a_fault_is_told_with_its_place_and_a_sentence() -> None:
    (refusal,) = check(noon_window(), noon_window(max=[151, 0.5, 0])).refusals
    assert refusal.path == "$.windows[1].max[0]"
    assert refusal.message == (
        "151 Cel is no believable hw.temperature. Check the sensor and the unit."
    )


def test_a_window_with_an_unbelievable_time_is_booked_when_it_was_received() -> None:
    (lost,) = check(noon_window(start_ms=0)).lost
    assert (lost.node_id, lost.start, lost.end, lost.windows) == (1, NOON, NOON, 1)


@pytest.mark.parametrize("seconds", [1e305, 1e308, float("inf")])
def test_a_length_beyond_all_numbers_harms_no_window_beside_it(seconds: float) -> None:
    checked = check(noon_window(), noon_window(seconds=seconds))
    assert [refusal.code for refusal in checked.refusals] == ["out_of_range"]
    assert checked.windows.start_ms.tolist() == [NOON_MS - 10_000]


def test_an_empty_batch_is_nothing() -> None:
    checked = check_batch(
        Batch(lane=1, seq=1, set=SET_HASH, windows=[]), known_set=KNOWN, nodes=NODES, now=NOON
    )
    assert (checked.windows, checked.refusals, checked.lost) == (None, [], [])


def test_too_many_windows_are_booked_by_node() -> None:
    windows = [noon_window(start_ms=NOON_MS - 1000 * number) for number in range(513)]
    checked = check(*windows)
    assert [refusal.code for refusal in checked.refusals] == ["too_large"]
    (lost,) = checked.lost
    assert lost.windows == 513
    assert (lost.end - lost.start).total_seconds() == 512 + 10
