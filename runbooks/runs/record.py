"""Take one entry of a person into the log, and do what it asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from fleet.access import Action, has_standing, may
from runbooks.library.document import RunbookDocument, RunbookStep
from runbooks.library.log_entry import COUNT_WORD
from runbooks.library.run_log import run_progress
from runbooks.library.selectors import document_of
from runbooks.models import Run, RunbookVersion, RunEntry, RunToken
from runbooks.runs import jobs
from runbooks.runs.batch import is_whole
from runbooks.runs.checks import Draft, check_draft
from runbooks.runs.errors import RunError
from runbooks.runs.log import Channel, Kind, Writer, name_of, write
from runbooks.runs.scans import judge_scan, with_visible_code

if TYPE_CHECKING:
    from runbooks.library.outcomes import Progress


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


def step_in(document: RunbookDocument, step_id: str) -> RunbookStep | None:
    """Return a step of an edition by its id, None where there is no such step."""
    return next((step for step in document.steps if step.id == step_id), None)


def device_writer(token: RunToken | None, draft: Draft) -> Writer:
    """Return who wrote an entry of a device: its key's account, else the name they gave."""
    user = token.user if token else None
    name = name_of(user) or draft.by_name or f"Tablet {draft.device_id[:8]}"
    return Writer(user, name, Channel.TABLET)


def is_same_word(row: RunEntry, draft: Draft, number: object, *, run: Run) -> bool:
    """Tell whether a row of the log is this very entry of the run, in front of edition `number`.

    The draft is of an entry that was made visible, as what the log has was.
    """
    step = step_in(document_of(row.runbook_version), draft.step_id)
    # The log has the server's word on a scan beside what the device said.
    judged = judge_scan(draft, step, run.values)
    return (
        row.run_id == run.pk
        and (row.kind, row.step_id) == (draft.kind, draft.step_id)
        and row.client_at == draft.client_at
        and row.input in (draft.input, judged.input)
        and tuple(row.evidence) == draft.evidence
        and row.runbook_version.number == number
    )


def record(
    *,
    run: Run,
    draft: Draft,
    writer: Writer,
    place: Place,
    now: datetime,
    is_count_taken: bool = False,
) -> RunEntry:
    """Write the entry of a locked run; RunError when it cannot be taken in.

    The caller brings the run's state in line afterwards. What arrives after the run's end is
    taken in and marked; it starts nothing. Where another entry has its count, it stands without
    one of its own and says which it was.
    """
    step = step_in(place.document, draft.step_id)
    draft = with_visible_code(draft, step)
    check_draft(draft, step)
    draft = judge_scan(draft, step, run.values)
    if is_count_taken:
        said = {**draft.input, COUNT_WORD: draft.counter}
        draft = replace(draft, counter=None, input=said)
    _refuse_writer(run, step, draft, writer, now)
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


def _refuse_writer(
    run: Run, step: RunbookStep | None, draft: Draft, writer: Writer, now: datetime
) -> None:
    if step is not None and draft.kind in (Kind.APPROVED, Kind.REFUSED):
        refuse_approver(run, step, writer, run_progress(run, now=now))
    if draft.kind == Kind.COUNTED:
        refuse_choice(run, draft, writer)


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
