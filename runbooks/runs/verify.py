"""Verify steps by the live readings: claimed under a lease, looked at, and told in the log.

A job is claimed in a short transaction, the readings are read outside any, and the outcome is
written only by whoever still holds the lease. A worker that dies lets go when the lease ends. A
look at readings may then be taken by another; a step that changes something is never done again by
itself: its outcome is unknown, and a person looks before they repeat it.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import Q

from fleet.models import Node
from fleet.services.engine import Module, engine_transaction
from runbooks.library.document import RunbookError, RunbookStep, device_to_verify
from runbooks.library.selectors import document_of
from runbooks.models import Run, RunJob
from runbooks.paging.worklist import work_through
from runbooks.runs.judge import Look, Measured, Verdict, judge, measured_unit
from runbooks.runs.log import ENGINE, Kind, locked_run, settle, write
from telemetry import store
from telemetry.selectors import Reading, current_readings

logger = logging.getLogger(__name__)

#: How long a worker may take for one look.
LEASE = timedelta(seconds=60)
#: Between two looks at readings that do not pass yet.
LOOK_EVERY = timedelta(seconds=10)

State = RunJob.State

_KINDS = {
    State.PASSED: Kind.VERIFIED,
    State.FAILED: Kind.VERIFY_FAILED,
    State.UNKNOWN: Kind.OUTCOME_UNKNOWN,
}


def verify_due_steps(*, now: datetime, limit: int = 50) -> int:
    """Do the jobs that are due, at most `limit`; return how many were looked at."""
    give_up_lost_jobs(now=now)
    for done in range(limit):
        job = claim_job(now=now)
        if job is None:
            return done
        record_look(job=job, look=look_at(job=job, now=now), now=now)
    return limit


def claim_job(*, now: datetime) -> RunJob | None:
    """Lease the job that is due the longest; None when none is.

    One whose worker has died is leased again, unless it changes something.
    """
    is_lost = Q(state=State.LEASED, is_destructive=False, lease_expires_at__lte=now)
    with engine_transaction(module=Module.RUNS):
        due = RunJob.objects.filter(Q(state=State.WAITING, due_at__lte=now) | is_lost)
        job = due.select_for_update(skip_locked=True).order_by("due_at", "pk").first()
        if job is None:
            return None
        job.state, job.lease_token = State.LEASED, uuid.uuid4().hex
        job.lease_expires_at = now + LEASE
        job.save(update_fields=["state", "lease_token", "lease_expires_at"])
    return job


def give_up_lost_jobs(*, now: datetime) -> int:
    """End the jobs that change something and whose worker has died; return how many."""
    lost = RunJob.objects.filter(state=State.LEASED, is_destructive=True, lease_expires_at__lte=now)
    sentence = (
        "What did this step ended before it said what came of it. Verify before you repeat it."
    )
    return sum(_end(job, State.UNKNOWN, Look(Verdict.UNKNOWN, sentence), now) for job in lost)


def look_at(*, job: RunJob, now: datetime) -> Look:
    """Return what the live readings of the run's node, or of its whole site, say of the step."""
    run = Run.objects.select_related("runbook_version", "node").get(pk=job.run_id)
    try:
        steps = document_of(run.runbook_version).steps
    except RunbookError as exc:
        # One edition that cannot be read holds up no other run.
        return Look(Verdict.UNKNOWN, str(exc))
    step = next((step for step in steps if step.id == job.step_id), None)
    if step is None:
        return Look(Verdict.UNKNOWN, "The edition the run follows now has no such step.")
    # Of the alert's own mount or sensor, where the step says so.
    step = replace(step, device=device_to_verify(step, run.values))
    return judge(step, _series_of(run, step, now), now=now)


def record_look(*, job: RunJob, look: Look, now: datetime) -> None:
    """Tell what a look found; one that does not pass yet is taken again until its time is over."""
    if look.verdict == Verdict.PASSED:
        _end(job, State.PASSED, look, now)
    elif now >= job.gives_up_at:
        is_unknown = look.verdict == Verdict.UNKNOWN
        _end(job, State.UNKNOWN if is_unknown else State.FAILED, look, now)
    else:
        _held(job).update(
            state=State.WAITING,
            due_at=min(now + LOOK_EVERY, job.gives_up_at),
            lease_token="",
            lease_expires_at=None,
            result=_result(look),
        )


def end_waits(*, now: datetime, limit: int = 50) -> int:
    """Bring the state of runs in line whose wait is over, so that open screens hear of it.

    At most `limit` of them; returns how many.
    """
    # One that was made to wait before ends of timers were kept says no end: it is looked at once.
    due = Run.objects.filter(
        Q(timer_ends_at__lte=now) | Q(timer_ends_at__isnull=True), state=Run.State.WAITING_TIMER
    )
    locked = due.select_for_update(skip_locked=True, no_key=True, of=("self",))
    return work_through(
        locked.select_related("runbook_version").order_by("timer_ends_at", "pk"),
        partial(settle, now=now),
        module=Module.RUNS,
        limit=limit,
        event="run.wait_not_ended",
    )


def _series_of(run: Run, step: RunbookStep, now: datetime) -> list[Measured]:
    """Return what the step looks at: of the run's node, or of every watched one of its site."""
    found = _measured(step, [run.node], now) if run.node else []
    # A sensor by name may hang at another node: one inlet serves a room.
    if found or (run.node and not step.device):
        return found
    return _measured(step, list(Node.objects.filter(site=run.site_id, is_watched=True)), now)


def _measured(step: RunbookStep, nodes: list[Node], now: datetime) -> list[Measured]:
    readings = current_readings(nodes=nodes)
    return [
        _measure(step, node, reading, now)
        for node in nodes
        for reading in readings[node.pk]
        if (reading.metric, reading.unit) == (step.metric, measured_unit(step))
        and step.device in ("", reading.device)
    ]


def _measure(step: RunbookStep, node: Node, reading: Reading, now: datetime) -> Measured:
    points = store.read_points(
        node_id=node.pk,
        metric=reading.metric,
        device=reading.device,
        since=now - timedelta(seconds=step.for_seconds or 1),
        until=now,
    )
    return Measured(
        name=" ".join(filter(None, [node.name, reading.device, reading.label.lower()])),
        unit=reading.unit,
        seconds=node.window_seconds,
        end=reading.end,
        value=reading.value,
        lowest=reading.low,
        highest=reading.high,
        starts=points.start,
        low=points.min,
        high=points.max,
    )


@engine_transaction(module=Module.RUNS)
def _end(job: RunJob, state: RunJob.State, look: Look, now: datetime) -> bool:
    """Write the outcome; False when the lease is no longer this worker's."""
    run = locked_run(job.run_id)
    result = _result(look)
    if not _held(job).update(state=state, ended_at=now, result=result, lease_expires_at=None):
        return False
    logger.info("run.step_verified", extra={"run_id": run.pk, "step": job.step_id, "state": state})
    if run.state not in Run.ENDED:
        write(run, _KINDS[state], ENGINE, now=now, step_id=job.step_id, input=result)
        settle(run, now=now)
    return True


def _held(job: RunJob) -> Any:
    return RunJob.objects.filter(pk=job.pk, state=State.LEASED, lease_token=job.lease_token)


def _result(look: Look) -> dict[str, object]:
    return {"value": look.value, "unit": look.unit, "sentence": look.sentence}
