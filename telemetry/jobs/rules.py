"""The detectors that speak of single nodes: limits, silence and reboots."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from django.conf import settings

from fleet.models import MaintenanceWindow, Node
from fleet.spans import spans_between
from telemetry.detectors.detection import Detection
from telemetry.detectors.envelope import detect_envelope
from telemetry.detectors.limits import ASSUMED_CLASS, Limit, default_limits, group_limits
from telemetry.detectors.overdue import judge_overdue
from telemetry.detectors.reboot import SETTLE_SECONDS, BootReport, detect_reboots
from telemetry.jobs.memory import Memory
from telemetry.jobs.packing import pack, unpack
from telemetry.jobs.readings import readings_of
from telemetry.jobs.windows import NewWindows
from telemetry.models import BootRecord
from telemetry.selectors import listening_since

#: How long the nodes of a site that is heard again may take to follow the first, in seconds:
#: agents come back one by one on purpose.
_RETURN_GRACE_SECONDS = 120.0

_PLANNED_BOOTS_MAY_BE_LATE = timedelta(days=1)


def judge_limits(
    nodes: Sequence[Node], windows: NewWindows, memory: Memory, now: datetime
) -> list[Detection]:
    """Judge the new windows by the limits of each node's class, all nodes of a limit at once."""
    if not windows.count:
        return []
    watched = {node.name for node in nodes}
    detections: list[Detection] = []
    for group, names in _groups(nodes).items():
        readings = readings_of(windows.blocks, group, names)
        if readings is None:
            continue
        # One memory for all classes, so that a node whose class changes keeps its finding.
        key = f"{group[0].kind}/{group[0].metric}"
        before = unpack(memory.envelope.get(key, {}), names=watched, now=now.timestamp())
        state, found = detect_envelope(readings, group, before)
        memory.envelope[key] = pack(state)
        detections += [
            replace(one, evidence={**one.evidence, "window_end": one.at}) for one in found
        ]
    return detections


def judge_silence(nodes: Sequence[Node], memory: Memory, now: datetime) -> list[Detection]:
    """Judge who is overdue, by receive time; nobody is while no ingest door was open."""
    since = listening_since(now=now)
    receipts = [node.last_received_at for node in nodes]
    heard = [math.nan if at is None else at.timestamp() for at in receipts]
    memory.overdue, detections = judge_overdue(
        np.array(heard, np.float64),
        np.array([node.window_seconds for node in nodes], np.float64),
        [node.name for node in nodes],
        now=now.timestamp(),
        listening_since=None if since is None else since.timestamp(),
        state=memory.overdue,
        return_grace_seconds=_RETURN_GRACE_SECONDS,
    )
    return detections


def judge_reboots(nodes: Sequence[Node], memory: Memory, now: datetime) -> list[Detection]:
    """Judge the boots that were reported since the last look, and how long nodes have run since.

    A boot is told by its record and by every window after it; whichever comes first in event
    time counts, so that a node's clock that runs ahead hides no reboot.
    """
    boots = _new_boots(nodes, memory)
    latest = {report.node: report for report in boots}
    sightings = []
    for node in nodes:
        if not node.boot_id or node.last_window_end is None:
            continue
        at = node.last_window_end.timestamp()
        boot = latest.get(node.name)
        # The newest window may be from before the boot the node now has.
        is_before = boot is not None and boot.boot_id == node.boot_id and at < boot.at
        sightings.append(BootReport(node.name, at, "" if is_before else node.boot_id, 0.0))
    reports = sorted([*boots, *sightings], key=lambda report: report.at)
    is_news = any(_may_be_a_reboot(report, memory) for report in reports)
    memory.reboots, detections = detect_reboots(
        reports,
        memory.reboots,
        planned_until=planned_reboots(nodes, now) if is_news else {},
        settle_seconds=SETTLE_SECONDS * settings.HEARTHWATCH_HOLD_SCALE,
    )
    return detections


def planned_reboots(nodes: Collection[Node], now: datetime) -> Mapping[str, float]:
    """Return until when each node's reboots are planned, by name, in epoch seconds.

    They are while maintenance holds back every alert of the node or of its site; one query. A
    span that ended within the last day counts too: a boot can be reported late.
    """
    began = now - _PLANNED_BOOTS_MAY_BE_LATE
    windows = MaintenanceWindow.objects.filter(
        site__in={node.site_id for node in nodes},
        matchers=[],
        cancelled_at__isnull=True,
        starts_at__lte=now,
    )
    planned: dict[str, float] = {}
    for window in windows:
        spans = spans_between(window, start=began, end=now)
        if not spans:
            continue
        until = spans[-1].ends_at.timestamp()
        for node in nodes:
            if window.site_id == node.site_id and window.node_id in (None, node.pk):
                planned[node.name] = max(until, planned.get(node.name, until))
    return planned


def _may_be_a_reboot(report: BootReport, memory: Memory) -> bool:
    """Tell whether it is worth asking for maintenance: the same boot id again is no reboot."""
    known = memory.reboots.get(report.node)
    return known is not None and (not report.boot_id or known["boot_id"] != report.boot_id)


def _groups(nodes: Sequence[Node]) -> dict[tuple[Limit, ...], dict[int, str]]:
    """Return the limits that are judged together, and the nodes they hold for."""
    groups: dict[tuple[Limit, ...], dict[int, str]] = {}
    for ashrae_class in sorted({_class_of(node) for node in nodes}):
        limits = default_limits(ashrae_class, hold_scale=settings.HEARTHWATCH_HOLD_SCALE)
        members = {node.pk: node.name for node in nodes if _class_of(node) == ashrae_class}
        for group in group_limits(limits):
            # Limits that do not depend on the class are equal, and fall together here.
            groups.setdefault(group, {}).update(members)
    return groups


def _class_of(node: Node) -> str:
    """Return the node's class, nothing where it is only assumed: then the limit says so."""
    is_unknown = node.is_ashrae_class_assumed and node.ashrae_class == ASSUMED_CLASS
    return "" if is_unknown else node.ashrae_class


def _new_boots(nodes: Sequence[Node], memory: Memory) -> list[BootReport]:
    """Return the boots of nodes that were seen before, from their last sighting on.

    What a node did before we first saw it is nobody's news.
    """
    seen = {node.pk: node.name for node in nodes if node.name in memory.reboots}
    if not seen:
        return []
    since = min(memory.reboots[name]["at"] for name in seen.values())
    records = BootRecord.objects.filter(
        node_id__in=list(seen), reported_at__gt=datetime.fromtimestamp(since, UTC)
    )
    return [
        BootReport(seen[node_id], at.timestamp(), boot_id, uptime)
        for node_id, at, boot_id, uptime in records.order_by("reported_at").values_list(
            "node_id", "reported_at", "boot_id", "uptime_seconds"
        )
    ]
