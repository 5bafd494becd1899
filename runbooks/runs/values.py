"""What stands in place of a runbook's variables: read when a run is made, and frozen in it."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Q

from fleet.models import Membership, Node, Site
from fleet.names import name_of
from runbooks.models import Alert
from runbooks.paging.people import WORKING
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
        "alert.id": f"A-{alert.pk}",
        "alert.url": f"{settings.HEARTHWATCH_BASE_URL}/alerts/{alert.pk}/",
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
        "site.time_zone": site.time_zone,
        "site.hands": _hands_of(site),
        "node.name": node.name if node else None,
        "node.class": node.hardware_class if node else None,
        "node.out_of_band": node.out_of_band if node else None,
        "node.ashrae_class": f"{node.ashrae_class}{assumed}" if node else None,
        "owner.name": site.owner.name if site.owner else None,
        "owner.contact": _first_contact(site),
    }


def _hands_of(site: Site) -> str:
    """Return who may follow runbooks there and answers for nothing else: its remote hands."""
    hands = User.objects.filter(
        Q(memberships__site=site) | Q(memberships__site__isnull=True),
        memberships__role=Membership.Role.REMOTE_HANDS,
        is_active=True,
    )
    names = {name_of(user) for user in hands}
    return ", ".join(sorted(names))


def _first_contact(site: Site) -> str | None:
    """Return what the contact is called by which the site's owner is paged first."""
    contacts = site.owner.contacts.filter(WORKING) if site.owner else None
    first = contacts.first() if contacts is not None else None
    return first.label if first else None


def metric_of(alert: Alert) -> Metric | None:
    """Return the metric that fired the alert, or None where it was no reading."""
    name = alert.evidence.get("metric")
    return describe(name, str(alert.evidence.get("unit", ""))) if isinstance(name, str) else None


def number_of(alert: Alert, key: str) -> float | None:
    """Return a number of the alert's evidence, or None where it has none by that name."""
    found = alert.evidence.get(key)
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if is_number else None
