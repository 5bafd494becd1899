"""The steps that a machine does: asked for in a run's log, done once, given up in time."""

from __future__ import annotations

from datetime import datetime, timedelta

from fleet.queue import Job, enqueue_on_commit
from runbooks.library.document import RunbookStep
from runbooks.models import Run, RunEntry, RunJob

#: How long a value may take to come within its bounds before it has to hold.
SETTLING = timedelta(minutes=2)


def ask(*, run: Run, step: RunbookStep, entry: RunEntry, now: datetime) -> None:
    """Have the engine verify a step; a wish while one is open asks nothing more."""
    still_open = (RunJob.State.WAITING, RunJob.State.LEASED)
    if RunJob.objects.filter(run=run, step_id=step.id, state__in=still_open).exists():
        return
    holds = timedelta(seconds=step.for_seconds or 0)
    RunJob.objects.create(
        run=run,
        step_id=step.id,
        key=f"{run.pk}/{entry.pk}",
        is_destructive=step.is_destructive,
        asked_by=entry.actor,
        asked_at=now,
        due_at=now,
        gives_up_at=now + holds + SETTLING,
    )
    enqueue_on_commit(Job.VERIFY_STEPS)
