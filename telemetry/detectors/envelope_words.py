"""Sentences and evidence for what the envelope detector found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from telemetry.detectors.detection import Detection, Json, spell_seconds
from telemetry.detectors.envelope_state import Bools, EnvelopeState, Floats, Ints
from telemetry.detectors.limits import ANY_DEVICE, Limit
from telemetry.metrics import Metric, describe

#: In place of the severity of a limit that is quiet; less urgent than any.
_QUIET = 127


class _Facts(NamedTuple):
    """What there is to say of one series: its column, the limit that leads, the newest reading."""

    column: int
    severity: int
    row: int
    at: float
    value: float
    rate: float


class Words:
    """Says what changed in a state, and remembers what was said during one call."""

    def __init__(self, state: EnvelopeState, limits: Sequence[Limit]) -> None:
        self._state = state
        self._limits = limits
        self._metric = describe(limits[0].metric, limits[0].unit)
        self._ranks = np.array([limit.severity for limit in limits], np.int8)[:, np.newaxis]
        #: What people were last told of each firing series, as [2,S]: value and rate as shown.
        self._told = np.full((2, len(state.series)), np.nan)
        self._remember_told(np.flatnonzero(state.severity))

    def changes(self, was_firing: Bools) -> list[Detection]:
        """Report the series whose severity differs from what was reported, and note it.

        `was_firing[L,S]` is what fired before the step, to say of an end what it ends.
        """
        state = self._state
        lowest = np.where(state.is_firing, self._ranks, _QUIET).min(axis=0)
        severity = np.where(lowest == _QUIET, 0, lowest).astype(np.int8)
        changed = np.flatnonzero(severity != state.severity)
        if not len(changed):
            return []
        detections = [
            self._firing(facts) if facts.severity else self._over(facts, was_firing)
            for facts in self._facts(changed, severity)
        ]
        state.severity[changed] = severity[changed]
        self._remember_told(changed)
        return detections

    def refreshes(self) -> list[Detection]:
        """Report the series that go on firing and would be described differently now."""
        firing = np.flatnonzero(self._state.severity)
        shown = self._shown(firing)
        moved = ~np.isclose(shown, self._told[:, firing], 0.0, 1e-9, equal_nan=True).all(axis=0)
        return [self._firing(facts) for facts in self._facts(firing[moved], self._state.severity)]

    def _remember_told(self, columns: Ints) -> None:
        self._told[:, columns] = self._shown(columns)

    def _shown(self, columns: Ints) -> Floats:
        _, value = self._state.newest(columns)
        scaled = np.stack([value, self._state.rates(columns)]) * self._metric.scale
        rounded: Floats = np.round(scaled, 1)
        return rounded

    def _facts(self, columns: Ints, severity: NDArray[np.int8]) -> Iterator[_Facts]:
        """Yield the facts of each column; the limit the series is beyond now leads its equals."""
        state = self._state
        at, value = state.newest(columns)
        passed = np.stack([limit.passed_by(value) for limit in self._limits])
        order = np.where(state.is_firing[:, columns], self._ranks * 2 - passed, _QUIET)
        parts = (columns, severity[columns], order.argmin(axis=0), at, value, state.rates(columns))
        return map(_Facts._make, zip(*(part.tolist() for part in parts), strict=True))

    def _firing(self, facts: _Facts) -> Detection:
        limit = self._limits[facts.row]
        summary = self._subject(limit, facts.column)
        if not limit.is_state:
            summary += (
                f" {_spell(facts.value, self._metric)}, {'' if limit.is_upper else 'lower '}limit "
                f"{_spell(limit.set_at, self._metric)}{_spell_rate(facts.rate, self._metric)}"
            )
        evidence = self._evidence(facts, facts.row)
        return self._detection(facts, facts.severity, summary, evidence)

    def _over(self, facts: _Facts, was_firing: Bools) -> Detection:
        state, column = self._state, facts.column
        severity = int(state.severity[column])
        rows = np.flatnonzero(was_firing[:, column])
        if not len(rows):
            subject = self._subject(self._limits[0], column)
            summary = f"{subject}: the limit it had passed is no longer watched"
            return self._detection(facts, severity, summary, {"device": state.series[column][1]})
        row = int(rows[np.argmin(state.since[rows, column])])
        limit = self._limits[row]
        lasted = spell_seconds(facts.at - float(state.since[row, column]))
        if limit.is_state:
            summary = f"{self._subject(limit, column)}: over after {lasted}"
        else:
            summary = (
                f"{self._subject(limit, column)} {_spell(facts.value, self._metric)}, back inside "
                f"the limit {_spell(limit.set_at, self._metric)} after {lasted}, "
                f"worst {_spell(float(state.worst[row, column]), self._metric)}"
            )
        return self._detection(facts, severity, summary, self._evidence(facts, row))

    def _subject(self, limit: Limit, column: int) -> str:
        device = self._state.series[column][1]
        return f"{limit.label} ({device})" if limit.device == ANY_DEVICE and device else limit.label

    def _evidence(self, facts: _Facts, row: int) -> dict[str, Json]:
        limit = self._limits[row]
        return {
            "metric": limit.metric,
            "unit": limit.unit,
            "device": self._state.series[facts.column][1],
            "statistic": limit.statistic,
            "direction": limit.direction,
            "value": round(facts.value, 6),
            "limit": limit.set_at,
            "clear_at": limit.clear_at,
            "since": float(self._state.since[row, facts.column]),
            "worst": round(float(self._state.worst[row, facts.column]), 6),
            "rate_per_minute": None if np.isnan(facts.rate) else round(facts.rate, 6),
            "basis": limit.basis,
        }

    def _detection(
        self, facts: _Facts, severity: int, summary: str, evidence: dict[str, Json]
    ) -> Detection:
        node, device = self._state.series[facts.column]
        kind = self._limits[0].kind
        # Two metrics of one kind may both come without a device; the metric tells them apart.
        fingerprint = f"{kind}/{node}/{device or self._limits[0].metric}"
        is_firing = facts.severity > 0
        return Detection(kind, fingerprint, is_firing, severity, facts.at, node, summary, evidence)


def _spell(value: float, metric: Metric) -> str:
    # Adding 0.0 turns a negative zero into a plain one.
    shown = round(value * metric.scale, 1) + 0.0
    return f"{shown:.1f} {metric.shown_unit}".rstrip()


def _spell_rate(rate: float, metric: Metric) -> str:
    """Return `, rising 0.2 °C a minute`; nothing while too little is known."""
    if np.isnan(rate):
        return ""
    shown = round(rate * metric.scale, 1)
    if shown == 0:
        return ", steady"
    unit = "points" if metric.shown_unit == "%" else metric.shown_unit
    return f", {'rising' if shown > 0 else 'falling'} {abs(shown):.1f} {unit} a minute"
