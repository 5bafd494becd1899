"""Summaries merge as if all samples had been taken into one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.summary import Summary, merge

# Whole numbers, so that sums do not depend on the order of adding.
samples = st.lists(st.integers(-(10**9), 10**9).map(float), max_size=30)


def summary_of(values: list[float]) -> Summary:
    summary = Summary()
    for value in values:
        summary.add(value)
    return summary


@given(samples, samples)
def test_two_windows_merge_into_the_window_of_all_samples(
    earlier: list[float], later: list[float]
) -> None:
    assert merge(summary_of(earlier), summary_of(later)) == summary_of(earlier + later)


@given(samples, samples, samples)
def test_it_does_not_matter_which_windows_merge_first(
    one: list[float], two: list[float], three: list[float]
) -> None:
    a, b, c = summary_of(one), summary_of(two), summary_of(three)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))


@given(samples, samples)
def test_merging_leaves_its_inputs_alone(earlier: list[float], later: list[float]) -> None:
    one, other = summary_of(earlier), summary_of(later)
    merged = merge(one, other)
    merged.add(5.0)
    assert (one, other) == (summary_of(earlier), summary_of(later))


@given(samples.filter(bool))
def test_a_summary_says_what_the_samples_say(values: list[float]) -> None:
    summary = summary_of(values)
    assert (summary.n, summary.last) == (len(values), values[-1])
    assert (summary.min, summary.max) == (min(values), max(values))
    assert summary.min <= summary.mean <= summary.max


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_no_reading(value: float) -> None:
    assert summary_of([value]) == Summary()
    assert summary_of([1.0, value]) == summary_of([1.0])


def test_the_mean_of_nothing_is_no_number() -> None:
    assert math.isnan(Summary().mean)
