"""A believable fleet for the pages: sites well and ill, people, alerts in every standing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from fleet.models import Node, ReportedState, Site
from fleet.models.desired import ItemKind
from runbooks.alerts.intake import take_in_findings
from runbooks.alerts.services import acknowledge_alert
from runbooks.escalation.services import advance_due_escalations
from runbooks.library.services import publish_builtin_library
from runbooks.models import Alert, RunbookVersion
from telemetry.models import Finding
from tests.factories import (
    NOON,
    make_contact,
    make_node,
    make_owner,
    make_policy,
    make_site,
    make_user,
)

Kind = Finding.Kind

#: Region, time zone, site names; one owner a region.
PLACES = {
    "Asia Pacific": ("Mei Tanaka", "Asia/Tokyo", ("Osaka-3", "Osaka-Hub", "Kobe-1", "Busan-1")),
    "Europe": ("Anne Roux", "Europe/Paris", ("Leeds-2", "Lyon-Clinic", "Porto-Depot", "Gdansk-1")),
    "Americas": ("Luis Ortega", "America/Chicago", ("Austin-Retail-4", "Recife-1", "Quebec-2")),
}


def make_fleet(*, now: datetime = NOON, nodes: int = 4, extra: int = 0) -> dict[str, Site]:
    """Make the sites of PLACES, well, every node heard 2 s ago; `extra` more in Europe."""
    backup = make_contact(owner=make_owner(name="Samira Haddad", is_catch_all=True)).owner
    policy = make_policy(
        steps=[
            {"notify": ["site_owner"], "delay_seconds": 300},
            {"notify": [f"owner:{backup.pk}"], "delay_seconds": 600},
        ]
    )
    sites = {}
    for region, (person, zone, names) in PLACES.items():
        owner = make_contact(owner=make_owner(name=person, time_zone=zone)).owner
        more = tuple(f"Depot-{number}" for number in range(extra)) if region == "Europe" else ()
        for name in (*names, *more):
            sites[name] = make_site(
                name=name,
                slug=name.lower(),
                region=region,
                time_zone=zone,
                owner=owner,
                policy=policy,
            )
            for number in range(1, nodes + 1):
                hear(make_node(site=sites[name], name=f"node-{number}"), now=now)
    return sites


def hear(node: Node, *, now: datetime = NOON) -> Node:
    """Make the node one that reported a moment ago, its model and configuration too."""
    at = now - timedelta(seconds=2)
    Node.objects.filter(pk=node.pk).update(last_received_at=at, last_window_end=at)
    for kind, name in ((ItemKind.MODEL, "triage-7b"), (ItemKind.CONFIG, "sshd_config")):
        ReportedState.objects.create(
            node=node, kind=kind, name=name, digest="sha256:11", state="ready", observed_at=at
        )
    return node


def find(site: Site, kind: str, summary: str, **overrides: Any) -> Finding:
    """Make one open finding, urgent and begun at noon unless told otherwise."""
    now = overrides.pop("now", NOON)
    fields: dict[str, Any] = {
        "kind": kind,
        "fingerprint": f"{kind}/{site.slug}",
        "severity": 1,
        "summary": summary,
        "began_at": now,
        "detected_at": now,
        "updated_at": now,
    }
    return Finding.objects.create(site=site, **(fields | overrides))


def raise_alert(site: Site, kind: str, summary: str, **overrides: Any) -> Alert:
    """Make a finding, take it in, and carry out the first step of its escalation."""
    finding = find(site, kind, summary, **overrides)
    if not RunbookVersion.objects.exists():
        publish_builtin_library(now=finding.detected_at)
    take_in_findings(now=finding.detected_at)
    advance_due_escalations(now=finding.detected_at)
    return Alert.objects.get(site=site, dedup_key=finding.fingerprint)


def node_of(site: Site, number: int) -> Node:
    return site.nodes.order_by("pk")[number - 1]


def make_incidents(sites: dict[str, Site], *, now: datetime = NOON) -> dict[str, Alert]:
    """Make what goes wrong in the pictures: hot, dark, on battery, drifting, throttled."""

    def ago(**parts: float) -> datetime:
        return now - timedelta(**parts)

    kim = make_user("operator", first_name="Kim", last_name="Tan")
    hot, dark = sites["Osaka-3"], sites["Leeds-2"]
    alerts = {
        "hot": raise_alert(
            hot,
            Kind.THERMAL_ENVELOPE,
            "Inlet 38.4 °C, limit 35.0 °C, rising 0.2 °C a minute",
            node=node_of(hot, 3),
            now=ago(minutes=4),
        ),
        "throttled": raise_alert(
            hot,
            Kind.THERMAL_THROTTLE,
            "GPU 0 throttles 12 % of the last 10 min",
            node=node_of(hot, 4),
            severity=2,
            now=ago(minutes=3),
        ),
        "dark": raise_alert(
            dark, Kind.SITE_DARK, "No contact, all 4 nodes silent", severity=2, now=ago(minutes=11)
        ),
        "battery": raise_alert(
            sites["Busan-1"],
            Kind.POWER_BATTERY,
            "Running on battery, 38 min left",
            node=node_of(sites["Busan-1"], 1),
            severity=2,
            now=ago(minutes=22),
        ),
        "model": raise_alert(
            sites["Lyon-Clinic"],
            Kind.MODEL_MISMATCH,
            "Model triage-7b runs digest c0ffee1177b2 on node-1 and node-2, desired 5f1c9e0a77b2",
            severity=2,
            evidence={"nodes": ["node-1", "node-2"]},
            now=ago(minutes=100),
        ),
        "drift": raise_alert(
            sites["Porto-Depot"],
            Kind.CONFIG_DRIFT,
            "sshd_config differs on node-1 and node-4: changed by hand",
            severity=3,
            evidence={"nodes": ["node-1", "node-4"]},
            now=ago(hours=3),
        ),
    }
    for name in ("battery", "model"):
        acknowledge_alert(alert=alerts[name], by=kim, now=ago(minutes=20))
    Node.objects.filter(site=dark).update(last_received_at=ago(minutes=11))
    return alerts
