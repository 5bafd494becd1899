"""An alert in words: what it says beyond its sentence, and what fills the gaps of its runbook."""

from __future__ import annotations

from typing import Final

from fleet.noc.chart_cards import Span
from fleet.noc.readouts import spell
from runbooks.models import Alert
from telemetry.metrics import Metric, describe

#: Yes or no: a limit between the two is no number worth showing.
STATE_METRICS: Final = frozenset({"mdc.ups.on_battery", "mdc.model.responding"})


def metric_of(alert: Alert) -> Metric | None:
    """Return the metric that fired the alert, or None where it was no reading."""
    name = alert.evidence.get("metric")
    return describe(name, str(alert.evidence.get("unit", ""))) if isinstance(name, str) else None


def limit_words(alert: Alert) -> str:
    """Return `limit 35.0 °C, ASHRAE A2 allowable`; empty where the alert knows no limit."""
    metric, limit = metric_of(alert), _number(alert, "limit")
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
    metric, rate = metric_of(alert), _number(alert, "rate_per_minute")
    words, basis = limit_words(alert), str(alert.evidence.get("basis") or "")
    if words and "limit" not in alert.summary:
        facts.append(f"{words[0].upper()}{words[1:]}.")
    elif words and basis:
        facts.append(f"The limit is {basis}.")
    is_firing = alert.condition == Alert.Condition.FIRING
    if metric and rate is not None and is_firing and "a minute" not in alert.summary:
        facts.append(_rate_words(rate, metric))
    worst = _number(alert, "worst")
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


def runbook_values(alert: Alert) -> dict[str, str | None]:
    """Return what the variables of the alert's runbook stand for, as plain text."""
    site, node, metric = alert.site, alert.node, metric_of(alert)
    value, limit = _number(alert, "value"), _number(alert, "limit")
    is_measured = metric is not None and metric.name not in STATE_METRICS
    assumed = ", assumed" if node and node.is_ashrae_class_assumed else ""
    return {
        "site.name": site.name,
        "site.place": site.place,
        "site.uplink": site.uplink,
        "node.name": node.name if node else None,
        "node.out_of_band": node.out_of_band if node else None,
        "node.ashrae_class": f"{node.ashrae_class}{assumed}" if node else None,
        "owner.name": site.owner.name if site.owner else None,
        "alert.summary": alert.summary,
        "alert.opened_at": f"{alert.opened_at:%Y-%m-%d %H:%M} UTC",
        "value": spell(value, metric) if metric and is_measured and value is not None else None,
        "limit": spell(limit, metric) if metric and is_measured and limit is not None else None,
    }


def _number(alert: Alert, key: str) -> float | None:
    found = alert.evidence.get(key)
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if is_number else None


def _rate_words(rate: float, metric: Metric) -> str:
    shown = round(rate * metric.scale, 1)
    if shown == 0:
        return "Steady."
    unit = "points" if metric.shown_unit == "%" else metric.shown_unit
    return f"{'Rising' if shown > 0 else 'Falling'} {abs(shown):.1f} {unit} a minute."
