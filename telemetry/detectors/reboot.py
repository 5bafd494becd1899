"""Reboots that nobody planned, one by one and in loops.

A new boot id is a reboot. Where no boot id is known, an uptime that is too short for what went
before is one, with a tolerance for clocks that are set. Times are event time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from telemetry.detectors.detection import HIGH, LOW, Detection, Json, spell_seconds

#: A clock may be set by this much without looking like a reboot.
CLOCK_TOLERANCE_SECONDS = 120.0
SETTLE_SECONDS = 900.0
#: This many unplanned reboots within the span are a loop.
LOOP_REBOOTS = 3
LOOP_SPAN_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class BootReport:
    """What a node said of its boot at `at` (epoch seconds).

    An empty `boot_id` is not known, nor is an `uptime_seconds` that is not above 0.
    """

    node: str
    at: float
    boot_id: str
    uptime_seconds: float


class NodeBoots(TypedDict):
    """What is remembered of one node; `reboots` are the unplanned ones of the last hour.

    `severity` is that of the open finding, 0 for none; `up_since` is when this boot began.
    """

    at: float
    boot_id: str
    uptime_seconds: float
    up_since: float
    reboots: list[float]
    severity: int


RebootState = dict[str, NodeBoots]


def detect_reboots(
    reports: Sequence[BootReport],
    state: RebootState,
    *,
    planned_until: Mapping[str, float],
    settle_seconds: float = SETTLE_SECONDS,
) -> tuple[RebootState, list[Detection]]:
    """Judge boot reports, which stand in the order of their time for each node.

    `planned_until` maps a node to the epoch second until which its reboots are planned; one that
    goes down by then makes no finding. Otherwise one reboot is low, three within an hour are
    high, and the finding ends after `settle_seconds` of unbroken uptime. A report that is not
    newer than the last of its node changes nothing.
    """
    after = dict(state)
    detections: list[Detection] = []
    for report in reports:
        known = after.get(report.node)
        if known is None:
            after[report.node] = _first(report)
            continue
        if not report.at > known["at"]:
            continue
        if _is_reboot(known, report):
            is_planned = known["at"] <= planned_until.get(report.node, float("-inf"))
            after[report.node], found = _rebooted(known, report, is_planned)
        else:
            after[report.node], found = _went_on(known, report, settle_seconds)
        detections += found
    return after, detections


def _is_reboot(known: NodeBoots, report: BootReport) -> bool:
    if known["boot_id"] and report.boot_id:
        # The kernel's word is final: an uptime may look short after a clock was set.
        return known["boot_id"] != report.boot_id
    if not report.uptime_seconds > 0:
        return False
    elapsed = report.at - known["at"]
    shortest = max(elapsed, known["uptime_seconds"]) - CLOCK_TOLERANCE_SECONDS
    return report.uptime_seconds < shortest


def _first(report: BootReport) -> NodeBoots:
    return {
        "at": report.at,
        "boot_id": report.boot_id,
        "uptime_seconds": _known_uptime(report),
        "up_since": report.at - _known_uptime(report),
        "reboots": [],
        "severity": 0,
    }


def _rebooted(
    known: NodeBoots, report: BootReport, is_planned: bool
) -> tuple[NodeBoots, list[Detection]]:
    # The clock may be off by a little: no boot begins before the last sign of life.
    up_since = max(report.at - _known_uptime(report), known["at"])
    after = _first(report)
    after["up_since"] = up_since
    after["severity"] = known["severity"]
    recent = [at for at in known["reboots"] if at > report.at - LOOP_SPAN_SECONDS]
    after["reboots"] = recent
    if is_planned:
        return after, []
    after["reboots"] = [*recent, report.at]
    many = len(after["reboots"])
    after["severity"] = min(known["severity"] or LOW, HIGH if many >= LOOP_REBOOTS else LOW)
    down = up_since - known["at"]
    summary = f"{report.node} rebooted unplanned, down {spell_seconds(down)}"
    if many > 1:
        summary = (
            f"{report.node} rebooted {many} times within an hour, limit {LOOP_REBOOTS}, "
            f"last down {spell_seconds(down)}"
        )
    evidence: dict[str, Json] = {
        "old_boot_id": known["boot_id"],
        "new_boot_id": report.boot_id,
        "down_seconds": round(down, 3),
        "uptime_seconds": _known_uptime(report),
        "reboots_in_hour": many,
        "since": up_since,
    }
    return after, [_detection(report, after["severity"], summary, evidence)]


def _went_on(
    known: NodeBoots, report: BootReport, settle_seconds: float
) -> tuple[NodeBoots, list[Detection]]:
    after: NodeBoots = {
        **known,
        "at": report.at,
        "boot_id": report.boot_id or known["boot_id"],
        "uptime_seconds": _known_uptime(report),
    }
    up_seconds = _known_uptime(report) or report.at - known["up_since"]
    if not known["severity"] or up_seconds < settle_seconds:
        return after, []
    after["severity"] = 0
    summary = (
        f"{report.node} has run for {spell_seconds(up_seconds)} without a reboot, "
        f"limit {spell_seconds(settle_seconds)}"
    )
    evidence: dict[str, Json] = {
        "new_boot_id": after["boot_id"],
        "uptime_seconds": round(up_seconds, 3),
    }
    return after, [_detection(report, known["severity"], summary, evidence, is_firing=False)]


def _known_uptime(report: BootReport) -> float:
    return report.uptime_seconds if report.uptime_seconds > 0 else 0.0


def _detection(
    report: BootReport,
    severity: int,
    summary: str,
    evidence: dict[str, Json],
    *,
    is_firing: bool = True,
) -> Detection:
    fingerprint = f"node.reboot/{report.node}"
    return Detection(
        "node.reboot", fingerprint, is_firing, severity, report.at, report.node, summary, evidence
    )
