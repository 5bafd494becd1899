"""Repeats: a sender says again what it said before, and only the end it names moves.

Prometheus says each alert again about once a minute. In a storm that is nearly everything that
comes in, so repeats are noted in one statement per end: 10,000 in a second rather than in twelve.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import F, Func, JSONField, Value

from fleet.models import Site
from telemetry.detectors.detection import Detection, Json
from telemetry.models import Finding

#: What differs between two tellings of the same.
_MOVING = ("ends_at", "window_end")


@transaction.atomic(savepoint=False)
def note_repeats(*, site: Site, detections: Sequence[Detection], now: datetime) -> list[Detection]:
    """Move the ends of the open findings that are only said again; return all other detections.

    What stands twice in one request is judged in its order, elsewhere.
    """
    times = Counter(detection.fingerprint for detection in detections)
    # Locked in one order, so that two senders of the same cannot wait for each other.
    rows = Finding.objects.select_for_update().filter(
        site=site, cleared_at__isnull=True, fingerprint__in=list(times)
    )
    known = {finding.fingerprint: finding for finding in rows.order_by("pk")}
    others: list[Detection] = []
    by_end: dict[tuple[Json, ...], list[int]] = defaultdict(list)
    for detection in detections:
        finding = known.get(detection.fingerprint)
        if (
            finding is not None
            and times[detection.fingerprint] == 1
            and _is_repeat(detection, finding)
        ):
            by_end[tuple(detection.evidence[key] for key in _MOVING)].append(finding.pk)
        else:
            others.append(detection)
    for ends, pks in by_end.items():
        moved = _Joined(F("evidence"), Value(dict(zip(_MOVING, ends, strict=True)), JSONField()))
        Finding.objects.filter(pk__in=pks).update(evidence=moved, updated_at=now)
    return others


class _Joined(Func):
    """Two JSON objects as one; what both have is the second's."""

    arg_joiner = " || "
    template = "%(expressions)s"
    output_field = JSONField()


def _is_repeat(detection: Detection, finding: Finding) -> bool:
    return (
        detection.is_firing
        and detection.severity == finding.severity
        and detection.summary == finding.summary
        and _lasting(detection.evidence) == _lasting(finding.evidence)
    )


def _lasting(evidence: Mapping[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in evidence.items() if key not in _MOVING}
