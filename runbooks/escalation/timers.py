"""The timer of an escalation: begin, stop, pause, go on, hold back. The row is the timer.

Callers hold the alert's row lock; the lock order is alert, escalation, pages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    Case,
    DurationField,
    Exists,
    F,
    FloatField,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.expressions import ExpressionWrapper
from django.db.models.functions import Cast, Extract, Greatest

from fleet.queue import Job, enqueue_on_commit
from runbooks.escalation.steps import PlanError, read_steps
from runbooks.models import Alert, Escalation, EscalationPolicyVersion, Page
from runbooks.paging.outbox import cancel_pages

State = Escalation.State

NO_GRACE = timedelta(0)
#: Waits for the hours of a step to begin, rather than for an answer to the one before.
FOR_HOURS = Q(hours_begin_at__isnull=False, hours_begin_at=F("next_due_at"))


def begin_escalations(*, alerts: Sequence[Alert], now: datetime) -> None:
    """Start the escalations of new alerts in the caller's transaction, each with its step due."""
    enqueue_on_commit(Job.ESCALATE_DUE)
    Escalation.objects.bulk_create(
        Escalation(
            alert=alert,
            policy_version=alert.policy_version,
            rounds_left=alert.policy_version.repeat,
            next_due_at=now,
        )
        for alert in alerts
    )


def stop_escalation(*, alert: Alert) -> None:
    """End the timer and cancel every page that is not out yet."""
    stop_escalations(alert_ids=[alert.pk])


def stop_escalations(*, alert_ids: Collection[int]) -> None:
    """Do what `stop_escalation` does for many alerts in a few statements."""
    Escalation.objects.filter(alert__in=alert_ids).update(
        state=State.STOPPED, next_due_at=None, remaining_seconds=None
    )
    cancel_pages(alert_ids=alert_ids)


def pause_escalations(*, alert_ids: Collection[int], now: datetime) -> None:
    """Stop paging for these alerts, but keep the times at which their next steps were due."""
    if not alert_ids:
        return
    rows = Escalation.objects.filter(alert__in=alert_ids)
    rows.filter(state=State.RUNNING).update(state=State.STOPPED)
    rows.filter(state=State.SUSPENDED).update(
        state=State.STOPPED, next_due_at=_after_what_is_left(now), remaining_seconds=None
    )
    cancel_pages(alert_ids=alert_ids)


def resume_escalation(*, alert: Alert, now: datetime, grace: timedelta = NO_GRACE) -> None:
    """Page again: the wait goes on where a pause interrupted it, otherwise from the first step.

    So a condition that comes and goes within one wait pages nobody twice, and one that comes
    back later, or before anybody was reached, begins with the first step anew, after `grace`.
    People are looked up when a step is carried out. What is suppressed keeps its place and waits
    until it is released.
    """
    rows = Escalation.objects.filter(alert=alert)
    paused = rows.filter(Exists(_reached()), state=State.STOPPED, next_due_at__gt=now)
    if not paused.update(state=State.RUNNING, remaining_seconds=None):
        rows.update(
            state=State.RUNNING,
            step_index=0,
            rounds_left=alert.policy_version.repeat,
            start_sequence=F("sequence"),
            next_due_at=now + grace,
            remaining_seconds=None,
            nobody_since=None,
        )
    _hold_if_suppressed(alert, now)
    enqueue_on_commit(Job.ESCALATE_DUE)


def go_on_with_escalation(*, alert: Alert, now: datetime) -> None:
    """Page on after a pause without beginning anew, for what comes and goes all the time.

    The next step is due when it was, or now; a step whose pages the pause cancelled before they
    reached anybody is due again. An exhausted escalation stays exhausted.
    """
    stopped = Escalation.objects.filter(alert=alert, state=State.STOPPED)
    due = Greatest(F("next_due_at"), Value(now))
    if not stopped.filter(next_due_at__isnull=False).update(state=State.RUNNING, next_due_at=due):
        # Somebody had it meanwhile and gave it back: there is no wait to go on with.
        if stopped.exists():
            resume_escalation(alert=alert, now=now)
        return
    for step_index, rounds_left, ids in _steps_that_reached_nobody([alert.pk]):
        Escalation.objects.filter(pk__in=ids).update(
            step_index=step_index, rounds_left=rounds_left, next_due_at=now
        )
    _hold_if_suppressed(alert, now)
    enqueue_on_commit(Job.ESCALATE_DUE)


def hurry_escalation(*, alert: Alert, now: datetime) -> None:
    """Take the next step now where other steps may fit an alert that got worse.

    A step may have been put off until its hours, or waited out for people of a milder severity;
    a policy without conditions goes on as it was.
    """
    try:
        steps = read_steps(alert.policy_version.steps)
        has_conditions = any(step.severities or step.hours for step in steps)
    except PlanError:
        has_conditions = True
    if not has_conditions:
        return
    rows = Escalation.objects.filter(alert=alert)
    rows.filter(state=State.SUSPENDED).update(remaining_seconds=0)
    if rows.filter(state=State.RUNNING, next_due_at__gt=now).update(next_due_at=now):
        enqueue_on_commit(Job.ESCALATE_DUE)


def suspend_escalation(*, alert: Alert, now: datetime) -> None:
    """Hold paging back: the rest of the wait is kept, and what is not out yet is cancelled.

    When the step under way had reached nobody, that same step is due as soon as it is lifted. A
    wait for hours is no delay that could be kept: by the clock of then it is worked out anew.
    """
    suspend_escalations(alert_ids=[alert.pk], now=now)


def suspend_escalations(*, alert_ids: Collection[int], now: datetime) -> int:
    """Do what `suspend_escalation` does for many alerts in a few statements; return how many."""
    unreached = _steps_that_reached_nobody(alert_ids)
    running = Escalation.objects.filter(alert__in=alert_ids, state=State.RUNNING)
    count = running.update(
        state=State.SUSPENDED, remaining_seconds=_what_is_left(now), next_due_at=None
    )
    for step_index, rounds_left, ids in unreached:
        Escalation.objects.filter(pk__in=ids).update(
            step_index=step_index, rounds_left=rounds_left, remaining_seconds=0
        )
    cancel_pages(alert_ids=alert_ids)
    return count


def lift_suspension(*, alert: Alert, now: datetime) -> None:
    """Page again after `suspend_escalation`: the wait goes on with what was left of it.

    Without a suspension it changes nothing.
    """
    lift_suspensions(alert_ids=[alert.pk], now=now)


def lift_suspensions(*, alert_ids: Collection[int], now: datetime) -> int:
    """Do what `lift_suspension` does for many alerts in one statement; return how many."""
    held = Escalation.objects.filter(alert__in=alert_ids, state=State.SUSPENDED)
    lifted = held.update(
        state=State.RUNNING, next_due_at=_after_what_is_left(now), remaining_seconds=None
    )
    if lifted:
        enqueue_on_commit(Job.ESCALATE_DUE)
    return lifted


def step_before(
    *, step_index: int, rounds_left: int, repeat: int, step_count: int
) -> tuple[int, int]:
    """Return step and rounds left as they were before the last step was carried out.

    Of an escalation that has carried out none since it began, they are those of its beginning.
    """
    if step_index > 0:
        return step_index - 1, rounds_left
    if rounds_left < repeat:
        return step_count - 1, rounds_left + 1
    return 0, repeat


def _reached() -> QuerySet[Page]:
    """Return the pages of the step under way that got through; for a query over escalations."""
    return Page.objects.filter(
        alert=OuterRef("alert_id"),
        sequence=OuterRef("sequence"),
        purpose=Page.Purpose.PAGE,
        state=Page.State.SENT,
    )


def _steps_that_reached_nobody(alert_ids: Collection[int]) -> list[tuple[int, int, list[int]]]:
    """Return `(step, rounds left, escalation ids)` of running steps that reached nobody yet."""
    rows = (
        Escalation.objects.select_for_update(no_key=True, of=("self",))
        .filter(~Exists(_reached()), alert__in=alert_ids, state=State.RUNNING)
        .exclude(FOR_HOURS)
        .order_by("pk")
        .values_list("pk", "step_index", "rounds_left", "policy_version_id")
    )
    found = list(rows)
    versions = EscalationPolicyVersion.objects.in_bulk({row[3] for row in found})
    grouped: dict[tuple[int, int], list[int]] = defaultdict(list)
    for pk, step_index, rounds_left, version_id in found:
        version = versions[version_id]
        before = step_before(
            step_index=step_index,
            rounds_left=rounds_left,
            repeat=version.repeat,
            step_count=len(version.steps),
        )
        grouped[before].append(pk)
    return [(step, rounds, ids) for (step, rounds), ids in grouped.items()]


def _hold_if_suppressed(alert: Alert, now: datetime) -> None:
    if Alert.objects.filter(pk=alert.pk, is_suppressed=True).exists():
        suspend_escalations(alert_ids=[alert.pk], now=now)


def _what_is_left(now: datetime) -> Case:
    """Return, as SQL, the seconds until the next step is due, never less than none.

    None are left of a wait for hours: whoever lifts it has the step looked at again at once.
    """
    left = ExpressionWrapper(F("next_due_at") - Value(now), output_field=DurationField())
    seconds = Cast(Extract(left, "epoch"), FloatField())
    left_over = Greatest(seconds, Value(0.0), output_field=FloatField())
    return Case(When(FOR_HOURS, then=Value(0.0)), default=left_over, output_field=FloatField())


def _after_what_is_left(now: datetime) -> ExpressionWrapper[Any]:
    """Return, as SQL, the moment at which what was left of the wait is over."""
    left = ExpressionWrapper(
        F("remaining_seconds") * Value(timedelta(seconds=1)), output_field=DurationField()
    )
    due = Escalation._meta.get_field("next_due_at")
    return ExpressionWrapper(Value(now) + left, output_field=due)
