"""What stands in place of a runbook's variables: read when a run is made, and frozen in it."""

from __future__ import annotations

from typing import Final

from fleet.models import Node, Site
from runbooks.models import Alert
from telemetry.metrics import Metric, describe, spell

Values = dict[str, str | None]

#: Yes or no: a limit between the two is no number worth showing.
STATE_METRICS: Final = frozenset({"mdc.ups.on_battery", "mdc.model.responding"})


def values_for_alert(alert: Alert) -> Values:
    """Return what the variables of the alert's runbook stand for, as plain text."""
    metric = metric_of(alert)
    value, limit = number_of(alert, "value"), number_of(alert, "limit")
    is_measured = metric is not None and metric.name not in STATE_METRICS
    return values_for_site(alert.site, alert.node) | {
        "alert.summary": alert.summary,
        "alert.opened_at": f"{alert.opened_at:%Y-%m-%d %H:%M} UTC",
        "value": spell(value, metric) if metric and is_measured and value is not None else None,
        "limit": spell(limit, metric) if metric and is_measured and limit is not None else None,
    }


def values_for_site(site: Site, node: Node | None) -> Values:
    """Return what the variables of a runbook that no alert asked for stand for."""
    assumed = ", assumed" if node and node.is_ashrae_class_assumed else ""
    return {
        "site.name": site.name,
        "site.place": site.place,
        "site.uplink": site.uplink,
        "node.name": node.name if node else None,
        "node.out_of_band": node.out_of_band if node else None,
        "node.ashrae_class": f"{node.ashrae_class}{assumed}" if node else None,
        "owner.name": site.owner.name if site.owner else None,
    }


def metric_of(alert: Alert) -> Metric | None:
    """Return the metric that fired the alert, or None where it was no reading."""
    name = alert.evidence.get("metric")
    return describe(name, str(alert.evidence.get("unit", ""))) if isinstance(name, str) else None


def number_of(alert: Alert, key: str) -> float | None:
    """Return a number of the alert's evidence, or None where it has none by that name."""
    found = alert.evidence.get(key)
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if is_number else None
