"""Who has an alert, who is paged next, and who answers for the sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from fleet.models import Owner, Site
from fleet.noc.people import spell_people
from runbooks.alerts.errors import holder_of
from runbooks.escalation.services import next_moves
from runbooks.models import Alert, Escalation
from runbooks.paging.facts import NextMove

MOST_PEOPLE = 4


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has an alert (`held`), is paged at `at` (`next`), or that all were paged (`spent`).

    `none` means that nothing is on its way to anybody.
    """

    kind: Literal["held", "next", "spent", "none"]
    names: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answerer:
    """One owner of sites the reader sees, with the time where they are."""

    owner: Owner
    site_count: int
    regions: str
    has_trouble: bool
    local: str
    place: str


@dataclass(frozen=True, slots=True)
class Answerers:
    """The owners shown, and how many more there are."""

    shown: list[Answerer]
    left_out: int


def holders_of(alerts: Sequence[Alert], *, at: datetime) -> dict[int, Holder]:
    """Return by alert id who has it or is next; a few queries, for the names.

    The alerts come with `site__owner`, `acknowledged_by` and `escalation__policy_version`.
    """
    coming = next_moves(alerts=alerts, at=at)
    return {alert.pk: _holder(alert, coming[alert.pk]) for alert in alerts}


def answerers(sites: Sequence[tuple[Site, bool]], *, now: datetime) -> Answerers:
    """Return the owners of `(site, has trouble)`, those with trouble first, then most sites."""
    of_owner: dict[int, list[tuple[Site, bool]]] = {}
    for site, has_trouble in sites:
        if site.owner_id is not None:
            of_owner.setdefault(site.owner_id, []).append((site, has_trouble))
    people = [_answerer(mine, now) for mine in of_owner.values()]
    people.sort(key=lambda one: (not one.has_trouble, -one.site_count, one.owner.name))
    return Answerers(people[:MOST_PEOPLE], max(len(people) - MOST_PEOPLE, 0))


def _answerer(mine: Sequence[tuple[Site, bool]], now: datetime) -> Answerer:
    owner = mine[0][0].owner
    if owner is None:
        raise ValueError("An owner's sites have an owner.")
    return Answerer(
        owner=owner,
        site_count=len(mine),
        regions=", ".join(dict.fromkeys(site.region for site, _ in mine)),
        has_trouble=any(has_trouble for _, has_trouble in mine),
        local=f"{now.astimezone(ZoneInfo(owner.time_zone)):%H:%M}",
        place=owner.time_zone.rpartition("/")[2].replace("_", " "),
    )


def _holder(alert: Alert, move: NextMove | None) -> Holder:
    if alert.response == Alert.Response.ACKNOWLEDGED:
        return Holder("held", holder_of(alert))
    if move is not None and move.who:
        return Holder("next", spell_people(move.who), move.at)
    escalation: Escalation | None = getattr(alert, "escalation", None)
    is_spent = escalation is not None and escalation.state == Escalation.State.EXHAUSTED
    return Holder("spent" if is_spent else "none")
