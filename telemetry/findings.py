"""Detections become findings: one open for each fingerprint, opened, refreshed and cleared."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from fleet.live import LiveEvent, publish_on_commit
from fleet.models import Site
from fleet.queue import Job, enqueue_on_commit
from telemetry import store
from telemetry.detectors.detection import Detection
from telemetry.models import Finding

_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Recorded:
    """How many findings were opened, changed while they stayed open, and cleared."""

    opened: int = 0
    changed: int = 0
    cleared: int = 0

    def __bool__(self) -> bool:
        return bool(self.opened or self.changed or self.cleared)


@transaction.atomic(savepoint=False)
def record_detections(
    *,
    site: Site,
    detections: Iterable[Detection],
    now: datetime,
    has_new_windows: bool = False,
    source: Finding.Source = Finding.Source.DETECTOR,
) -> Recorded:
    """Write what the detectors said of one site, in the order they said it.

    A firing detection opens the finding of its fingerprint or refreshes the open one; one that no
    longer fires clears it. Saying the same again changes nothing. Browsers are told once, when
    something changed or `has_new_windows`; intake is asked for when an alert must hear of it.
    What `source` opened is left alone by the evaluation of detectors unless it is theirs.
    """
    said = list(detections)
    ledger = _Ledger(site, said, now, source)
    for detection in said:
        ledger.take(detection)
    recorded = ledger.write()
    if ledger.owes_intake:
        enqueue_on_commit(Job.TAKE_IN_FINDINGS)
    if recorded or has_new_windows:
        publish_on_commit(LiveEvent.SITE_CHANGED, site_id=site.pk, id=site.pk)
    return recorded


class _Ledger:
    """The open findings of one site while detections are applied to them."""

    def __init__(
        self, site: Site, said: Sequence[Detection], now: datetime, source: Finding.Source
    ) -> None:
        self._site = site
        self._source = source
        self._now = now
        fingerprints = {_fingerprint(detection) for detection in said}
        # Locked in one order, so that two who record for one site cannot wait for each other.
        rows = Finding.objects.select_for_update().filter(
            site=site, cleared_at__isnull=True, fingerprint__in=fingerprints
        )
        self._open = {row.fingerprint: row for row in rows.order_by("pk")} if said else {}
        firing = {detection.node for detection in said if detection.is_firing and detection.node}
        nodes = site.nodes.filter(name__in=firing).values_list("name", "pk")
        self._node_ids = dict(nodes) if firing else {}
        self._opened: list[Finding] = []
        self._touched: dict[int, Finding] = {}
        self._cleared = 0
        self.owes_intake = False

    def take(self, detection: Detection) -> None:
        """Apply one detection in memory."""
        finding = self._open.get(_fingerprint(detection))
        if finding is None:
            if detection.is_firing:
                self._begin(detection)
        elif detection.is_firing:
            self._refresh(finding, detection)
        else:
            self._clear(finding, detection)

    def write(self) -> Recorded:
        """Write what changed: two statements, whatever the number of findings."""
        # Cleared rows first: the same fingerprint may have begun again.
        store.rewrite_findings(self._touched.values())
        # Somebody else may have opened the same one meanwhile; then that row stays the only one
        # and the next detection refreshes it.
        Finding.objects.bulk_create(self._opened, ignore_conflicts=True, batch_size=500)
        changed = [row for row in self._touched.values() if row.cleared_at is None]
        return Recorded(len(self._opened), len(changed), self._cleared)

    def _begin(self, detection: Detection) -> None:
        finding = Finding(
            site=self._site,
            node_id=None if detection.node is None else self._node_ids.get(detection.node),
            source=self._source,
            kind=detection.kind,
            fingerprint=_fingerprint(detection),
            severity=detection.severity,
            summary=_clip(detection.summary),
            evidence=_plain(detection.evidence),
            began_at=datetime.fromtimestamp(detection.at, UTC),
            detected_at=self._now,
            updated_at=self._now,
        )
        self._opened.append(finding)
        self._open[finding.fingerprint] = finding
        self.owes_intake = True

    def _refresh(self, finding: Finding, detection: Detection) -> None:
        said = (detection.severity, _clip(detection.summary), _plain(detection.evidence))
        if said == (finding.severity, finding.summary, finding.evidence):
            return
        if detection.severity != finding.severity:
            self._raise_revision(finding)
        finding.severity, finding.summary, finding.evidence = said
        self._touch(finding)

    def _clear(self, finding: Finding, detection: Detection) -> None:
        del self._open[finding.fingerprint]
        finding.cleared_at = self._now
        finding.summary = _clip(detection.summary)
        finding.evidence = {**finding.evidence, **_plain(detection.evidence)}
        self._raise_revision(finding)
        self._touch(finding)
        self._cleared += 1

    def _raise_revision(self, finding: Finding) -> None:
        finding.revision += 1
        self.owes_intake = True

    def _touch(self, finding: Finding) -> None:
        finding.updated_at = self._now
        if finding.pk is not None:
            self._touched[finding.pk] = finding


def _fingerprint(detection: Detection) -> str:
    """Return the detection's fingerprint, or one as telling that fits the column."""
    whole = detection.fingerprint
    if len(whole) <= _LONGEST:
        return whole
    return f"{whole[: _LONGEST - 65]}#{hashlib.sha256(whole.encode()).hexdigest()}"


def _clip(summary: str) -> str:
    return summary if len(summary) <= _LONGEST else f"{summary[: _LONGEST - 1]}…"


def _plain(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Return the evidence as the database gives it back: JSON alone, and no NaN."""
    return {key: _plain_value(value) for key, value in evidence.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return _plain(value)
    if isinstance(value, list | tuple):
        return [_plain_value(item) for item in value]
    return value
