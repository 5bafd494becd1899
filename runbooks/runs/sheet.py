"""The sheet after a run: who did what, how long it took, and what did not go smoothly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runbooks.library.document import RunbookStep, fill
from runbooks.library.log_entry import LogEntry
from runbooks.library.outcomes import StepProgress
from runbooks.library.run_log import run_progress
from runbooks.models import Run, RunEntry
from runbooks.runs.log import name_of
from runbooks.runs.pack import entries_of
from runbooks.runs.scans import scan_difference
from runbooks.runs.selectors import document_for_run
from telemetry.metrics import spell_unit

Kind = RunEntry.Kind
#: A clock that is further off is told.
SKEW_SHOWN_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class SheetStep:
    """One step: what became of it, by whom, when, and how long after the one before it.

    `at` is when it was written, by the server's clock; `seconds` is None where nothing came before.
    """

    number: int
    title: str
    kind: str
    outcome: str
    by: str
    at: datetime | None
    seconds: float | None
    said: str
    is_mandatory: bool
    is_outside: bool
    is_disputed: bool
    #: Done, though the answer that it waits for is missing.
    is_unanswered: bool


@dataclass(frozen=True, slots=True)
class SheetEntry:
    """One entry of the log, for people; `marks` are after end, skew, taken back, disputed."""

    id: int
    kind: str
    step: str
    by: str
    device: str
    at: datetime
    received_at: datetime
    said: str
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One run after it, or so far.

    `touchpoints` is people and devices together. `restart_seconds` goes from the first entry of a
    step until the alert cleared or, without an alert, the last verification passed; None until
    then.
    """

    run: Run
    title: str
    edition: int
    state: str
    reason: str
    lead: str
    started_at: datetime | None
    ended_at: datetime | None
    restart_seconds: float | None
    people: tuple[str, ...]
    devices: tuple[str, ...]
    steps: tuple[SheetStep, ...]
    entries: tuple[SheetEntry, ...]
    late_count: int
    quarantined_count: int
    photo_count: int
    widest_skew: float | None

    @property
    def touchpoints(self) -> int:
        """How many people and devices had a part in it."""
        return len(self.people) + len(self.devices)


def sheet_of(*, run: Run, now: datetime) -> Sheet:
    """Return the sheet of a run, six queries for any number of entries."""
    document = document_for_run(run)
    rows = list(entries_of(run))
    progress = run_progress(run, now=now, document=document, rows=rows)
    skews = [abs(row.skew_seconds) for row in rows if row.skew_seconds is not None]
    at_of = {row.pk: written_at(row) for row in rows}
    rows_by_id = {row.pk: row for row in rows}
    disputed = {entry.id for step in progress.steps if _differs(step) for entry in step.said}
    taken_back = _taken_back(rows)
    began = min((at_of[row.pk] for row in rows if row.step_id), default=None)
    return Sheet(
        run=run,
        title=document.title,
        edition=run.runbook_version.number,
        state=run.get_state_display(),
        reason=run.reason,
        lead=name_of(run.lead),
        started_at=began,
        ended_at=run.ended_at,
        restart_seconds=_restart(run, rows, began),
        people=tuple(sorted({row.actor_name for row in rows if row.actor_name})),
        devices=tuple(sorted({row.device_id for row in rows if row.device_id})),
        steps=_steps(run, document.steps, progress.steps, rows_by_id),
        entries=tuple(_entry(row, disputed, taken_back) for row in rows),
        late_count=sum(row.is_after_end for row in rows),
        quarantined_count=run.quarantine.count(),
        photo_count=run.photos.filter(sha256__in=_named_photos(rows)).count(),
        widest_skew=max(skews, default=None),
    )


def written_at(row: RunEntry) -> datetime:
    """Return when an entry was written, by the server's clock as far as it is known."""
    if row.client_at is None:
        return row.received_at
    # Never after its arrival: a device whose clock was set on the way is believed no further.
    return min(row.client_at - timedelta(seconds=row.skew_seconds or 0), row.received_at)


def said_in_words(row: RunEntry) -> str:
    """Return what was entered as people read it: `21.5 °C`, `Hot: nobody there`."""
    found = row.input
    words = [
        _number(found),
        str(found.get("choice") or found.get("code") or found.get("said_to") or ""),
        {True: "as expected", False: "not as expected"}.get(found.get("is_as_expected"), ""),
        "another code than expected" if found.get("is_match") is False else "",
        *(str(found.get(name) or "") for name in ("sentence", "reason", "note")),
    ]
    return ": ".join(word for word in words if word)


def _number(found: dict[str, object]) -> str:
    value = found.get("value")
    if "sentence" in found or not isinstance(value, int | float) or isinstance(value, bool):
        return ""
    return f"{value:,.6g} {spell_unit(str(found.get('unit') or ''))}".strip()


def _steps(
    run: Run,
    steps: Sequence[RunbookStep],
    found: Sequence[StepProgress],
    rows: dict[int, RunEntry],
) -> tuple[SheetStep, ...]:
    """Return the steps in the runbook's order; each one's time runs from whatever was before."""
    counts = {progress.id: _row(progress.counts, rows) for progress in found}
    moments = sorted({written_at(row) for row in rows.values()})
    sheet = []
    for step, progress in zip(steps, found, strict=True):
        row = counts[step.id]
        at = written_at(row) if row else None
        before = [moment for moment in moments if at is not None and moment < at]
        sheet.append(
            SheetStep(
                number=step.number,
                title=fill(step.title, run.values),
                kind=step.kind,
                outcome=progress.outcome,
                by=row.actor_name or row.get_channel_display() if row else "",
                at=at,
                seconds=(at - before[-1]).total_seconds() if at and before else None,
                said=said_in_words(row) if row else "",
                is_mandatory=step.is_mandatory,
                is_outside=progress.is_outside,
                is_disputed=_differs(progress),
                is_unanswered=bool(progress.barred_by) and progress.outcome == "done",
            )
        )
    return tuple(sheet)


def _row(entry: LogEntry | None, rows: dict[int, RunEntry]) -> RunEntry | None:
    return rows.get(entry.id) if entry is not None and entry.id is not None else None


def _differs(step: StepProgress) -> bool:
    """Tell whether several entered the step: in dispute, or settled by the lead."""
    return len(step.said) > 1


def _entry(row: RunEntry, several: set[int | None], taken_back: set[str]) -> SheetEntry:
    marks = []
    if row.is_after_end:
        marks.append("after the end")
    if row.skew_seconds is not None and abs(row.skew_seconds) > SKEW_SHOWN_SECONDS:
        marks.append(f"clock {row.skew_seconds:+.0f} s")
    if {str(row.pk), f"{row.device_id}:{row.counter}"} & taken_back:
        marks.append("taken back")
    if row.pk in several:
        marks.append("entered twice")
    if difference := scan_difference(row.input):
        marks.append(difference)
    return SheetEntry(
        id=row.pk,
        kind=row.get_kind_display(),
        step=row.step_id,
        by=row.actor_name or row.get_channel_display(),
        device=row.device_id,
        at=written_at(row),
        received_at=row.received_at,
        said=said_in_words(row),
        marks=tuple(marks),
    )


def _taken_back(rows: Sequence[RunEntry]) -> set[str]:
    return {str(row.input.get("entry")) for row in rows if row.kind == Kind.TAKEN_BACK}


def _named_photos(rows: Sequence[RunEntry]) -> set[str]:
    """Return the photos of the log; those of entries that were kept aside are none of it."""
    return {sha256 for row in rows for sha256 in row.evidence}


def _restart(run: Run, rows: Sequence[RunEntry], began: datetime | None) -> float | None:
    """Return the seconds from the first step until the trouble was over, by what proves it."""
    passed = [written_at(row) for row in rows if row.kind == Kind.VERIFIED]
    over = run.alert.cleared_at if run.alert is not None else max(passed, default=None)
    if began is None or over is None or over < began:
        return None
    return (over - began).total_seconds()
