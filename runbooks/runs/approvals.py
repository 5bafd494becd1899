"""Whether somebody may answer an approval now; looking changes nothing."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User

from runbooks.library.run_log import run_progress
from runbooks.library.selectors import document_of
from runbooks.models import Run
from runbooks.runs.errors import RunError, run_ended
from runbooks.runs.log import Writer
from runbooks.runs.record import refuse_approver


def refusal_of(*, run: Run, step_id: str, by: User, now: datetime) -> RunError | None:
    """Return why `by` cannot answer the step's approval now, None where they can."""
    document = document_of(run.runbook_version)
    step = next((step for step in document.steps if step.id == step_id), None)
    if run.state in Run.ENDED:
        return run_ended(run)
    if step is None or step.kind != "approval":
        return RunError("kind_not_for_step", "This is no step that is approved.")
    try:
        progress = run_progress(run, now=now, document=document)
        refuse_approver(run, step, Writer.person(by), progress)
    except RunError as refusal:
        return refusal
    return None
