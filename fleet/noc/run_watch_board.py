"""What the page of a run shows to those who watch it. It reads, it never writes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User

from fleet.access import Action, AnyUser, may, users_who_may
from fleet.noc.chart_cards import Span
from fleet.noc.run_entry_board import EntryView, entry_view, log_facts
from fleet.noc.run_line_board import RunLine, run_line
from fleet.noc.run_quarantine_board import AsideView, aside_of_run
from fleet.noc.run_step_board import Standing, StepRow, outside_entries, step_rows
from fleet.noc.runbook_board import step_views
from runbooks.library.document import RunbookDocument, RunbookError
from runbooks.library.outcomes import Progress
from runbooks.library.run_log import run_progress
from runbooks.models import Alert, Run, RunbookVersion, RunEntry, RunJob
from runbooks.runs.latecomers import late_entries
from runbooks.runs.log import Writer, name_of
from runbooks.runs.pack import entries_of
from runbooks.runs.presence import present
from runbooks.runs.selectors import document_for_run, newer_edition

_SHOWN_ENTRIES: Final = 200


@dataclass(frozen=True, slots=True)
class WatchBoard:
    """One run with its steps, its log and what may be decided; no steps where none can be read."""

    run: Run
    line: RunLine
    zone_words: str
    may_run: bool
    is_lead: bool
    #: Whether the reader may acknowledge the alert it is for, which nobody has yet.
    may_take: bool = False
    can_fail: bool = False
    can_finish: bool = False
    steps: list[StepRow] = field(default_factory=list)
    log: list[EntryView] = field(default_factory=list)
    older_entries: int = 0
    aside: list[AsideView] = field(default_factory=list)
    late: int = 0
    #: Those of them that nobody said they looked at.
    unread: int = 0
    newer: RunbookVersion | None = None
    colleagues: list[User] = field(default_factory=list)
    #: Who has it on a screen now, in words such as `Kim Tan (step 4)`.
    present: list[str] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether it may still be acted on."""
        return self.line.is_open

    @property
    def may_act(self) -> bool:
        """Whether the reader may do anything to it."""
        return self.is_open and self.may_run

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left but to end it."""
        return self.can_finish and bool(self.steps) and not self.line.number

    @property
    def paused_by(self) -> str:
        """Who holds it, as far as the log that is shown says."""
        holds = [entry.by for entry in self.log if entry.row.kind == RunEntry.Kind.PAUSED]
        return holds[0] if holds else ""


def watch_board(*, user: AnyUser, run: Run, now: datetime) -> WatchBoard:
    """Return the board of a run `user` may see."""
    rows = list(entries_of(run))
    standing = _standing(user, run, may_run=may(user, Action.RUN, run.site))
    zone_words = Span(now, now, run.site.time_zone, now).zone_words
    try:
        document = document_for_run(run)
    except RunbookError:
        line = run_line(run, rows, now=now)
        return WatchBoard(run, line, zone_words, standing.may_run, standing.is_lead)
    board = _board(run, document, rows, standing=standing, zone_words=zone_words, now=now)
    return replace(board, may_take=_may_take(user, run), present=_present(run, document, now))


def _present(run: Run, document: RunbookDocument, now: datetime) -> list[str]:
    numbers = {step.id: step.number for step in document.steps}
    return [
        f"{row.name} (step {numbers[row.step_id]})" if row.step_id in numbers else row.name
        for row in present(run=run, now=now)
    ]


def _may_take(user: AnyUser, run: Run) -> bool:
    alert = run.alert
    is_waiting = alert is not None and alert.response == Alert.Response.UNACKNOWLEDGED
    return is_waiting and may(user, Action.RESPOND, run.site)


def _board(
    run: Run,
    document: RunbookDocument,
    rows: list[RunEntry],
    *,
    standing: Standing,
    zone_words: str,
    now: datetime,
) -> WatchBoard:
    progress = run_progress(run, now=now, document=document, rows=rows)
    entries = _entries(run, document, rows)
    may_act = standing.is_open and standing.may_run
    return WatchBoard(
        run=run,
        line=run_line(run, rows, now=now, document=document, progress=progress),
        zone_words=zone_words,
        may_run=standing.may_run,
        is_lead=standing.is_lead,
        can_fail=bool(progress.unable),
        can_finish=not progress.undone,
        steps=_rows(run, document, progress, entries, standing),
        log=list(reversed(entries.values()))[:_SHOWN_ENTRIES],
        older_entries=max(0, len(rows) - _SHOWN_ENTRIES),
        aside=aside_of_run(run, may_run=standing.may_run),
        late=sum(row.is_after_end for row in rows),
        unread=late_entries().filter(run=run).count(),
        newer=newer_edition(run) if standing.is_open else None,
        colleagues=list(users_who_may(Action.RUN, run.site)) if may_act else [],
    )


def steps_followed(*, user: AnyUser, run: Run, may_run: bool, now: datetime) -> list[StepRow]:
    """Return a run's steps alone, for who may see it; none where its edition cannot be read."""
    try:
        document = document_for_run(run)
    except RunbookError:
        return []
    rows = list(entries_of(run))
    standing = _standing(user, run, may_run=may_run)
    progress = run_progress(run, now=now, document=document, rows=rows)
    return _rows(run, document, progress, _entries(run, document, rows), standing)


def _standing(user: AnyUser, run: Run, *, may_run: bool) -> Standing:
    account = user if isinstance(user, User) else None
    is_lead = account is not None and account.pk == run.lead_id
    return Standing(Writer(account), may_run, is_lead, run.state not in Run.ENDED)


def _rows(
    run: Run,
    document: RunbookDocument,
    progress: Progress,
    entries: dict[int, EntryView],
    standing: Standing,
) -> list[StepRow]:
    views = step_views(document, values=run.values)
    return step_rows(
        run=run,
        steps=list(zip(document.steps, views, progress.steps, strict=True)),
        current=progress.current,
        entries=entries,
        looks=_looks(run),
        standing=standing,
    )


def _entries(run: Run, document: RunbookDocument, rows: list[RunEntry]) -> dict[int, EntryView]:
    facts = log_facts(
        run,
        rows,
        numbers={step.id: step.number for step in document.steps},
        outside=outside_entries(document.steps, rows),
    )
    return {row.pk: entry_view(row, facts) for row in rows}


def _looks(run: Run) -> dict[str, str]:
    """Return what the engine saw so far, by the step it verifies."""
    jobs = run.jobs.filter(state__in=RunJob.OPEN).values_list("step_id", "result")
    return {step_id: str(result.get("sentence") or "") for step_id, result in jobs}


def head_sentence(board: WatchBoard) -> str:
    """Return what the page says first: who does what now, or what is waited for."""
    run, line = board.run, board.line
    who = line.hands or line.lead
    place = f"step {line.number} of {line.total}, {line.step}" if line.number else ""
    if not line.is_open:
        return f"{run.get_state_display()}: {run.reason}" if run.reason else _end_words(run)
    if line.is_paused:
        return f"Paused by {board.paused_by or 'somebody'}: {run.reason}"
    if line.waits == "a decision":
        return f"Waits for a decision of {line.lead}" + (f" at {place}" if place else "")
    if line.waits and run.state != Run.State.CREATED:
        return f"Waits for {line.waits} at {place}"
    if not line.number:
        return f"Every step is settled; {line.lead} can end the run"
    return f"{who} is at {place}"


def _end_words(run: Run) -> str:
    return f"{run.get_state_display()}, led by {name_of(run.lead) or 'nobody'}"
