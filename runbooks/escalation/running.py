"""Carry out the steps of escalations: when they are due, when a person asks, beside the plan."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from django.db.models import F

from fleet.models import Owner
from fleet.services.engine import Module, engine_transaction
from runbooks.escalation.choice import Choice, choose, choose_step
from runbooks.escalation.heard import unheard
from runbooks.escalation.moves import Move, begin_rounds_anew, carry_out
from runbooks.escalation.plan import PlanError, read_steps
from runbooks.escalation.timers import step_before, stop_escalation, suspend_escalation
from runbooks.models import Alert, AlertEvent, Escalation
from runbooks.paging.outbox import Order, queue_pages
from runbooks.paging.people import KnownOwners, known_owners, next_contact
from runbooks.paging.timeline import spell_time, write_entry
from runbooks.paging.worklist import work_through

State = Escalation.State


class NobodyReached(Exception):
    """No step of the policy, whose name it carries, reaches anybody now; or not the one chosen."""


def advance_due_escalations(*, now: datetime, limit: int = 200) -> int:
    """Carry out one step of each escalation that is due; return how many.

    First steps of new alerts come before later ones, so that nobody waits for the first page
    while many others wait for their next, and those for whom nobody could be reached are looked
    at again after both; of each the worst alerts first, of equals the longest due, up to `limit`.

    All of a step in one transaction: its timeline entry and its page rows stand or fall with it.
    Steps are carried out many at once. After an outage it is still one step, and its whole delay
    begins now. What is suppressed is held back instead.
    """
    due = (
        Escalation.objects.select_for_update(skip_locked=True, no_key=True, of=("self", "alert"))
        .filter(state=State.RUNNING, next_due_at__lte=now)
        .select_related("alert__site__owner", "policy_version__policy")
        .order_by("alert__severity", "next_due_at", "pk")
    )
    _go_on_unheard(now=now, limit=limit)
    waiting = due.filter(nobody_since__isnull=True)
    return sum(
        work_through(
            rows,
            partial(_advance, now=now),
            module=Module.ESCALATION,
            limit=limit,
            event="escalation.advance_failed",
            together=partial(_advance_together, now=now),
        )
        for rows in (
            waiting.filter(last_step_at__isnull=True),
            waiting.filter(last_step_at__isnull=False),
            due.filter(nobody_since__isnull=False),
        )
    )


def force_escalation(
    *, alert: Alert, seen_sequence: int, now: datetime, to_step: int | None = None
) -> bool:
    """Carry out the next step that reaches somebody now; False when it has moved on.

    `to_step` is another one that somebody chose, from 0, whatever its conditions; the policy goes
    on from there. `seen_sequence` is the escalation's `sequence` that the person saw, so that a
    second click on a stale screen takes no second step. After the last step of the last round the
    first one is taken again. False, too, while the escalation is suspended. Raises NobodyReached
    when no step of the whole policy, or not the chosen one, reaches anybody now; nothing is changed
    then.
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
    if to_step is None:
        choice = _first_that_pages(escalation, now)
    else:
        choice = _chosen_step(escalation, to_step, now)
    if choice is None:
        raise NobodyReached(escalation.policy_version.policy.name)
    Escalation.objects.filter(pk=escalation.pk).update(
        state=State.RUNNING, start_sequence=F("sequence"), next_due_at=now, remaining_seconds=None
    )
    carry_out([(escalation, choice)], now=now)
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
    sequences = {"sequence": F("sequence") + 1, "start_sequence": F("sequence")}
    waits = {"next_due_at": ends_at, "remaining_seconds": None, "nobody_since": None}
    Escalation.objects.filter(pk=escalation.pk).update(
        **place, **sequences, **waits, state=State.RUNNING, last_step_at=now
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
    """Carry out the steps of alerts that want one; return how many, and leave the others."""
    known = known_owners(escalation.alert.site for escalation in escalations)
    moves: list[Move] = []
    for escalation in escalations:
        if not _is_wanted(escalation.alert) or escalation.alert.is_suppressed:
            continue
        try:
            moves.append((escalation, _choose(escalation, now, known)))
        except PlanError:
            # Alone, it is told by its own line in the log.
            continue
    carry_out(moves, now=now)
    return len(moves)


def _advance(escalation: Escalation, *, now: datetime) -> None:
    alert = escalation.alert
    if not _is_wanted(alert):
        stop_escalation(alert=alert)
        return
    if alert.is_suppressed:
        suspend_escalation(alert=alert, now=now)
        return
    carry_out([(escalation, _choose(escalation, now))], now=now)


def _is_wanted(alert: Alert) -> bool:
    is_waiting = alert.response == Alert.Response.UNACKNOWLEDGED
    return is_waiting and alert.condition == Alert.Condition.FIRING


def _go_on_unheard(*, now: datetime, limit: int) -> None:
    """Go on where rounds are over and a page that counted as delivered has failed after all."""
    over = unheard().filter(
        state=State.EXHAUSTED,
        alert__response=Alert.Response.UNACKNOWLEDGED,
        alert__condition=Alert.Condition.FIRING,
        alert__is_suppressed=False,
    )
    with engine_transaction(module=Module.ESCALATION):
        locked = over.select_for_update(skip_locked=True, no_key=True, of=("self", "alert"))
        rows = list(locked.select_related("alert", "policy_version__policy")[:limit])
        if rows:
            begin_rounds_anew(rows, now=now)


def _first_that_pages(escalation: Escalation, now: datetime) -> Choice | None:
    """Return the next step that reaches somebody now, going round to the first if need be."""
    places = [(0, escalation.policy_version.repeat)]
    if not _is_at_its_end(escalation):
        places.insert(0, (escalation.step_index, escalation.rounds_left))
    for place in places:
        choice = _choose(escalation, now, place=place)
        if choice is not None and choice.people:
            return choice
    return None


def _chosen_step(escalation: Escalation, number: int, now: datetime) -> Choice | None:
    steps = read_steps(escalation.policy_version.steps)
    is_over = _is_at_its_end(escalation)
    rounds_left = escalation.policy_version.repeat if is_over else escalation.rounds_left
    if not 0 <= number < len(steps):
        return None
    site = escalation.alert.site
    return choose_step(steps, step_index=number, rounds_left=rounds_left, site=site, now=now)


def _choose(
    escalation: Escalation,
    now: datetime,
    known: KnownOwners | None = None,
    place: tuple[int, int] | None = None,
) -> Choice | None:
    alert = escalation.alert
    step_index, rounds_left = place or (escalation.step_index, escalation.rounds_left)
    return choose(
        read_steps(escalation.policy_version.steps),
        step_index=step_index,
        rounds_left=rounds_left,
        site=alert.site,
        severity=alert.severity,
        now=now,
        known=known,
    )


def _is_at_its_end(escalation: Escalation) -> bool:
    steps = escalation.policy_version.steps
    return escalation.step_index >= len(steps) and escalation.rounds_left == 0
