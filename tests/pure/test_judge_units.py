"""A step's bounds are held against readings in the unit that the step speaks in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from runbooks.library.lint import lint
from runbooks.runs.judge import Measured, Verdict, judge, measured_unit
from tests.factories import NOON
from tests.pure.run_steps import make_document, make_step

NOTHING = np.array([], np.float64)

UNITS = [
    ("mdc.ups.runtime", "min", "s", {"minimum": 20.0}, 1200.0, 1140.0, "20 min"),
    ("mdc.ups.runtime", "s", "s", {"minimum": 1200.0}, 1200.0, 1140.0, "1,200 s"),
    ("system.uptime", "h", "s", {"minimum": 2.0}, 7200.0, 7100.0, "2.0 h"),
    ("system.network.transmit", "kB/s", "By/s", {"minimum": 0.1}, 100.0, 99.0, "0.1 kB/s"),
    ("system.memory.available", "GiB", "By", {"minimum": 4.0}, 2.0**32, 2.0**31, "4.0 GiB"),
    ("system.cpu.utilization", "%", "1", {"maximum": 85.0}, 0.85, 0.86, "85 %"),
    ("system.cpu.utilization", "1", "1", {"maximum": 0.85}, 0.85, 0.86, "85 %"),
    ("mdc.env.humidity", "%", "%", {"maximum": 60.0}, 60.0, 61.0, "60 %"),
    ("hw.temperature", "°C", "Cel", {"minimum": 18.1}, 18.1, 18.0, "18.1 °C"),
    ("acme.widgets", "piece", "piece", {"maximum": 3.0}, 3.0, 4.0, "3.0 piece"),
]


def measured(unit: str, value: float) -> Measured:
    stored = float(np.float32(value))
    return Measured("gpu-1", unit, 60, NOON, stored, stored, stored, NOTHING, NOTHING, NOTHING)


@pytest.mark.parametrize(("metric", "unit", "stored", "bounds", "good", "bad", "words"), UNITS)
def test_a_reading_at_the_bound_passes_and_one_beyond_it_does_not(
    metric: str, unit: str, stored: str, bounds: Any, good: float, bad: float, words: str
) -> None:
    step = make_step("v", "verify", metric=metric, unit=unit, **bounds)
    assert measured_unit(step) == stored
    passed = judge(step, [measured(stored, good)], now=NOON)
    assert (passed.verdict, passed.unit, passed.value) == (
        Verdict.PASSED,
        unit,
        next(iter(bounds.values())),
    )
    assert f"is {words}, wanted" in passed.sentence
    assert judge(step, [measured(stored, bad)], now=NOON).verdict == Verdict.OUTSIDE


@pytest.mark.parametrize(
    ("facts", "advice"),
    [
        ({"metric": "hw.temperature", "unit": "K"}, "write the unit of hw.temperature, °C or Cel"),
        ({"metric": "hw.temperature", "unit": "°C"}, "name the sensor"),
        ({"metric": "hw.temperature", "unit": "°C", "device": "inlet"}, ""),
        ({"metric": "acme.widgets", "unit": "piece"}, ""),
    ],
)
def test_the_writer_is_told_what_nothing_can_verify(facts: Any, advice: str) -> None:
    step = make_step("v", "verify", title="Verify it", expect="It is so", maximum=30.0, **facts)
    found = lint(make_document(step))
    assert [advice in sentence for sentence in found] == ([True] if advice else [])
