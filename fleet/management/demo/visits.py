"""The demo's visits: a run half done, one that is over, a group, a heartbeat that calls."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import User

from fleet.management.demo import world
from fleet.models import Owner, Site
from runbooks.heartbeats.services import create_heartbeat, note_heartbeat
from runbooks.library.selectors import version_for_page
from runbooks.models import Heartbeat, PagingGroup, Run, RunEntry
from runbooks.oncall.groups import create_group
from runbooks.runs.services import enter, finish_run, start_run_at_site

Kind = RunEntry.Kind
#: Minutes before now, the id of the step, and what was entered.
Steps = tuple[tuple[int, str, dict[str, Any]], ...]

#: A filter that is nearly blocked.
_HALF_DONE: Final[Steps] = (
    (34, "compare-inlets", {"choice": "One is high by more than 3 °C"}),
    (27, "enter", {"choice": "All of it as it should be"}),
    (24, "room-air", {"value": 24.5, "unit": "°C"}),
    (21, "doors-and-panels", {"choice": "All closed"}),
    (12, "filter-pressure", {"value": 180.0, "unit": "Pa"}),
)
#: The same for a visit that is over.
_DONE: Final[Steps] = (
    (1502, "how", {"choice": "A slope over days"}),
    (1495, "disk-used", {"value": 93.0, "unit": "%"}),
    (1490, "disk-well", {"choice": "No error, not read-only"}),
    (1481, "clear-caches", {}),
    (1476, "models", {"choice": "Below 85 % now: none has to go"}),
    (1470, "verify-disk", {"value": 71.0, "unit": "%"}),
)


def seed_visits(sites: Mapping[str, Site], now: datetime) -> None:
    """Make a run that remote hands are in the middle of, and one of yesterday, once."""
    if Run.objects.exists():
        return
    hands = User.objects.get(username="hands")
    operator = User.objects.get(username="noc")
    _visit(sites[world.FILTERED], "thermal-alarm", _HALF_DONE, operator, hands, now)
    over = _visit(sites[world.CLEARED], "disk-full", _DONE, operator, operator, now)
    finish_run(run=over, by=operator, now=now - timedelta(minutes=1465))


def seed_group_and_heartbeat(
    sites: Mapping[str, Site], owners: Mapping[str, Owner], now: datetime
) -> None:
    """Make a group that policies may page, and a nightly backup that has just called, once."""
    if not PagingGroup.objects.exists():
        people = [owners[key] for key in ("anne", "tom", "marta")]
        create_group(slug="facilities", name="Facilities Europe", owners=people, by=None, now=now)
    if not Heartbeat.objects.exists():
        issued = create_heartbeat(
            site=sites[world.CLEARED],
            node=None,
            name="Nightly backup",
            period_seconds=86_400,
            grace_seconds=7_200,
            by=None,
            now=now,
        )
        note_heartbeat(key=issued.key, now=now)


def _visit(
    site: Site,
    slug: str,
    steps: Steps,
    lead: User,
    hands: User,
    now: datetime,
) -> Run:
    first = now - timedelta(minutes=steps[0][0] + 3)
    run = start_run_at_site(
        site=site,
        version=version_for_page(slug),
        by=lead,
        now=first,
        node=site.nodes.order_by("name").first(),
        assigned_to=hands,
    )
    for minutes, step, said in steps:
        at = now - timedelta(minutes=minutes)
        enter(run=run, kind=Kind.STEP_DONE, step_id=step, by=hands, said=said, now=at)
    return run
