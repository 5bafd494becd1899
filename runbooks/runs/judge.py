"""Whether live readings are within a step's bounds, and have been for long enough. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from runbooks.library.document import RunbookStep
from runbooks.library.progress import is_outside
from telemetry.metrics import Metric, describe, spell, spell_unit

#: A reading older than this, or than three of its windows, says nothing about now.
FRESH = timedelta(seconds=90)
FRESH_WINDOWS = 3


class Verdict(StrEnum):
    """What the readings say."""

    PASSED = "passed"
    OUTSIDE = "outside"
    SHORT = "short"
    """Within the bounds, and not yet for long enough."""
    UNKNOWN = "unknown"
    """There is no fresh reading."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One series of a node: its newest window, and its extremes since a step's time began.

    All are in the unit it was measured in, which may not be the one the step speaks in. `starts`
    are seconds since 1970, `low` and `high` what was measured from there on.
    """

    name: str
    unit: str
    seconds: float
    end: datetime
    value: float
    lowest: float
    highest: float
    starts: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the readings found, in a sentence; `value` is the one it is about."""

    verdict: Verdict
    sentence: str
    value: float | None = None
    unit: str = ""


def judge(step: RunbookStep, series: Sequence[Measured], *, now: datetime) -> Look:
    """Return what the series that the step is about say at `now`; the worst of them counts."""
    metric = _spelled(step)
    if not series:
        what = f"{step.device} {metric.label.lower()}".strip() if step.device else metric.label
        return Look(Verdict.UNKNOWN, f"Nothing here measures {what} in {step.unit}.")
    for one in series:
        if now - one.end > max(FRESH, FRESH_WINDOWS * timedelta(seconds=one.seconds)):
            said = f"{one.name} was last measured at {one.end:%H:%M} UTC: there is no fresh reading"
            return Look(Verdict.UNKNOWN, f"{said}.")
    for one in series:
        worst = _worst(step, one.lowest, one.highest)
        if worst is not None:
            said = f"{one.name} is {spell(worst, metric)}, {_bounds(step)}."
            return Look(Verdict.OUTSIDE, said, worst, step.unit)
    newest = max(series, key=lambda one: one.end)
    value = _said(step, newest.value)
    words = f"{newest.name} is {spell(value, metric)}, {_bounds(step)}"
    if not step.for_seconds:
        return Look(Verdict.PASSED, f"{words}.", value, step.unit)
    since = now - timedelta(seconds=step.for_seconds)
    span = f"{step.for_seconds / 60:.3g} min"
    for one in series:
        if not _has_held(step, one, since):
            said = f"{words}, and not yet for {span}."
            return Look(Verdict.SHORT, said, value, step.unit)
    return Look(Verdict.PASSED, f"{words}, for {span}.", value, step.unit)


def measured_unit(step: RunbookStep) -> str:
    """Return the unit in which agents send what the step looks at: `1` for a step in `%`."""
    metric = describe(step.metric, step.unit)
    return metric.unit if step.unit == metric.shown_unit else step.unit


def _said(step: RunbookStep, value: float) -> float:
    """Return a measured value in the unit that the step speaks in."""
    metric = describe(step.metric, step.unit)
    scale = 1.0 if step.unit == metric.unit else metric.scale
    # Readings are kept as float32: without the digits that these make up, 0.85 is not above 85 %.
    return float(f"{value * scale:.6g}")


def _spelled(step: RunbookStep) -> Metric:
    """Return the metric as it is written in the unit that the step speaks in."""
    metric = describe(step.metric, step.unit)
    if step.unit == metric.shown_unit:
        return replace(metric, scale=1.0)
    if metric.scale == 1.0 or step.unit == "1":
        return metric
    return replace(metric, scale=1.0, shown_unit=spell_unit(step.unit))


def _worst(step: RunbookStep, low: float, high: float) -> float | None:
    for value in (_said(step, high), _said(step, low)):
        if is_outside(step, value):
            return value
    return None


def _has_held(step: RunbookStep, one: Measured, since: datetime) -> bool:
    """Tell whether all that was measured since then is within, without a hole in it."""
    if not len(one.starts):
        return False
    if _worst(step, float(one.low.min()), float(one.high.max())) is not None:
        return False
    # Long spans come thinned to 360 points.
    hole = max(FRESH_WINDOWS * one.seconds, 2 * (step.for_seconds or 0) / 360)
    edges = np.concatenate([[since.timestamp()], one.starts])
    return bool(np.all(np.diff(edges) <= hole))


def _bounds(step: RunbookStep) -> str:
    metric = _spelled(step)
    words = []
    if step.minimum is not None:
        words.append(f"at least {spell(step.minimum, metric)}")
    if step.maximum is not None:
        words.append(f"at most {spell(step.maximum, metric)}")
    return f"wanted {' and '.join(words)}"
