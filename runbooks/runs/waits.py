"""How long runs have waited for people: since their last entry, or since a timer of theirs ended.

What Hearthwatch itself verifies waits for nobody; a paused run waits for whoever paused it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Exists, Max, OuterRef, Subquery
from django.db.models.functions import Coalesce

from runbooks.library.log_entry import end_of_wait
from runbooks.library.run_log import log_entry_of
from runbooks.library.values import LONGEST_SECONDS
from runbooks.models import Run, RunEntry, RunJob
from runbooks.runs.log import Kind

_LONGEST_TIMER: Final = timedelta(seconds=LONGEST_SECONDS)


@dataclass(frozen=True, slots=True)
class Wait:
    """One run that nothing was entered in since `since`."""

    run: Run
    since: datetime


def longest_wait() -> timedelta:
    """Return how long a run may wait before somebody is told."""
    return timedelta(minutes=settings.HEARTHWATCH_RUN_WAIT_MINUTES)


def waits_since(run: Run, rows: Iterable[RunEntry]) -> datetime:
    """Return since when an open run waits, from its log; later than now while a timer runs."""
    moments = [run.created_at]
    for row in rows:
        moments.append(row.received_at)
        end = end_of_wait(log_entry_of(row)) if row.kind == Kind.TIMER_STARTED else None
        if end is not None:
            # No wait is longer, whatever a device with a wrong clock says.
            moments.append(min(end, row.received_at + _LONGEST_TIMER))
    return max(moments)


def runs_that_wait(*, now: datetime) -> list[Wait]:
    """Return the runs that have waited too long, the longest wait first; two queries."""
    latest = now - longest_wait()
    entries = RunEntry.objects.filter(run=OuterRef("pk")).order_by().values("run")
    last = Subquery(entries.values_list(Max("received_at")))
    runs = (
        Run.objects.exclude(state__in=Run.ENDED)
        # Before the entries of each are looked at: a younger run has not waited that long.
        .filter(created_at__lte=latest)
        .filter(~Exists(RunJob.objects.filter(run=OuterRef("pk"), state__in=RunJob.OPEN)))
        .annotate(moved_at=Coalesce(last, "created_at"))
        .filter(moved_at__lte=latest)
        .defer("runbook_version__document", "runbook_version__source", "values")
        .select_related("site__owner", "alert", "runbook_version__runbook", "lead", "assigned_to")
    )
    found = {run.pk: Wait(run, run.moved_at) for run in runs.order_by("moved_at", "pk")}
    timers = RunEntry.objects.filter(run__in=found, kind=Kind.TIMER_STARTED)
    for timer in timers if found else ():
        wait = found[timer.run_id]
        found[timer.run_id] = Wait(wait.run, max(wait.since, waits_since(wait.run, [timer])))
    return [wait for wait in found.values() if wait.since <= latest]
