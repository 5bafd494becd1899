"""Escalations: begin, carry out the step that is due, stop, go on. The row is the timer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db.models import Exists, F, OuterRef

from fleet.queue import Job, enqueue_on_commit
from runbooks.escalation.choice import Choice, choose
from runbooks.escalation.plan import Step, forecast, read_steps
from runbooks.models import Alert, AlertEvent, BrokenPromise, Escalation, Page
from runbooks.paging.outbox import cancel_pages, queue_page
from runbooks.paging.people import owners_meant
from runbooks.paging.promises import report_broken
from runbooks.paging.timeline import spell_time, write_entry
from runbooks.paging.worklist import work_through

logger = logging.getLogger(__name__)

State = Escalation.State


@dataclass(frozen=True, slots=True)
class UpcomingStep:
    """One step still to come if nobody answers. `step_number` counts from 1."""

    at: datetime
    names: tuple[str, ...]
    step_number: int
    is_next: bool


def begin_escalation(*, alert: Alert, now: datetime) -> Escalation:
    """Start the escalation of a new alert, its first step due now, in the caller's transaction."""
    enqueue_on_commit(Job.ESCALATE_DUE)
    return Escalation.objects.create(
        alert=alert,
        policy_version=alert.policy_version,
        rounds_left=alert.policy_version.repeat,
        next_due_at=now,
    )


def stop_escalation(*, alert: Alert, now: datetime) -> None:
    """End the timers and cancel every page that is not out yet."""
    Escalation.objects.filter(alert=alert).update(state=State.STOPPED, next_due_at=None)
    cancel_pages(alert=alert, now=now)


def pause_escalation(*, alert: Alert, now: datetime) -> None:
    """Stop paging, but keep the time at which the next step was due."""
    Escalation.objects.filter(alert=alert, state=State.RUNNING).update(state=State.STOPPED)
    cancel_pages(alert=alert, now=now)


def resume_escalation(*, alert: Alert, now: datetime) -> None:
    """Page again: the wait goes on where a pause interrupted it, otherwise from the first step.

    So a condition that comes and goes within one wait pages nobody twice, and one that comes
    back later, or before anybody was reached, begins with the first step anew. People are looked
    up when a step is carried out.
    """
    rows = Escalation.objects.filter(alert=alert)
    reached = Page.objects.filter(alert=alert, sequence=OuterRef("sequence"), state=Page.State.SENT)
    paused = rows.filter(Exists(reached), state=State.STOPPED, next_due_at__gt=now)
    if paused.update(state=State.RUNNING):
        return
    rows.update(
        state=State.RUNNING,
        step_index=0,
        rounds_left=alert.policy_version.repeat,
        next_due_at=now,
    )
    enqueue_on_commit(Job.ESCALATE_DUE)


def advance_due_escalations(*, now: datetime, limit: int = 200) -> int:
    """Carry out one step of each escalation that is due, the longest due first; return how many.

    Each in one transaction: the step, its timeline entry and its page rows stand or fall
    together. After an outage it is still one step, and its whole delay begins now.
    """
    due = (
        Escalation.objects.select_for_update(skip_locked=True, no_key=True, of=("self", "alert"))
        .filter(state=State.RUNNING, next_due_at__lte=now)
        .select_related("alert__site__owner", "policy_version__policy")
        .order_by("next_due_at", "pk")
    )
    return work_through(
        due, partial(_advance, now=now), limit=limit, event="escalation.advance_failed"
    )


def upcoming_steps(*, alert: Alert, now: datetime) -> list[UpcomingStep]:
    """Return the steps still to come if nobody answers; none when nothing runs.

    Names are those of now; a step that is overdue is due now.
    """
    escalation = (
        Escalation.objects.filter(alert=alert, state=State.RUNNING)
        .select_related("policy_version", "alert__site")
        .first()
    )
    if escalation is None or escalation.next_due_at is None:
        return []
    steps = read_steps(escalation.policy_version.steps)
    coming = forecast(
        steps,
        step_index=escalation.step_index,
        rounds_left=escalation.rounds_left,
        next_due_at=max(escalation.next_due_at, now),
    )
    site = escalation.alert.site
    names = [
        tuple(owner.name for owner in owners_meant(step.notify, site=site, at=now))
        for step in steps
    ]
    return [
        UpcomingStep(at=at, names=names[index], step_number=index + 1, is_next=position == 0)
        for position, (index, at) in enumerate(coming)
    ]


def _advance(escalation: Escalation, *, now: datetime) -> None:
    alert = escalation.alert
    is_wanted = (
        alert.response == Alert.Response.UNACKNOWLEDGED
        and alert.condition == Alert.Condition.FIRING
    )
    if not is_wanted:
        stop_escalation(alert=alert, now=now)
        return
    steps = read_steps(escalation.policy_version.steps)
    choice = choose(
        steps,
        step_index=escalation.step_index,
        rounds_left=escalation.rounds_left,
        site=alert.site,
        now=now,
    )
    if choice is None:
        _exhaust(escalation, steps, now)
        return
    decision = choice.decision
    Escalation.objects.filter(pk=escalation.pk).update(
        step_index=decision.next_step,
        rounds_left=decision.rounds_left,
        next_due_at=decision.next_due_at,
        sequence=F("sequence") + 1,
        last_step_at=now,
    )
    _tell(escalation, choice, now)
    for person in choice.people:
        queue_page(
            alert=alert,
            owner=person.owner,
            contact=person.contact,
            sequence=escalation.sequence + 1,
            step_index=choice.step,
            reason=choice.reason(escalation.policy_version.policy.name),
            give_up_at=choice.ends_at,
            now=now,
        )


def _tell(escalation: Escalation, choice: Choice, now: datetime) -> None:
    """Write what this step does into the timeline, and raise it when a step reached nobody."""
    alert = escalation.alert
    policy = escalation.policy_version.policy.name
    for number in choice.unreachable:
        sentence = (
            f"Nobody of step {number + 1} of {policy} can be reached: no working contact. "
            f"{choice.instead}"
        )
        write_entry(alert=alert, kind=AlertEvent.Kind.NOBODY_REACHABLE, sentence=sentence, now=now)
        report_broken(
            code=BrokenPromise.Code.NOBODY_REACHABLE,
            subject=f"site {alert.site.slug}",
            sentence=f"{alert.site}: {sentence} Give these people a working contact.",
            now=now,
        )
    if choice.people:
        write_entry(
            alert=alert,
            kind=AlertEvent.Kind.PAGED,
            sentence=(
                f"Step {choice.step + 1} of {policy}: {_names(choice)} paged. "
                f"Next step at {spell_time(choice.ends_at)} if nobody answers."
            ),
            now=now,
        )


def _exhaust(escalation: Escalation, steps: Sequence[Step], now: datetime) -> None:
    Escalation.objects.filter(pk=escalation.pk).update(state=State.EXHAUSTED, next_due_at=None)
    logger.warning("escalation.exhausted", extra={"alert_id": escalation.alert_id})
    plural = "step was" if len(steps) == 1 else "steps were"
    write_entry(
        alert=escalation.alert,
        kind=AlertEvent.Kind.EXHAUSTED,
        sentence=(
            f"Nobody answered: the {len(steps)} {plural} carried out in every round. Nobody else "
            "is paged; the alert stays open until somebody takes it."
        ),
        now=now,
    )


def _names(choice: Choice) -> str:
    return ", ".join(f"{person.owner.name} by {person.contact.label}" for person in choice.people)
