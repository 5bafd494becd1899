"""Where a run stands, from its rows: used where runs are made and where alerts are closed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from runbooks.library.document import RunbookDocument, fill
from runbooks.library.log_entry import LogEntry
from runbooks.library.outcomes import Progress
from runbooks.library.progress import progress_of
from runbooks.library.selectors import document_of
from runbooks.models import Run, RunEntry

#: Steps that a sentence names; more are counted.
_NAMED = 5


def log_entry_of(row: RunEntry) -> LogEntry:
    """Return the row as the reducer reads it."""
    return LogEntry(
        kind=row.kind,
        step=row.step_id,
        id=row.pk,
        device=row.device_id,
        count=row.counter,
        person=str(row.actor_id) if row.actor_id is not None else row.actor_name,
        is_engine=row.channel == RunEntry.Channel.ENGINE,
        skew=row.skew_seconds,
        input=row.input,
    )


def run_progress(
    run: Run,
    *,
    now: datetime,
    document: RunbookDocument | None = None,
    rows: Iterable[RunEntry] | None = None,
) -> Progress:
    """Return where the run stands in the edition it follows; pass what was read already."""
    steps = (document or document_of(run.runbook_version)).steps
    log = run.entries.order_by("pk") if rows is None else rows
    return progress_of(steps, map(log_entry_of, log), now=now)


def names_of(
    document: RunbookDocument, ids: Collection[str], values: Mapping[str, str | None]
) -> str:
    """Return `step 2 "Open the door" and step 4 "Read the inlet"` for a sentence."""
    named = [
        f'step {step.number} "{fill(step.title, values)}"'
        for step in document.steps
        if step.id in ids
    ]
    shown, more = named[:_NAMED], len(named) - _NAMED
    if more > 0:
        shown.append(f"{more} more")
    *most, last = shown
    return f"{', '.join(most)} and {last}" if most else last
