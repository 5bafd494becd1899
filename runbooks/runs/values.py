"""What stands in place of a runbook's variables: read when a run is made, and frozen in it."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Q

from fleet.models import Membership, Node, Site
from fleet.names import listed, name_of
from runbooks.library.document import SEVERAL
from runbooks.models import Alert
from runbooks.paging.people import WORKING
from telemetry.metrics import Metric, describe, spell

Values = dict[str, str | None]

#: Yes or no: a limit between the two is no number worth showing.
STATE_METRICS: Final = frozenset({"mdc.ups.on_battery", "mdc.model.responding"})
#: So many nodes of an alert are named.
_SHOWN_NAMES: Final = 3


def values_for_alert(alert: Alert, *, of_site: Values | None = None) -> Values:
    """Return what the variables of the alert's runbook stand for, as plain text.

    `of_site` is what `values_for_site` said of its site, for whoever asks of many alerts.
    """
    metric = metric_of(alert)
    value, limit = number_of(alert, "value"), number_of(alert, "limit")
    is_measured = metric is not None and metric.name not in STATE_METRICS
    node = alert.node or _only_node(alert)
    around = values_for_site(alert.site, node) if of_site is None else of_site | node_values(node)
    return (
        around
        | _several(alert)
        | {
            "alert.id": f"A-{alert.pk}",
            "alert.url": f"{settings.HEARTHWATCH_BASE_URL}/alerts/{alert.pk}/",
            "alert.summary": alert.summary,
            "alert.opened_at": f"{alert.opened_at:%Y-%m-%d %H:%M} UTC",
            "alert.device": str(alert.evidence.get("device") or "") or None,
            "value": spell(value, metric) if metric and is_measured and value is not None else None,
            "limit": spell(limit, metric) if metric and is_measured and limit is not None else None,
        }
    )


def _nodes_named(alert: Alert) -> list[str]:
    """Return the names of the nodes that an alert of a whole site is about."""
    found = alert.evidence.get("nodes")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _only_node(alert: Alert) -> Node | None:
    # A name of several would be a wrong answer where a step scans a label: then it stays unknown.
    names = _nodes_named(alert)
    return alert.site.nodes.filter(name=names[0]).first() if len(names) == 1 else None


def _several(alert: Alert) -> Values:
    """Return `node-1 and node-2` for the texts; of many the first three and how many others."""
    names = [] if alert.node else _nodes_named(alert)
    others = len(names) - _SHOWN_NAMES
    shown = names if others < 1 else [*names[:_SHOWN_NAMES], f"{others} more"]
    return {SEVERAL["node.name"]: listed(shown)} if shown else {}


def values_for_site(site: Site, node: Node | None) -> Values:
    """Return what the variables of a runbook that no alert asked for stand for."""
    return {
        "site.name": site.name,
        "site.place": site.place,
        "site.uplink": site.uplink,
        "site.time_zone": site.time_zone,
        "site.hands": _hands_of(site),
        **node_values(node),
        "owner.name": site.owner.name if site.owner else None,
        "owner.contact": _way_to_the_owner(site),
    }


def node_values(node: Node | None) -> Values:
    """Return what the variables about a node stand for; nothing while nobody chose one."""
    assumed = ", assumed" if node and node.is_ashrae_class_assumed else ""
    return {
        "node.name": node.name if node else None,
        "node.class": node.hardware_class if node else None,
        "node.out_of_band": node.out_of_band if node else None,
        "node.ashrae_class": f"{node.ashrae_class}{assumed}" if node else None,
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


def _way_to_the_owner(site: Site) -> str | None:
    """Return the number to call the site's owner by, else what their first contact is called."""
    if site.owner and site.owner.phone:
        return site.owner.phone
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
