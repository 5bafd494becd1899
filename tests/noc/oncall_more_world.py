"""Groups, choices of policies and heartbeats in every standing, upon the world of paging."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from fleet.models import Owner, Site
from runbooks.alerts.intake import take_in_findings
from runbooks.escalation.policies import publish_policy
from runbooks.heartbeats.pauses import pause_heartbeat
from runbooks.heartbeats.services import (
    IssuedHeartbeat,
    check_heartbeats,
    create_heartbeat,
    note_heartbeat,
)
from runbooks.oncall.services import create_group

hour, day = timedelta(hours=1), timedelta(days=1)


def expect(site: Site, name: str, *, now: datetime, **overrides: Any) -> IssuedHeartbeat:
    """Expect something of a site every hour, with ten minutes of grace."""
    fields: dict[str, Any] = {"node": None, "period_seconds": 3600, "grace_seconds": 600}
    return create_heartbeat(site=site, name=name, by=None, now=now, **(fields | overrides))


def make_heartbeats(site: Site, *, now: datetime) -> dict[str, IssuedHeartbeat]:
    """Make one in every state: late with its alert, paused, never seen, well."""
    made = {
        "late": expect(site, "nightly backup", now=now - 3 * day, node=site.nodes.first()),
        "paused": expect(site, "certificate renewal", now=now - day / 2),
        "never": expect(site, "cold mirror", now=now - hour / 6),
        "well": expect(site, "log shipping", now=now - 2 * hour / 3),
    }
    note_heartbeat(key=made["late"].key, now=now - 2 * day)
    note_heartbeat(key=made["well"].key, now=now - hour / 12)
    reason = "The host is rebuilt until Friday"
    pause_heartbeat(heartbeat=made["paused"].heartbeat, reason=reason, by=None, now=now - hour)
    check_heartbeats(now=now)
    take_in_findings(now=now)
    return made


def make_more(world: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """Make what the pages around on call show, upon `make_paging`."""
    site = Site.objects.filter(region="Europe", status=Site.Status.ACTIVE).order_by("name")[0]
    people = list(Owner.objects.order_by("name")[:4])
    spare = create_group(slug="power-crew", name="Power crew", owners=people, by=None, now=now)
    night = publish_policy(
        slug="night",
        name="Night shift",
        steps=[
            {"notify": ["site_owner"], "delay_seconds": 300},
            {"notify": ["group:power-crew", "catch_all"], "delay_seconds": 900},
        ],
        repeat=1,
        by=None,
        now=now,
    ).policy
    heartbeats = make_heartbeats(site, now=now)
    return {**world, "site": site, "group": spare, "night": night, "heartbeats": heartbeats}
