"""The field of sites: those in trouble as tiles, worst first; the well as cells. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import NamedTuple

from fleet.models import Site
from fleet.noc.fleet_answers import Trouble
from fleet.noc.fleet_people import Holder
from fleet.noc.fleet_words import Tally
from runbooks.models import Alert
from telemetry.models import Finding
from telemetry.selectors import NodeState


class NodeRow(NamedTuple):
    """A node as the page needs it; ten thousand models would take most of the page's time."""

    pk: int
    site_id: int
    name: str
    last_received_at: datetime | None
    window_seconds: float


#: More tiles than anybody reads; the queue has the rest.
MOST_TILES = 60
MOST_MARKS = 12
#: Cells beside one column of tiles before the region is given a second column.
_CELLS_A_COLUMN = 36
_MOST_COLUMNS = 3
_SHARP = ("p1", "p2", "p3")


@dataclass(frozen=True, slots=True)
class SiteView:
    """One site: `state` is `p1`..`p3`, `stale` (unknown), `maint` (not in service) or `ok`.

    `marks` are the states of its first nodes; `more` counts further firing alerts.
    """

    site: Site
    state: str
    is_tile: bool
    line: str
    since: datetime | None
    holder: Holder | None
    alert: Alert | None
    more: int
    marks: tuple[str, ...]
    node_count: int
    wrong_count: int
    needs_someone: bool
    is_dark: bool
    is_unheard: bool

    @property
    def is_in_service(self) -> bool:
        """Whether the site counts as part of the fleet."""
        return self.site.status == Site.Status.ACTIVE or self.is_tile

    @property
    def is_unanswered(self) -> bool:
        """Whether nobody has the alert that the tile tells of."""
        return self.alert is not None and self.alert.response == Alert.Response.UNACKNOWLEDGED

    @property
    def unshown_nodes(self) -> int:
        """How many nodes have no mark in the strip."""
        return self.node_count - len(self.marks)

    @property
    def rank(self) -> tuple[int, bool, float]:
        """Worst first: severity, then who waits for an answer, then how long it has lasted."""
        severity = _SHARP.index(self.state) if self.state in _SHARP else 3
        if self.is_dark and self.alert:
            severity = self.alert.severity - 1
        return severity, not self.is_unanswered, self.since.timestamp() if self.since else 0.0


@dataclass(frozen=True, slots=True)
class Region:
    """One region: tiles worst first, the other sites as cells, and how many columns it wants."""

    name: str
    tiles: list[SiteView]
    cells: list[SiteView]

    @property
    def size(self) -> int:
        """How many sites it has."""
        return len(self.tiles) + len(self.cells)

    @property
    def columns(self) -> int:
        """How many columns of the field it wants, so that few ill sites leave no empty space."""
        for_cells = ceil(len(self.cells) / _CELLS_A_COLUMN)
        return max(1, min(_MOST_COLUMNS, max(len(self.tiles), for_cells)))


def site_view(
    site: Site,
    *,
    nodes: Sequence[NodeRow],
    states: Mapping[int, NodeState],
    troubles: Sequence[Trouble],
    alert: Alert | None,
    holder: Holder | None,
    firing: int,
    needs_someone: bool,
) -> SiteView:
    """Return how one site stands; `alert` is the worst that fires there, of `firing`."""
    is_dark = any(trouble.kind == Finding.Kind.SITE_DARK for trouble in troubles)
    known = [states[node.pk] for node in nodes]
    is_unheard = all(state == "expected" for state in known)
    worst = min(troubles, key=lambda trouble: trouble.severity, default=None)
    severity = alert.severity if alert else worst.severity if worst else 0
    is_trouble = bool(severity) or is_dark
    marks = _marks(nodes, states, troubles)
    is_active = site.status == Site.Status.ACTIVE
    is_tile = is_trouble or (is_active and is_unheard)
    is_doubtful = is_active and not is_trouble and any(mark != "ok" for mark in marks)
    is_stale = is_dark or is_doubtful or (is_tile and is_unheard and not severity)
    return SiteView(
        site=site,
        state=_state(severity, is_stale=is_stale, is_out=not is_active and not is_tile),
        is_tile=is_tile,
        line=_line(alert, worst, site, bool(nodes)) if is_tile else _cell_words(site, marks),
        since=alert.began_at if alert else worst.began_at if worst else None,
        holder=holder,
        alert=alert,
        more=max(firing - 1, 0),
        marks=marks[:MOST_MARKS],
        node_count=len(nodes),
        wrong_count=sum(mark != "ok" for mark in marks),
        needs_someone=needs_someone,
        is_dark=is_dark,
        is_unheard=is_unheard,
    )


def _state(severity: int, *, is_stale: bool, is_out: bool) -> str:
    """Return the mark of a site: out of service, out of contact, its worst trouble, or well."""
    if is_out:
        return "maint"
    if is_stale:
        return "stale"
    return f"p{severity}" if severity else "ok"


def _marks(
    nodes: Sequence[NodeRow], states: Mapping[int, NodeState], troubles: Sequence[Trouble]
) -> tuple[str, ...]:
    worst: dict[int, int] = {}
    for trouble in troubles:
        for node_id in trouble.node_ids:
            worst[node_id] = min(trouble.severity, worst.get(node_id, trouble.severity))
    marks = []
    for node in nodes:
        # What is not heard from is unknown, whatever was last found there.
        is_heard = states[node.pk] == "fresh"
        severity = worst.get(node.pk)
        marks.append("stale" if not is_heard else f"p{severity}" if severity else "ok")
    return tuple(marks)


def _line(alert: Alert | None, worst: Trouble | None, site: Site, has_nodes: bool) -> str:
    if alert is not None:
        return alert.summary
    if worst is not None:
        return worst.summary
    if has_nodes:
        return "No node has reported yet. Start its agents with a token for this site."
    return f"No node yet. Make a token for its agents: create_agent_token --site {site.slug}"


def _cell_words(site: Site, marks: Sequence[str]) -> str:
    """Return what a cell says to somebody who does not see it, or points at it."""
    if site.status != Site.Status.ACTIVE:
        return f"{site.name}: {site.get_status_display().lower()}, not in service"
    unheard = sum(mark == "stale" for mark in marks)
    if unheard:
        return f"{site.name}: {unheard} of {len(marks)} nodes not heard from just now"
    return f"{site.name}: well"


def regions_of(views: Sequence[SiteView]) -> tuple[list[Region], int]:
    """Return the regions, the one with the worst site first, and how many tiles were left out."""
    tiles = sorted((view for view in views if view.is_tile), key=lambda view: view.rank)
    tiles_of: dict[str, list[SiteView]] = defaultdict(list)
    cells_of: dict[str, list[SiteView]] = defaultdict(list)
    for view in tiles[:MOST_TILES]:
        tiles_of[view.site.region].append(view)
    for view in views:
        if not view.is_tile:
            cells_of[view.site.region].append(view)
    by_trouble = list(dict.fromkeys([*tiles_of, *sorted(cells_of)]))
    regions = [Region(name, tiles_of[name], cells_of[name]) for name in by_trouble]
    return regions, max(len(tiles) - MOST_TILES, 0)


def tally_of(views: Sequence[SiteView]) -> Tally:
    """Return how many sites in service stand how."""
    return Tally(
        total=len(views),
        well=sum(view.state == "ok" for view in views),
        need=sum(view.needs_someone for view in views),
        dark=sum(view.is_dark for view in views),
        unheard=sum(view.is_unheard and not view.is_dark for view in views),
        partly=sum(view.state == "stale" and not view.is_tile for view in views),
    )
