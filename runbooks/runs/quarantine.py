"""Entries that could not be taken in as they came: kept whole until somebody settles them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from runbooks.models import Run, RunQuarantine, RunToken
from runbooks.runs.errors import RunError

logger = logging.getLogger(__name__)

LONGEST_SENTENCE = 300
#: What a run keeps aside; more is no mishap but an attack, and stays on the device.
MOST_KEPT = 1000


def keep_aside(
    *,
    entry: Mapping[str, Any],
    refusal: RunError,
    run: Run,
    token: RunToken | None,
    device_id: str,
    now: datetime,
) -> RunQuarantine:
    """Keep a refused entry; sent again, it is kept once. Raises RunError when too many are kept."""
    # ASCII with escapes: whatever a device sent can be stored and read again.
    body = json.dumps(entry, sort_keys=True)
    kept = RunQuarantine.objects.filter(device_id=device_id, body=body, run=run).first()
    if kept is not None:
        return kept
    if RunQuarantine.objects.filter(run=run).count() >= MOST_KEPT:
        raise RunError(
            "quarantine_full",
            f"R-{run.pk} keeps {MOST_KEPT} refused entries already; settle those first.",
        )
    counter = entry["count"]
    is_taken = RunQuarantine.objects.filter(device_id=device_id, counter=counter).exists()
    logger.warning("run.entry_quarantined", extra={"run_id": run.pk, "code": refusal.code})
    return RunQuarantine.objects.create(
        run=run,
        received_at=now,
        code=refusal.code,
        sentence=refusal.sentence[:LONGEST_SENTENCE],
        body=body,
        device_id=device_id,
        # The count names the first of them; the body tells any other one apart.
        counter=None if is_taken else counter,
        token=token,
    )
