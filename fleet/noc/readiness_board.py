"""What the readiness page shows: everything that would keep a page from reaching somebody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from django.urls import reverse

from fleet.access import AnyUser, sites_visible_to
from fleet.models import Site
from fleet.noc.oncall_rights import owners_visible_to, sees_everything
from runbooks.escalation.readiness import Lack, lacks
from runbooks.models import Schedule

#: What makes it likely that an alert reaches nobody at all.
_GRAVE: Final = frozenset(
    {"no_catch_all", "no_policy", "bad_policy", "nobody_reachable", "step_reaches_nobody"}
)
#: What concerns everybody and names no site.
_EVERYBODYS: Final = frozenset({"no_catch_all", "schedule_gap", "calendar_ends"})
_GROUPS: Final = (
    ("sites", "Sites and policies"),
    ("schedules", "Schedules"),
    ("people", "People and contacts"),
)


@dataclass(frozen=True, slots=True)
class LackRow:
    """One lack and where to mend it; `mark` is `p1` where nobody may be reached, else `p2`."""

    lack: Lack
    mark: str
    url: str
    link: str


@dataclass(frozen=True, slots=True)
class LackGroup:
    """Lacks of one kind of thing, the worst first."""

    name: str
    title: str
    rows: Sequence[LackRow]


@dataclass(frozen=True, slots=True)
class ReadinessBoard:
    """The whole page."""

    groups: Sequence[LackGroup]
    count: int
    grave_count: int
    live_count: int


def lacks_for(user: AnyUser, *, now: datetime) -> list[Lack]:
    """Return what is lacking, without that of sites and people whom `user` may not see."""
    found = lacks(now=now)
    if sees_everything(user):
        return found
    sites = set(sites_visible_to(user).values_list("pk", flat=True))
    owners = set(owners_visible_to(user).values_list("pk", flat=True))
    return [_without_sites(lack) for lack in found if _is_told(lack, sites, owners)]


def readiness_board(*, user: AnyUser, now: datetime) -> ReadinessBoard:
    """Return the page as `user` may see it."""
    found = lacks_for(user, now=now)
    slugs = dict(Site.objects.values_list("pk", "slug"))
    schedules = dict(Schedule.objects.values_list("pk", "slug"))
    rows: dict[str, list[LackRow]] = {name: [] for name, _ in _GROUPS}
    for lack in found:
        url, link = _where(lack, slugs, schedules)
        mark = "p1" if lack.code in _GRAVE else "p2"
        rows[_group_of(lack)].append(LackRow(lack, mark, url, link))
    return ReadinessBoard(
        groups=[LackGroup(name, title, rows[name]) for name, title in _GROUPS if rows[name]],
        count=len(found),
        grave_count=sum(lack.code in _GRAVE for lack in found),
        live_count=sites_visible_to(user).filter(status=Site.Status.ACTIVE).count(),
    )


def _is_told(lack: Lack, sites: set[int], owners: set[int]) -> bool:
    if lack.site_id is not None:
        return lack.site_id in sites
    if lack.owner_id is not None:
        return lack.owner_id in owners
    return lack.code in _EVERYBODYS


def _without_sites(lack: Lack) -> Lack:
    """Return the lack without the sites it names, which the reader may not know of."""
    if lack.code != "owner_unreachable":
        return lack
    sentence = f"{lack.subject} has no working contact; add one and send it a test page."
    return replace(lack, sentence=sentence)


def _group_of(lack: Lack) -> str:
    if lack.schedule_id is not None:
        return "schedules"
    is_person = lack.site_id is None and lack.owner_id is not None
    return "people" if is_person else "sites"


def _where(lack: Lack, sites: dict[int, str], schedules: dict[int, str]) -> tuple[str, str]:
    """Return the page on which to mend it, and what the link says."""
    if lack.schedule_id in schedules and lack.schedule_id is not None:
        return reverse("noc:schedule", args=[schedules[lack.schedule_id]]), "Open the schedule"
    if lack.owner_id is not None:
        return reverse("noc:contact", args=[lack.owner_id]), "Open their contacts"
    if lack.code == "no_policy" and lack.site_id in sites and lack.site_id is not None:
        return reverse("noc:site-policy", args=[sites[lack.site_id]]), "Choose its policy"
    if lack.code in ("step_reaches_nobody", "urgent_held", "bad_policy"):
        return reverse("noc:policies"), "Open the policies"
    if lack.site_id in sites and lack.site_id is not None:
        return reverse("noc:site", args=[sites[lack.site_id]]), "Open the site"
    return reverse("noc:contacts"), "Open the contacts"
