"""Windows follow the wall clock, are made once, and carry what the readings say."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.agent.source import Sample
from telemetry.agent.window import (
    FORGET_SERIES_AFTER,
    MAX_SPANS,
    ClosedSpan,
    Coverage,
    Span,
    WindowBuilder,
    seconds_to_next_tick,
)
from telemetry.protocol import Window, series_hash
from tests.agent.worlds import MINUTE_MS, NOON_MS

spans = st.builds(
    lambda start, length: Span(start, start + length), st.integers(0, 500), st.integers(1, 60)
)


def numbers(column: object) -> list[float]:
    assert isinstance(column, bytes)
    return list(struct.unpack(f"<{len(column) // 4}f", column))


def temperature(value: float, device: str = "inlet") -> Sample:
    return Sample("hw.temperature", "Cel", device, value)


def run_clock(moments_ms: list[int], *, window_seconds: int) -> list[ClosedSpan]:
    """Feed one reading at each moment and return the spans that came out."""
    builder = WindowBuilder(window_seconds=window_seconds, coverage=Coverage())
    closed = []
    for moment in moments_ms:
        closed.append(builder.move_to(moment))
        builder.add(node="a", samples=[temperature(20.0)])
    closed.append(builder.flush(moments_ms[-1]))
    return [each for each in closed if each is not None]


@given(
    steps=st.lists(st.integers(-400_000, 400_000), min_size=1, max_size=60),
    window_seconds=st.sampled_from([1, 7, 10, 60, 3600]),
)
def test_however_the_clock_steps_no_instant_gets_two_windows(
    steps: list[int], window_seconds: int
) -> None:
    moments = [NOON_MS]
    for step in steps:
        moments.append(moments[-1] + step)
    made = sorted(each.span for each in run_clock(moments, window_seconds=window_seconds))
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(made))
    assert all(span.start_ms < span.end_ms for span in made)


@given(
    steps=st.lists(st.integers(1, 90_000), min_size=1, max_size=80),
    window_seconds=st.sampled_from([1, 7, 10, 60, 3600]),
)
def test_while_the_clock_runs_forward_every_window_fills_its_slot_and_no_reading_is_lost(
    steps: list[int], window_seconds: int
) -> None:
    moments = [NOON_MS]
    for step in steps:
        moments.append(moments[-1] + step)
    made = run_clock(moments, window_seconds=window_seconds)
    slot_ms = window_seconds * 1000
    assert all(each.span.start_ms % slot_ms == 0 for each in made)
    assert all(each.span.end_ms - each.span.start_ms == slot_ms for each in made[:-1])
    windows = [window for each in made for group in each.sets for window in group.windows]
    counted = sum(numbers(window.n)[0] for window in windows)
    # The flush comes with the last reading, which may be the first of its window.
    assert counted in (len(moments), len(moments) - 1)


@given(st.lists(spans, max_size=30), st.integers(0, 600))
def test_coverage_knows_exactly_the_instants_it_was_given(
    given_spans: list[Span], instant: int
) -> None:
    coverage = Coverage(given_spans)
    is_covered = any(span.start_ms <= instant < span.end_ms for span in given_spans)
    free = coverage.free_part(Span(-1000, 2000), instant)
    assert (free is None) == is_covered
    inside = range(0 if free is None else free.start_ms, 0 if free is None else free.end_ms)
    assert not any(span.start_ms <= other < span.end_ms for span in given_spans for other in inside)
    assert list(coverage.spans) == sorted(coverage.spans)


def test_coverage_stays_small() -> None:
    coverage = Coverage(Span(start, start + 1) for start in range(0, 4000, 10))
    assert len(coverage.spans) == MAX_SPANS
    assert coverage.latest_end_ms == 3991


@given(
    now=st.floats(1e9, 4e9),
    window_seconds=st.integers(1, 3600),
    share=st.floats(0.001, 1.0),
)
def test_the_next_tick_never_passes_the_end_of_the_window(
    now: float, window_seconds: int, share: float
) -> None:
    sample_seconds = max(0.05, share * window_seconds)
    delay = seconds_to_next_tick(now, window_seconds=window_seconds, sample_seconds=sample_seconds)
    assert 0.001 <= delay <= sample_seconds + 0.001
    assert delay <= window_seconds - now % window_seconds + 0.001


def closed_window(*samples: Sample) -> tuple[Window, list[str]]:
    builder = WindowBuilder(window_seconds=60, coverage=Coverage())
    builder.move_to(NOON_MS)
    builder.add(node="a", samples=samples)
    closed = builder.move_to(NOON_MS + MINUTE_MS)
    assert closed is not None
    (group,) = closed.sets
    assert group.hash == series_hash(group.series)
    return group.windows[0], [f"{item.metric} {item.device}".strip() for item in group.series]


def test_a_window_summarises_its_readings_in_packed_little_endian_floats() -> None:
    window, names = closed_window(
        temperature(20.0),
        Sample("system.uptime", "s", "", 5.0),
        temperature(24.0),
        temperature(22.0),
    )
    assert names == ["hw.temperature inlet", "system.uptime"]
    assert (window.start_ms, window.seconds, window.flags) == (NOON_MS, 60.0, 0)
    assert numbers(window.n) == [3.0, 1.0]
    assert numbers(window.min) == [20.0, 5.0]
    assert numbers(window.max) == [24.0, 5.0]
    assert numbers(window.sum) == [66.0, 5.0]
    assert numbers(window.last) == [22.0, 5.0]
    assert window.n == b"\x00\x00\x40\x40\x00\x00\x80\x3f"


@pytest.mark.parametrize(
    "bad",
    [
        temperature(float("nan")),
        temperature(float("inf")),
        temperature(9999.0),
        Sample("hw.temperature", "K", "exhaust", 300.0),
        Sample("", "1", "", 1.0),
        Sample("mdc.any", "1", "a\nb", 1.0),
        Sample("mdc.any", "1", "x" * 201, 1.0),
        Sample("mdc.any", "1", "", 1e38),
    ],
)
def test_a_reading_no_server_would_take_does_not_spoil_the_window(bad: Sample) -> None:
    window, names = closed_window(temperature(20.0), bad)
    assert names[0] == "hw.temperature inlet"
    assert numbers(window.max)[0] == 20.0
    assert sum(numbers(window.n)) == 1.0


def test_a_series_without_a_reading_stays_in_the_set_with_none_and_is_forgotten_in_time() -> None:
    builder = WindowBuilder(window_seconds=60, coverage=Coverage())
    builder.move_to(NOON_MS)
    builder.add(node="a", samples=[temperature(20.0), temperature(30.0, "exhaust")])
    widths = []
    for minute in range(1, FORGET_SERIES_AFTER + 4):
        closed = builder.move_to(NOON_MS + minute * MINUTE_MS)
        assert closed is not None
        widths.append(len(closed.sets[0].series))
        builder.add(node="a", samples=[temperature(20.0)])
    assert widths == [2] * (FORGET_SERIES_AFTER + 1) + [1, 1]


def test_nodes_with_the_same_series_share_a_set_and_a_silent_node_has_no_window() -> None:
    builder = WindowBuilder(window_seconds=60, coverage=Coverage())
    builder.move_to(NOON_MS)
    builder.add(node="a", samples=[temperature(20.0)])
    builder.add(node="b", samples=[temperature(21.0)])
    builder.add(node="c", samples=[temperature(22.0, "exhaust")])
    builder.add(node="d", samples=[])
    closed = builder.move_to(NOON_MS + MINUTE_MS)
    assert closed is not None
    assert [[window.node for window in group.windows] for group in closed.sets] == [
        ["a", "b"],
        ["c"],
    ]


def test_after_a_clean_stop_the_rest_of_the_slot_is_a_window_of_its_own() -> None:
    coverage = Coverage()
    builder = WindowBuilder(window_seconds=60, coverage=coverage)
    builder.move_to(NOON_MS)
    builder.add(node="a", samples=[temperature(20.0)])
    stopped = builder.flush(NOON_MS + 37_000)
    again = WindowBuilder(window_seconds=60, coverage=coverage)
    again.move_to(NOON_MS + 45_000)
    again.add(node="a", samples=[temperature(20.0)])
    rest = again.move_to(NOON_MS + 60_000)
    assert stopped is not None
    assert rest is not None
    assert stopped.span == Span(NOON_MS, NOON_MS + 37_000)
    assert rest.span == Span(NOON_MS + 37_000, NOON_MS + 60_000)
    assert rest.sets[0].windows[0].seconds == 23.0


def test_readings_of_a_time_that_has_its_window_are_left_out() -> None:
    builder = WindowBuilder(window_seconds=60, coverage=Coverage())
    builder.move_to(NOON_MS)
    builder.add(node="a", samples=[temperature(20.0)])
    builder.move_to(NOON_MS + MINUTE_MS)
    builder.add(node="a", samples=[temperature(20.0)])
    went_back = builder.move_to(NOON_MS + 30_000)
    builder.add(node="a", samples=[temperature(99.0)])
    later = builder.move_to(NOON_MS + 2 * MINUTE_MS)
    builder.add(node="a", samples=[temperature(21.0)])
    last = builder.move_to(NOON_MS + 3 * MINUTE_MS)
    assert went_back is not None
    assert later is None
    assert last is not None
    assert numbers(last.sets[0].windows[0].max) == [21.0]
