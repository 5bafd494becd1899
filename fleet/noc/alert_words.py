"""An alert in words: what it says beyond its sentence."""

from __future__ import annotations

from fleet.noc.chart_cards import Span
from runbooks.models import Alert
from runbooks.runs.values import STATE_METRICS, metric_of, number_of
from telemetry.metrics import Metric, spell


def limit_words(alert: Alert) -> str:
    """Return `limit 35.0 °C, ASHRAE A2 allowable`; empty where the alert knows no limit."""
    metric, limit = metric_of(alert), number_of(alert, "limit")
    if metric is None or limit is None or metric.name in STATE_METRICS:
        return ""
    basis = alert.evidence.get("basis") or ""
    lower = "lower " if alert.evidence.get("direction") == "below" else ""
    return f"{lower}limit {spell(limit, metric)}" + (f", {basis}" if basis else "")


def facts_of(alert: Alert) -> list[str]:
    """Return what the evidence adds to the alert's sentence, each a sentence of its own.

    What the sentence says already is not said twice.
    """
    facts = []
    metric, rate = metric_of(alert), number_of(alert, "rate_per_minute")
    words, basis = limit_words(alert), str(alert.evidence.get("basis") or "")
    if words and "limit" not in alert.summary:
        facts.append(f"{words[0].upper()}{words[1:]}.")
    elif words and basis:
        facts.append(f"The limit is {basis}.")
    is_firing = alert.condition == Alert.Condition.FIRING
    if metric and rate is not None and is_firing and "a minute" not in alert.summary:
        facts.append(_rate_words(rate, metric))
    worst = number_of(alert, "worst")
    if metric and worst is not None and words:
        facts.append(f"Worst so far {spell(worst, metric)}.")
    if alert.fired_count > 1:
        facts.append(f"Fired {alert.fired_count} times while open.")
    return facts


def since_words(alert: Alert, span: Span) -> str:
    """Return `since 13:44 site time, UTC+9 (04:44 UTC)`, with the day when it is another one."""
    began = span.local(alert.began_at)
    day = "" if began.date() == span.local(span.until).date() else f"{began.day} {began:%b} "
    if span.zone_words == "UTC":
        return f"since {day}{began:%H:%M} UTC, which is site time"
    return f"since {day}{began:%H:%M} site time, {span.zone_words} ({alert.began_at:%H:%M} UTC)"


def _rate_words(rate: float, metric: Metric) -> str:
    shown = round(rate * metric.scale, 1)
    if shown == 0:
        return "Steady."
    unit = "points" if metric.shown_unit == "%" else metric.shown_unit
    return f"{'Rising' if shown > 0 else 'Falling'} {abs(shown):.1f} {unit} a minute."
