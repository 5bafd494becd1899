"""Entries that could not be taken in as they came: kept whole until somebody settles them.

Settled or not, the row stays: what a device sent is never lost.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from runbooks.models import Run, RunEntry, RunQuarantine, RunToken
from runbooks.runs.batch import read_entry
from runbooks.runs.clocks import skew_when_written
from runbooks.runs.errors import RunError
from runbooks.runs.log import locked_run, settle, tell
from runbooks.runs.record import device_writer, is_same_word, place_of, record
from runbooks.runs.told import call_off_kept_aside
from runbooks.runs.visible import visible

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
    skew_seconds: float | None = None,
    now: datetime,
) -> RunQuarantine | None:
    """Keep a refused entry; sent again, it is kept once. None when the run keeps too many."""
    # ASCII with escapes: whatever a device sent can be stored and read again.
    body = json.dumps(entry, sort_keys=True)
    kept = RunQuarantine.objects.filter(device_id=device_id, body=body, run=run).first()
    if kept is not None:
        return kept
    if RunQuarantine.objects.filter(run=run).count() >= MOST_KEPT:
        logger.error("run.quarantine_full", extra={"run_id": run.pk})
        return None
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
        skew_seconds=skew_seconds,
    )


@transaction.atomic
def accept_quarantined(*, row: RunQuarantine, by: User, now: datetime) -> RunEntry:
    """Take an entry into its run's log after all, as the one who wrote it wrote it.

    Where the log has it already, sent again with a newer key, that entry is returned and nothing
    is added. Another word under the same count overrides nothing the device wrote after it.

    What of its text cannot be kept is made visible.

    Raises RunError: quarantine_settled, and what the log refuses of anybody (a reading without a
    number, a step there never was): that can only be set aside.
    """
    run, current = _locked(row)
    # A person wants it in the log: what the log cannot keep as it is is no reason to leave it out.
    body = visible(json.loads(current.body))
    draft = read_entry(body, device_id=current.device_id)
    rows = RunEntry.objects.select_related("runbook_version")
    logged = rows.filter(device_id=draft.device_id, counter=draft.counter).first()
    if logged is not None and is_same_word(logged, draft, body.get("version"), run=run):
        _settle(current, RunQuarantine.Settlement.ACCEPTED, by, now, logged)
        call_off_kept_aside(run)
        tell(run)
        return logged
    skew = skew_when_written(
        draft,
        sent_skew=current.skew_seconds,
        began_at=run.created_at,
        received_at=current.received_at,
    )
    entry = record(
        run=run,
        draft=draft,
        writer=device_writer(current.token, draft),
        place=place_of(run, body.get("version"), skew_seconds=skew),
        now=now,
        is_count_taken=logged is not None,
    )
    _settle(current, RunQuarantine.Settlement.ACCEPTED, by, now, entry)
    call_off_kept_aside(run)
    settle(run, now=now)
    return entry


@transaction.atomic
def set_aside_quarantined(*, row: RunQuarantine, by: User, now: datetime) -> None:
    """Leave an entry out of the log for good; it stays to be read. Raises RunError."""
    run, current = _locked(row)
    _settle(current, RunQuarantine.Settlement.SET_ASIDE, by, now, None)
    call_off_kept_aside(run)
    tell(run)


def _locked(row: RunQuarantine) -> tuple[Run, RunQuarantine]:
    """Return the row as it is now, under the lock of its run; RunError when it is settled."""
    if row.run_id is None:
        raise RunError("quarantine_settled", "The entry belongs to no run; it can only be read.")
    run = locked_run(row.run_id)
    current = RunQuarantine.objects.select_related("token__user").get(pk=row.pk)
    if current.settlement:
        raise RunError(
            "quarantine_settled",
            f"Somebody settled this entry already: {current.get_settlement_display().lower()}. "
            "Reload to see it.",
        )
    return run, current


def _settle(
    row: RunQuarantine,
    settlement: RunQuarantine.Settlement,
    by: User,
    now: datetime,
    entry: RunEntry | None,
) -> None:
    RunQuarantine.objects.filter(pk=row.pk, settlement="").update(
        settlement=settlement, settled_at=now, settled_by=by, entry=entry
    )
    logger.info("run.quarantine_settled", extra={"run_id": row.run_id, "as": settlement.value})
