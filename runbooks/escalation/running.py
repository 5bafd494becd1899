"""Carry out the steps of escalations: when they are due, when a person asks, beside the plan."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from django.db.models import F

from fleet.models import Owner
from fleet.services.engine import Module
from runbooks.escalation.choice import Choice, choose
from runbooks.escalation.plan import PlanError, read_steps
from runbooks.escalation.timers import step_before, stop_escalation, suspend_escalation
from runbooks.models import Alert, AlertEvent, BrokenPromise, Escalation
from runbooks.paging.outbox import Order, queue_pages
from runbooks.paging.people import KnownOwners, known_owners, next_contact
from runbooks.paging.promises import report_broken
from runbooks.paging.timeline import spell_time, write_entries, write_entry
from runbooks.paging.worklist import work_through

logger = logging.getLogger(__name__)

State = Escalation.State


def advance_due_escalations(*, now: datetime, limit: int = 200) -> int:
    """Carry out one step of each escalation that is due, the longest due first; return how many.

    All of a step in one transaction: its timeline entry and its page rows stand or fall with it.
    Steps that simply page their people are carried out many at once. After an outage it is still
    one step, and its whole delay begins now. What is suppressed is held back instead.
    """
    due = (
        Escalation.objects.select_for_update(skip_locked=True, no_key=True, of=("self", "alert"))
        .filter(state=State.RUNNING, next_due_at__lte=now)
        .select_related("alert__site__owner", "policy_version__policy")
        .order_by("next_due_at", "pk")
    )
    return work_through(
        due,
        partial(_advance, now=now),
        module=Module.ESCALATION,
        limit=limit,
        event="escalation.advance_failed",
        together=partial(_advance_together, now=now),
    )


def force_escalation(*, alert: Alert, seen_sequence: int, now: datetime) -> bool:
    """Carry out the next step now, whatever is left of the wait; False when it has moved on.

    `seen_sequence` is the escalation's `sequence` that the person saw, so that a second click on
    a stale screen takes no second step. After the last step of the last round the first one is
    taken again. False, too, while the escalation is suspended.
    """
    escalation = (
        Escalation.objects.select_for_update(no_key=True, of=("self",))
        .filter(alert=alert, sequence=seen_sequence)
        .exclude(state=State.SUSPENDED)
        .select_related("alert__site__owner", "policy_version__policy")
        .first()
    )
    if escalation is None:
        return False
    if _is_at_its_end(escalation):
        escalation.step_index = 0
        escalation.rounds_left = escalation.policy_version.repeat
    Escalation.objects.filter(pk=escalation.pk).update(
        state=State.RUNNING,
        step_index=escalation.step_index,
        rounds_left=escalation.rounds_left,
        next_due_at=now,
        remaining_seconds=None,
    )
    _advance(escalation, now=now)
    return True


def page_directly(*, alert: Alert, owner: Owner, reason: str, now: datetime) -> bool:
    """Page one owner at once, as an extra step; False when they have no working contact.

    `reason` says in words why. The policy goes on when the delay of its last step has passed
    without an answer. False, too, while the escalation is suspended.
    """
    contact = next_contact(owner, tried=())
    locked = Escalation.objects.select_for_update(no_key=True, of=("self",))
    free = locked.filter(alert=alert).exclude(state=State.SUSPENDED)
    escalation = free.select_related("policy_version").first()
    if contact is None or escalation is None:
        return False
    steps = read_steps(escalation.policy_version.steps)
    repeat = escalation.policy_version.repeat
    place = {"step_index": escalation.step_index, "rounds_left": escalation.rounds_left}
    if _is_at_its_end(escalation):
        place = {"step_index": 0, "rounds_left": repeat}
    last, _ = step_before(**place, repeat=repeat, step_count=len(steps))
    ends_at = now + steps[last].delay
    moved = {"next_due_at": ends_at, "last_step_at": now, "remaining_seconds": None}
    Escalation.objects.filter(pk=escalation.pk).update(
        **place, **moved, state=State.RUNNING, sequence=F("sequence") + 1
    )
    sentence = (
        f"{owner.name} by {contact.label} paged: {reason}. "
        f"The policy goes on at {spell_time(ends_at)} if nobody answers."
    )
    write_entry(alert=alert, kind=AlertEvent.Kind.PAGED, sentence=sentence, now=now)
    order = Order(
        alert=alert,
        owner=owner,
        contact=contact,
        sequence=escalation.sequence + 1,
        step_index=last,
        reason=reason,
        give_up_at=ends_at,
    )
    queue_pages([order], now=now)
    return True


def _advance_together(escalations: Sequence[Escalation], *, now: datetime) -> int:
    """Carry out the steps that simply page their people; return how many, and leave the others."""
    known = known_owners(escalation.alert.site.owner_id for escalation in escalations)
    plain = [
        (escalation, choice)
        for escalation in escalations
        if (choice := _plain_choice(escalation, known, now)) is not None
    ]
    if plain:
        _take(plain, now)
    return len(plain)


def _plain_choice(escalation: Escalation, known: KnownOwners, now: datetime) -> Choice | None:
    if not _is_wanted(escalation.alert) or escalation.alert.is_suppressed:
        return None
    try:
        choice = _choose(escalation, now, known)
    except PlanError:
        # Alone, it is told by its own line in the log.
        return None
    is_plain = choice is not None and choice.people and not choice.unreachable
    return choice if is_plain else None


def _advance(escalation: Escalation, *, now: datetime) -> None:
    alert = escalation.alert
    if not _is_wanted(alert):
        stop_escalation(alert=alert, now=now)
        return
    if alert.is_suppressed:
        suspend_escalation(alert=alert, now=now)
        return
    choice = _choose(escalation, now)
    if choice is None:
        _exhaust(escalation, now)
    elif choice.is_held:
        _wait_for_hours(escalation, choice, now)
    else:
        _take([(escalation, choice)], now)


def _is_wanted(alert: Alert) -> bool:
    is_waiting = alert.response == Alert.Response.UNACKNOWLEDGED
    return is_waiting and alert.condition == Alert.Condition.FIRING


def _choose(
    escalation: Escalation, now: datetime, known: KnownOwners | None = None
) -> Choice | None:
    alert = escalation.alert
    return choose(
        read_steps(escalation.policy_version.steps),
        step_index=escalation.step_index,
        rounds_left=escalation.rounds_left,
        site=alert.site,
        severity=alert.severity,
        now=now,
        known=known,
    )


def _wait_for_hours(escalation: Escalation, choice: Choice, now: datetime) -> None:
    """Put the step off until its hours begin; it is not carried out, so it counts for nothing."""
    Escalation.objects.filter(pk=escalation.pk).update(
        step_index=choice.decision.next_step,
        rounds_left=choice.decision.rounds_left,
        next_due_at=choice.ends_at,
        hours_begin_at=choice.ends_at,
    )
    write_entry(
        alert=escalation.alert,
        kind=AlertEvent.Kind.NOBODY_REACHABLE,
        sentence=(
            f"No step of {escalation.policy_version.policy.name} pages at this hour: step "
            f"{choice.step + 1} is taken on {choice.ends_at:%A} at {spell_time(choice.ends_at)}."
        ),
        now=now,
    )


def _take(moves: Sequence[tuple[Escalation, Choice]], now: datetime) -> None:
    """Carry out steps: the rows move on, the timelines say it, their people are paged."""
    same: dict[tuple[int, int, datetime | None], list[int]] = defaultdict(list)
    for escalation, choice in moves:
        decision = choice.decision
        place = (decision.next_step, decision.rounds_left, decision.next_due_at)
        same[place].append(escalation.pk)
    for (step_index, rounds_left, due_at), ids in same.items():
        Escalation.objects.filter(pk__in=ids).update(
            step_index=step_index,
            rounds_left=rounds_left,
            next_due_at=due_at,
            sequence=F("sequence") + 1,
            last_step_at=now,
        )
    for escalation, choice in moves:
        _tell_of_unreachable(escalation, choice, now)
    write_entries([_paged(*move, now) for move in moves if move[1].people])
    queue_pages([order for move in moves for order in _orders(*move)], now=now)


def _orders(escalation: Escalation, choice: Choice) -> list[Order]:
    return [
        Order(
            alert=escalation.alert,
            owner=person.owner,
            contact=person.contact,
            sequence=escalation.sequence + 1,
            step_index=choice.step,
            reason=choice.reason(escalation.policy_version.policy.name),
            give_up_at=choice.ends_at,
        )
        for person in choice.people
    ]


def _tell_of_unreachable(escalation: Escalation, choice: Choice, now: datetime) -> None:
    """Write which steps reached nobody into the timeline, and raise it."""
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


def _paged(escalation: Escalation, choice: Choice, now: datetime) -> AlertEvent:
    policy = escalation.policy_version.policy.name
    return AlertEvent(
        alert=escalation.alert,
        kind=AlertEvent.Kind.PAGED,
        at=now,
        sentence=(
            f"Step {choice.step + 1} of {policy}: {_names(choice)} paged. "
            f"Next step at {spell_time(choice.ends_at)} if nobody answers."
        ),
    )


def _exhaust(escalation: Escalation, now: datetime) -> None:
    steps = escalation.policy_version.steps
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


def _is_at_its_end(escalation: Escalation) -> bool:
    steps = escalation.policy_version.steps
    return escalation.step_index >= len(steps) and escalation.rounds_left == 0


def _names(choice: Choice) -> str:
    return ", ".join(f"{person.owner.name} by {person.contact.label}" for person in choice.people)
