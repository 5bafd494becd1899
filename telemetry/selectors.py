"""Questions about what the fleet says: readings, charts, open findings, and who is heard."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.db.models import QuerySet

from fleet.models import Node, Site
from telemetry import store
from telemetry.metrics import Metric, describe
from telemetry.models import Finding, IngestDoor, SeriesSet
from telemetry.protocol import Series
from telemetry.store import Points, WindowRecord

NodeState = Literal["fresh", "stale", "silent", "unknown", "expected"]

#: A door that has not beaten for so long hears nothing, in seconds; when it beats again, it says
#: itself that it started anew.
DOOR_LOST_SECONDS = 15.0
#: Readings older than so many of their windows are shown as stale.
STALE_WINDOWS = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """The newest window of one series of a node.

    `value` is the window's mean, `low` and `high` are its extremes, all in `unit`; `end` is event
    time. `label` and `shown` are ready for people: `Temperature`, `38.4 °C`.
    """

    metric: str
    unit: str
    device: str
    value: float
    low: float
    high: float
    end: datetime
    label: str
    shown: str


def current_readings(*, nodes: Iterable[Node]) -> dict[int, list[Reading]]:
    """Return what each node's newest window says, by node id, in the agent's order.

    A series without a sample in that window is left out. Two queries for any number of nodes.
    """
    node_ids = [node.pk for node in nodes]
    windows = store.latest_windows(node_ids=node_ids)
    sets = SeriesSet.objects.in_bulk({window.series_set_id for window in windows.values()})
    return {
        node_id: _readings(windows[node_id], sets[windows[node_id].series_set_id].series)
        if node_id in windows
        else []
        for node_id in node_ids
    }


def series_of(*, node: Node) -> list[Series]:
    """Return the series of the node's newest window, none when it never sent one."""
    window = store.latest_windows(node_ids=[node.pk]).get(node.pk)
    if window is None:
        return []
    announced = SeriesSet.objects.get(pk=window.series_set_id).series
    return [Series(metric, unit, device) for metric, unit, device in announced]


def chart_points(
    *, node: Node, metric: str, device: str, since: datetime, until: datetime
) -> Points:
    """Return one series between two event times, thinned for a chart; late windows are in it."""
    return store.read_points(
        node_id=node.pk, metric=metric, device=device, since=since, until=until
    )


def open_findings(*, sites: QuerySet[Site]) -> QuerySet[Finding]:
    """Return what is wrong at these sites now, most urgent first, with site and node."""
    still_open = Finding.objects.filter(site__in=sites, cleared_at__isnull=True)
    return still_open.select_related("site", "node")


def node_states(*, nodes: Collection[Node], now: datetime) -> dict[int, NodeState]:
    """Return by node id how current our knowledge of each node is; one query.

    `unknown` means that its whole site is dark, `expected` that it never reported. Silence is
    what the detector found, staleness is plain arithmetic on the time of receipt.
    """
    silent: set[int | None] = set()
    dark: set[int] = set()
    findings = Finding.objects.filter(
        site_id__in={node.site_id for node in nodes},
        cleared_at__isnull=True,
        kind__in=[Finding.Kind.NODE_SILENT, Finding.Kind.SITE_DARK],
    )
    for kind, site_id, node_id in findings.values_list("kind", "site_id", "node_id"):
        if kind == Finding.Kind.SITE_DARK:
            dark.add(site_id)
        else:
            silent.add(node_id)
    return {
        node.pk: _node_state(node, node.site_id in dark, node.pk in silent, now) for node in nodes
    }


def listening_since(*, now: datetime) -> datetime | None:
    """Return since when an ingest door has been open without a break, None while none is.

    A door is known to have been open from its start to its last beat. Time between that beat and
    the next door's start may have been deaf, so it breaks the line: better late than a fleet
    called silent because the server was away.
    """
    doors = IngestDoor.objects.order_by("-beat_at").values_list("started_at", "beat_at")
    since: datetime | None = None
    edge = now - timedelta(seconds=DOOR_LOST_SECONDS)
    for started_at, beat_at in doors:
        if beat_at < edge:
            break
        since = edge = started_at if since is None else min(since, started_at)
    return since


def unheard_until(*, now: datetime) -> datetime | None:
    """Return until when nobody could be heard, because we were away: `now` while no door is open.

    None where no door was ever open: then nothing is known of our absence, and none is allowed for.
    Whatever calls us over HTTP calls the same processes as the agents do.
    """
    since = listening_since(now=now)
    if since is not None:
        return min(since, now)
    return now if IngestDoor.objects.exists() else None


def _readings(window: WindowRecord, series: list[list[str]]) -> list[Reading]:
    end = window.start + timedelta(seconds=window.seconds)
    readings = []
    for column, (metric, unit, device) in enumerate(series):
        count = int(window.n[column])
        if count < 1:
            continue
        value = float(window.sum[column]) / count
        kind = describe(metric, unit)
        readings.append(
            Reading(
                metric=metric,
                unit=unit,
                device=device,
                value=value,
                low=float(window.min[column]),
                high=float(window.max[column]),
                end=end,
                label=kind.label,
                shown=_spell(value, kind),
            )
        )
    return readings


def _spell(value: float, metric: Metric) -> str:
    # Adding 0.0 turns the -0.0 that rounding leaves of a small negative number into 0.0.
    shown = round(value * metric.scale, metric.decimals) + 0.0
    return f"{shown:.{metric.decimals}f} {metric.shown_unit}".rstrip()


def _node_state(node: Node, is_site_dark: bool, is_silent: bool, now: datetime) -> NodeState:
    if node.last_received_at is None:
        return "expected"
    if is_site_dark:
        return "unknown"
    if is_silent:
        return "silent"
    age = (now - node.last_received_at).total_seconds()
    return "stale" if age > STALE_WINDOWS * node.window_seconds else "fresh"
