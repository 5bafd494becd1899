"""Figures say what was read, where nothing was read they say nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.noc.charts import STROKES, Frame, LimitLine, Mark, Trace, figure_of
from fleet.noc.readouts import TABLE_ROWS, read_out, table_of
from telemetry.metrics import CATALOGUE, spell

T0 = 1_893_499_200.0
TEMPERATURE = CATALOGUE["hw.temperature"]
CPU = CATALOGUE["system.cpu.utilization"]
HOUR = Frame(metric=TEMPERATURE, since=T0, until=T0 + 3600, gap_seconds=150, utc_offset=9 * 3600)


def trace_of(points: dict[float, float], label: str = "inlet") -> Trace:
    """Make a trace from seconds after T0 to means; the extremes lie 1 beside them."""
    start = np.array([T0 + at for at in points], np.float64)
    mean = np.array(list(points.values()), np.float64)
    return Trace(label, start, mean, mean - 1, mean + 1)


def line_of(figure: dict[str, Any]) -> list[tuple[float, float | None]]:
    """Return the points of the last trace, in milliseconds and shown units."""
    drawn = figure["data"][-1]
    return list(zip(drawn["x"], drawn["y"], strict=True))


def band_of(figure: dict[str, Any]) -> list[tuple[float | None, float | None]]:
    drawn = figure["data"][0]
    return list(zip(drawn["x"], drawn["y"], strict=True))


def test_a_gap_in_the_readings_is_a_gap_in_the_line() -> None:
    figure = figure_of([trace_of({0: 20, 60: 21, 600: 22, 660: 23})], HOUR)
    assert [y for _, y in line_of(figure)] == [20, 21, None, 22, 23, None]


def test_a_window_without_a_sample_breaks_the_line() -> None:
    figure = figure_of([trace_of({0: 20, 60: np.nan, 120: np.nan, 180: 21, 240: 22})], HOUR)
    assert None in [y for _, y in line_of(figure)][1:3]


@given(st.lists(st.floats(0, 3599), min_size=2, max_size=40, unique=True))
def test_no_line_ever_crosses_missing_data(moments: list[float]) -> None:
    trace = trace_of(dict.fromkeys(sorted(moments), 20.0))
    points = line_of(figure_of([trace], HOUR))
    joined = [
        (before[0], after[0])
        for before, after in pairwise(points)
        if before[1] is not None and after[1] is not None
    ]
    assert all(abs(after - before) <= HOUR.gap_seconds * 1000 + 1 for before, after in joined)


def test_a_lone_reading_between_two_gaps_is_still_seen() -> None:
    figure = figure_of([trace_of({0: 20, 60: 20, 1200: 25, 2400: 20, 2460: 20})], HOUR)
    lone = [x for x, y in line_of(figure) if y == 25]
    assert lone[-1] > lone[0]


def test_the_band_is_one_closed_outline_for_each_stretch() -> None:
    figure = figure_of([trace_of({0: 20, 60: 21, 600: 22, 660: 23})], HOUR)
    assert [y for _, y in band_of(figure)] == [21, 22, 20, 19, None, 23, 24, 22, 21, None]


def test_several_series_share_a_chart_without_bands_and_with_strokes_of_their_own() -> None:
    figure = figure_of([trace_of({0: 20, 60: 21}), trace_of({0: 50, 60: 51}, "cpu")], HOUR)
    lines = [(part["line"]["color"], part["line"]["dash"]) for part in figure["data"]]
    assert lines == list(STROKES[:2])


def test_moments_stand_on_the_clock_of_the_site() -> None:
    figure = figure_of([trace_of({0: 20, 60: 21})], HOUR)
    assert line_of(figure)[0][0] == (T0 + 9 * 3600) * 1000
    assert figure["layout"]["xaxis"]["range"][1] == (T0 + 3600 + 9 * 3600) * 1000


def test_a_share_of_a_whole_is_drawn_on_the_whole() -> None:
    frame = replace(HOUR, metric=CPU)
    figure = figure_of([trace_of({0: 0.41, 60: 0.42})], frame)
    assert figure["layout"]["yaxis"]["range"] == [0, 100]
    assert line_of(figure)[0][1] == 41


def test_the_axis_reaches_the_limit() -> None:
    frame = replace(HOUR, limits=(LimitLine(35.0, "limit 35.0 °C"),))
    figure = figure_of([trace_of({0: 20, 60: 21})], frame)
    assert figure["layout"]["yaxis"]["range"][1] > 35
    assert figure["layout"]["shapes"][0]["y0"] == 35


def test_a_value_that_never_moves_has_room_around_it() -> None:
    figure = figure_of([Trace("x", np.array([T0]), *[np.array([5.0])] * 3)], HOUR)
    low, high = figure["layout"]["yaxis"]["range"]
    assert low < 5 < high


def test_a_chart_without_a_reading_is_still_a_chart() -> None:
    figure = figure_of([trace_of({})], HOUR)
    assert figure["layout"]["yaxis"]["range"] == [0, 1]
    assert line_of(figure) == []


@pytest.mark.parametrize(("seconds", "side"), [(600, "left"), (3500, "right")])
def test_the_words_of_a_mark_are_never_cut_by_the_edge(seconds: float, side: str) -> None:
    frame = replace(HOUR, marks=(Mark(T0 + seconds, "fired 21:10"),))
    figure = figure_of([trace_of({0: 20, 60: 21})], frame)
    assert figure["layout"]["annotations"][0]["xanchor"] == side


def test_a_mark_outside_the_span_is_left_out() -> None:
    frame = replace(HOUR, marks=(Mark(T0 - 5, "fired"),))
    assert "fired" not in json.dumps(figure_of([trace_of({0: 20})], frame))


def test_a_figure_is_plain_json_without_markup_templates_or_colours_of_its_own() -> None:
    frame = replace(HOUR, limits=(LimitLine(35, "limit"),), marks=(Mark(T0 + 60, "fired"),))
    figure = figure_of([trace_of({0: 20, 60: np.nan, 600: 21})], frame)
    text = json.dumps(figure, allow_nan=False)
    assert "<" not in text
    assert "template" not in figure["layout"]
    assert "#" not in text
    assert "rgb" not in text


def test_the_newest_reading_is_now_whatever_was_highest() -> None:
    readout = read_out(trace_of({0: 38, 60: 24, 120: np.nan}), TEMPERATURE)
    assert readout is not None
    assert (readout.newest, readout.least, readout.most) == ("24.0 °C", "23.0 °C", "39.0 °C")
    assert readout.newest_at == T0 + 60


def test_a_series_without_a_reading_says_nothing() -> None:
    assert read_out(trace_of({0: np.nan}), TEMPERATURE) is None


@pytest.mark.parametrize(
    ("value", "metric", "words"),
    [
        (0.613, "system.cpu.utilization", "61 %"),
        (2000.0, "hw.fan.speed", "2,000 rpm"),
        (-0.04, "hw.temperature", "0.0 °C"),
        (1.5, "system.cpu.load_1m", "1.50"),
    ],
)
def test_values_are_spelled_with_their_units(value: float, metric: str, words: str) -> None:
    assert spell(value, CATALOGUE[metric]) == words


def test_the_table_covers_the_span_and_shows_its_gaps() -> None:
    rows = table_of(trace_of({0: 20, 60: 22, 3540: 30}), HOUR)
    assert len(rows) == TABLE_ROWS
    assert rows[0] == (T0, "19.0 °C", "21.0 °C", "23.0 °C")
    assert rows[1][1:] == ("—", "—", "—")
    assert rows[-1][2] == "30.0 °C"
