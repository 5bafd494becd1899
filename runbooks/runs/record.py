"""Take one entry of a person into the log, and do what it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from fleet.access import Action, has_standing, may
from runbooks.library.document import RunbookDocument, RunbookStep
from runbooks.library.run_log import run_progress
from runbooks.library.selectors import document_of
from runbooks.models import Run, RunbookVersion, RunEntry
from runbooks.runs import jobs
from runbooks.runs.batch import is_whole
from runbooks.runs.checks import Draft, check_draft
from runbooks.runs.errors import RunError
from runbooks.runs.log import Kind, Writer, name_of, write

if TYPE_CHECKING:
    from runbooks.library.progress import Progress


@dataclass(frozen=True, slots=True)
class Place:
    """What an entry was written in front of: the edition, and how far the clock was ahead."""

    version: RunbookVersion
    document: RunbookDocument
    skew_seconds: float | None = None


def place_of(run: Run, number: object, *, skew_seconds: float | None = None) -> Place:
    """Return the place of an entry that names an edition; RunError for one there never was."""
    own = run.runbook_version
    found = None
    if isinstance(number, int) and is_whole(number, 1, 2**31 - 1):
        is_own = own.number == number
        found = own if is_own else own.runbook.versions.filter(number=number).first()
    if found is None:
        raise RunError("edition_unknown", f"{own.runbook} has no such edition; update the tablet.")
    return Place(found, document_of(found), skew_seconds)


def record(*, run: Run, draft: Draft, writer: Writer, place: Place, now: datetime) -> RunEntry:
    """Write the entry of a locked run; RunError when it cannot be taken in.

    The caller brings the run's state in line afterwards. What arrives after the run's end is
    taken in and marked; it starts nothing.
    """
    step = next((step for step in place.document.steps if step.id == draft.step_id), None)
    check_draft(draft, step)
    if step is not None and draft.kind in (Kind.APPROVED, Kind.REFUSED):
        refuse_approver(run, step, writer, run_progress(run, now=now))
    if draft.kind == Kind.COUNTED:
        refuse_choice(run, draft, writer)
    entry = write(
        run,
        Kind(draft.kind),
        writer,
        now=now,
        step_id=draft.step_id,
        version=place.version,
        device_id=draft.device_id,
        counter=draft.counter,
        client_at=draft.client_at,
        skew_seconds=place.skew_seconds,
        input=dict(draft.input),
        evidence=list(draft.evidence),
    )
    if step is not None and draft.kind == Kind.VERIFY_ASKED and not entry.is_after_end:
        jobs.ask(run=run, step=step, entry=entry, now=now)
    return entry


def refuse_approver(run: Run, step: RunbookStep, writer: Writer, progress: Progress) -> None:
    """Raise RunError unless this person may answer: asked, another person, of the standing."""
    found = next((item for item in progress.steps if item.id == step.id), None)
    if found is None or found.waits_for != "approval":
        raise RunError(
            "nothing_to_approve",
            f"Nobody waits for an approval of step {step.number} now; look again.",
        )
    asks = run.entries.filter(kind=Kind.APPROVAL_ASKED, step_id=step.id)
    is_asker = writer.user is None or asks.filter(actor=writer.user).exists()
    if is_asker:
        raise RunError(
            "second_person_needed",
            f"Step {step.number} is approved by somebody else than who asks for it.",
        )
    if writer.user is None or not has_standing(writer.user, step.approver, run.site):
        raise RunError(
            "not_an_approver",
            f"Step {step.number} is approved by an {step.approver} of {run.site}; ask one.",
        )


def refuse_choice(run: Run, draft: Draft, writer: Writer) -> None:
    """Raise RunError unless the lead chooses an entry of the step."""
    is_lead = writer.user is not None and writer.user.pk == run.lead_id
    if not is_lead or writer.user is None or not may(writer.user, Action.RUN, run.site):
        lead = name_of(run.lead) or "nobody"
        raise RunError("not_the_lead", f"The lead of R-{run.pk}, {lead}, chooses what counts.")
    named = str(draft.input.get("entry", ""))
    rows = run.entries.filter(step_id=draft.step_id)
    if not named.isascii() or not named.isdecimal() or not rows.filter(pk=named[:18]).exists():
        raise RunError("entry_unknown", "Choose one of the step's entries by its number.")
