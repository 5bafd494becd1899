"""One evaluation of one site, from its newest windows to findings, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from fleet.models import Node, Site
from fleet.services.engine import Module, engine_transaction
from telemetry.detectors.detection import Detection
from telemetry.findings import Recorded, record_detections
from telemetry.jobs.memory import Memory, is_outdated
from telemetry.jobs.rules import judge_limits, judge_reboots, judge_silence
from telemetry.jobs.states import judge_drift, judge_models, load_states
from telemetry.jobs.windows import NewWindows, load_windows
from telemetry.models import DetectorState, Finding

#: Sites whose trouble is looked for; what becomes of a staging site's findings is not our affair.
WATCHED = (Site.Status.ACTIVE, Site.Status.STAGING)


class Outcome(StrEnum):
    """How an evaluation ended."""

    DONE = "done"
    BUSY = "busy"
    """Somebody else is at this site; they or the next round see what is new."""
    NOT_WATCHED = "not_watched"
    """There is no such site, or it is neither active nor staging."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of one evaluation: how many new windows were judged, what was recorded."""

    site_id: int
    outcome: Outcome
    windows: int = 0
    recorded: Recorded = field(default_factory=Recorded)


@engine_transaction(module=Module.DETECTION)
def evaluate_site(*, site_id: int, now: datetime) -> Evaluation:
    """Judge what is new of one site; findings and memory are written together or not at all.

    Windows that came late and windows that were judged before are passed over, so that running
    it twice, or again after a crash, gives the same rows.
    """
    row = _lock(site_id)
    if row is None:
        known = DetectorState.objects.filter(site_id=site_id).exists()
        return Evaluation(site_id, Outcome.BUSY if known else Outcome.NOT_WATCHED)
    is_watched = row.site.status in WATCHED
    nodes = list(row.site.nodes.filter(is_watched=True).order_by("name")) if is_watched else []
    memory = Memory.from_json(row.state, nodes=nodes) if nodes else Memory()
    findings = list(
        Finding.objects.filter(
            site=row.site, source=Finding.Source.DETECTOR, cleared_at__isnull=True
        )
    )
    windows = load_windows(nodes=nodes, memory=memory, now=now)
    detections = _withdrawals(findings, nodes, is_outdated(row.state), row.site, now)
    if nodes:
        detections += _judge(nodes, windows, memory, findings, now)
    recorded = record_detections(
        site=row.site, detections=detections, now=now, has_new_windows=windows.count > 0
    )
    row.state = memory.to_json()
    row.evaluated_at = now
    row.save(update_fields=["state", "evaluated_at"])
    outcome = Outcome.DONE if is_watched else Outcome.NOT_WATCHED
    return Evaluation(site_id, outcome, windows.count, recorded)


def _lock(site_id: int) -> DetectorState | None:
    """Return the site's row, locked; None when it is locked already or there is no such site."""
    rows = DetectorState.objects.select_for_update(skip_locked=True, of=("self",))
    rows = rows.select_related("site").filter(site_id=site_id)
    row = rows.first()
    if row is None and Site.objects.filter(pk=site_id, detectorstate__isnull=True).exists():
        DetectorState.objects.bulk_create([DetectorState(site_id=site_id)], ignore_conflicts=True)
        row = rows.first()
    return row


def _judge(
    nodes: Sequence[Node],
    windows: NewWindows,
    memory: Memory,
    findings: Sequence[Finding],
    now: datetime,
) -> list[Detection]:
    """Run every detector; each moves its own part of the memory on."""
    states = load_states(nodes=nodes)
    drifts = {row.fingerprint for row in findings if row.kind == Finding.Kind.CONFIG_DRIFT}
    return [
        *judge_limits(nodes, windows, memory, now),
        *judge_silence(nodes, memory, now),
        *judge_reboots(nodes, memory, now),
        *judge_models(states, memory, now),
        *judge_drift(states, memory, now, open_fingerprints=drifts),
    ]


def _withdrawals(
    findings: Sequence[Finding],
    nodes: Sequence[Node],
    is_forgotten: bool,
    site: Site,
    now: datetime,
) -> list[Detection]:
    """End what was said of nodes that are watched no more, and all that nobody remembers saying.

    A finding that no detector could ever clear would hide the next one of its fingerprint.
    """
    watched = {node.pk: node.name for node in nodes}
    withdrawn = [
        row
        for row in findings
        if is_forgotten or not watched or (row.node_id and row.node_id not in watched)
    ]
    why = "judged anew" if is_forgotten and watched else "no longer watched"
    return [
        Detection(
            kind=row.kind,
            fingerprint=row.fingerprint,
            is_firing=False,
            severity=row.severity,
            at=now.timestamp(),
            node=None,
            summary=f"{row.get_kind_display()} at {site}: {why}",
            evidence={},
        )
        for row in withdrawn
    ]
