"""The steps that a machine does: asked for in a run's log, done once, given up in time."""

from __future__ import annotations

from datetime import datetime, timedelta

from fleet.queue import Job, enqueue_on_commit
from runbooks.library.document import RunbookStep
from runbooks.models import Run, RunEntry, RunJob

#: How long a value may take to come within its bounds, where the step does not say.
SETTLING = timedelta(minutes=2)


def ask(*, run: Run, step: RunbookStep, entry: RunEntry, now: datetime) -> None:
    """Have the engine verify a step; a wish while one is open asks nothing more."""
    if RunJob.objects.filter(run=run, step_id=step.id, state__in=RunJob.OPEN).exists():
        return
    holds = timedelta(seconds=step.for_seconds or 0)
    settles = SETTLING if step.within_seconds is None else timedelta(seconds=step.within_seconds)
    RunJob.objects.create(
        run=run,
        step_id=step.id,
        key=f"{run.pk}/{entry.pk}",
        is_destructive=step.is_destructive,
        asked_by=entry.actor,
        asked_at=now,
        due_at=now,
        gives_up_at=now + holds + settles,
    )
    enqueue_on_commit(Job.VERIFY_STEPS)
