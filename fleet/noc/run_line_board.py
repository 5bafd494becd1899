"""One run in a few words, for lists and cards: where it is, who has it, what it waits for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from fleet.noc.run_words import entry_words, state_words, waits_words
from runbooks.library.document import RunbookDocument, RunbookError, fill
from runbooks.library.outcomes import Progress
from runbooks.library.run_log import names_of, run_progress
from runbooks.library.selectors import document_of
from runbooks.models import Run, RunbookVersion, RunEntry
from runbooks.runs.log import name_of
from runbooks.runs.sheet import written_at
from runbooks.runs.waits import longest_wait, waits_since

#: What many runs share is read once by `run_lines`; the text of an edition not at all.
SHARED: Final = ("runbook_version__document", "runbook_version__source")
#: A shorter wait is how work goes.
WORTH_SAYING: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class LastEntry:
    """What was entered last: by whom, what, when it was written."""

    by: str
    words: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DoneStep:
    """One step that is done, and when, by the server's clock."""

    number: int
    at: datetime


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run in a few words.

    `number` and `step` name the step it is at, 0 and empty where none is left. `undone` names the
    mandatory steps that are left. An edition that cannot be read leaves all of it empty.
    """

    run: Run
    title: str
    state: str
    total: int = 0
    settled: int = 0
    number: int = 0
    step: str = ""
    waits: str = ""
    until: datetime | None = None
    undone: str = ""
    last: LastEntry | None = None
    #: Since when it waits for people, where that is worth saying, and whether it is too long.
    waiting_since: datetime | None = None
    waits_too_long: bool = False
    done: tuple[DoneStep, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether anything may still be entered that counts."""
        return self.run.state not in Run.ENDED

    @property
    def is_paused(self) -> bool:
        """Whether somebody holds it."""
        return self.is_open and self.run.paused_at is not None

    @property
    def lead(self) -> str:
        """Who decides."""
        return name_of(self.run.lead) or "nobody"

    @property
    def hands(self) -> str:
        """Whom it was dispatched to, where that is somebody else than its lead."""
        run = self.run
        return name_of(run.assigned_to) if run.assigned_to_id not in (None, run.lead_id) else ""


def run_lines(runs: Sequence[Run], *, now: datetime) -> list[RunLine]:
    """Return each run in words; one query for all their editions, one for all their entries."""
    rows: dict[int, list[RunEntry]] = {run.pk: [] for run in runs}
    if not rows:
        return []
    for row in RunEntry.objects.filter(run__in=rows).defer("evidence").order_by("pk"):
        rows[row.run_id].append(row)
    documents = _documents({run.runbook_version_id for run in runs})
    return [
        run_line(run, rows[run.pk], now=now, document=documents.get(run.runbook_version_id))
        for run in runs
    ]


def _documents(version_ids: Collection[int]) -> dict[int, RunbookDocument]:
    """Return the document of each edition that can be read; each is read once."""
    found = {}
    for version in RunbookVersion.objects.filter(pk__in=version_ids).only("document"):
        with suppress(RunbookError):
            found[version.pk] = document_of(version)
    return found


def run_line(
    run: Run,
    rows: Sequence[RunEntry],
    *,
    now: datetime,
    document: RunbookDocument | None = None,
    progress: Progress | None = None,
) -> RunLine:
    """Return a run in words, from its log; without its document, which nobody can read, in few."""
    if document is None:
        return RunLine(run, run.runbook_version.runbook.title, state_words(run))
    progress = progress or run_progress(run, now=now, document=document, rows=rows)
    since = _waiting_since(run, rows, progress)
    waited = now - since if since else timedelta(0)
    step = next((step for step in document.steps if step.id == progress.current), None)
    numbers = {step.id: step.number for step in document.steps}
    by_id = {row.pk: row for row in rows}
    return RunLine(
        run=run,
        title=document.title,
        state=state_words(run),
        total=len(document.steps),
        settled=sum(found.outcome not in ("open", "waiting") for found in progress.steps),
        number=step.number if step else 0,
        step=fill(step.title, run.values) if step else "",
        waits=waits_words(progress, step) or _first_words(run),
        until=progress.until if progress.waits_for == "timer" else None,
        undone=names_of(document, progress.undone, run.values) if progress.undone else "",
        last=_last(run, rows),
        waiting_since=since if waited >= WORTH_SAYING else None,
        waits_too_long=waited >= longest_wait(),
        done=tuple(
            DoneStep(numbers[found.id], written_at(by_id[found.counts.id]))
            for found in progress.steps
            if found.outcome == "done" and found.counts and found.counts.id in by_id
        ),
    )


def _waiting_since(run: Run, rows: Sequence[RunEntry], progress: Progress) -> datetime | None:
    """Return since when people are waited for; None where it ended, or Hearthwatch is at work."""
    is_at_work = progress.waits_for in ("timer", "verify") and run.paused_at is None
    return None if run.state in Run.ENDED or is_at_work else waits_since(run, rows)


def _first_words(run: Run) -> str:
    return "its first entry" if run.state == Run.State.CREATED else ""


def _last(run: Run, rows: Sequence[RunEntry]) -> LastEntry | None:
    if not rows:
        return None
    row = rows[-1]
    by = row.actor_name or row.get_channel_display()
    return LastEntry(by, entry_words(row, run.site.time_zone), written_at(row))
