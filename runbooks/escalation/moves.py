"""Write down what escalations that are due come to, many at once: rows, timelines, pages."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Value
from django.db.models.functions import Coalesce, Greatest

from runbooks.escalation.choice import Choice
from runbooks.escalation.heard import unheard_among
from runbooks.models import AlertEvent, BrokenPromise, Escalation
from runbooks.paging.dead import ROUNDS_APART
from runbooks.paging.outbox import Order, queue_pages
from runbooks.paging.promises import report_broken
from runbooks.paging.timeline import spell_time, write_entries

logger = logging.getLogger(__name__)

#: Where nobody can be reached, it is looked at again after so long.
LOOK_AGAIN = timedelta(seconds=30)

#: An escalation that is due, and what it does now; None when its rounds are over.
Move = tuple[Escalation, Choice | None]
_Chosen = tuple[Escalation, Choice]


def carry_out(moves: Iterable[Move], *, now: datetime) -> None:
    """Move escalations on as was chosen, in the caller's transaction, which holds their rows.

    How many statements that takes does not depend on how many they are.
    """
    over: list[Escalation] = []
    held: list[_Chosen] = []
    taken: list[_Chosen] = []
    waiting: list[_Chosen] = []
    for escalation, choice in moves:
        if choice is None:
            over.append(escalation)
        elif choice.is_held:
            held.append((escalation, choice))
        elif choice.people:
            taken.append((escalation, choice))
        else:
            waiting.append((escalation, choice))
    if over:
        _end_rounds(over, now)
    if held:
        _wait_for_hours(held, now)
    if taken:
        _take(taken, now)
    if waiting:
        _wait_for_somebody(waiting, now)


def begin_rounds_anew(escalations: Sequence[Escalation], *, now: datetime) -> None:
    """Go on with alerts whose rounds are over and of which no page was delivered.

    The outage that swallowed the pages ends some time, and nobody knows of the alert. A pause
    behind the last step keeps a policy of seconds from filling timelines and receivers.
    """
    due_at = Greatest(Value(now), Coalesce(F("last_step_at"), Value(now)) + ROUNDS_APART)
    by_repeat: dict[int, list[int]] = defaultdict(list)
    for escalation in escalations:
        by_repeat[escalation.policy_version.repeat].append(escalation.pk)
    for repeat, ids in by_repeat.items():
        Escalation.objects.filter(pk__in=ids).update(
            state=Escalation.State.RUNNING,
            step_index=0,
            rounds_left=repeat,
            next_due_at=due_at,
            nobody_since=None,
        )
    for escalation in escalations:
        logger.warning("escalation.unheard", extra={"alert_id": escalation.alert_id})
    write_entries([_begun_anew(escalation, now) for escalation in escalations])


def _begun_anew(escalation: Escalation, now: datetime) -> AlertEvent:
    due_at = max(now, (escalation.last_step_at or now) + ROUNDS_APART)
    when = "now" if due_at == now else f"at {spell_time(due_at)}"
    sentence = (
        "No page has been delivered to anybody, so the steps of "
        f"{_policy(escalation)} begin anew {when}."
    )
    return _entry(escalation, AlertEvent.Kind.NOBODY_REACHABLE, sentence, now)


def _end_rounds(escalations: Sequence[Escalation], now: datetime) -> None:
    """Exhaust the escalations of alerts that somebody has heard of; the others go on."""
    unheard = unheard_among(escalations)
    heard = [escalation for escalation in escalations if escalation.pk not in unheard]
    if heard:
        _exhaust(heard, now)
    if unheard:
        begin_rounds_anew([one for one in escalations if one.pk in unheard], now=now)


def _exhaust(escalations: Sequence[Escalation], now: datetime) -> None:
    Escalation.objects.filter(pk__in=[escalation.pk for escalation in escalations]).update(
        state=Escalation.State.EXHAUSTED, next_due_at=None, nobody_since=None
    )
    for escalation in escalations:
        logger.warning("escalation.exhausted", extra={"alert_id": escalation.alert_id})
    write_entries([_exhausted(escalation, now) for escalation in escalations])


def _exhausted(escalation: Escalation, now: datetime) -> AlertEvent:
    sentence = (
        f"Nobody answered: the rounds of {_policy(escalation)} are over. Nobody else is paged; the "
        "alert stays open until somebody takes it."
    )
    return _entry(escalation, AlertEvent.Kind.EXHAUSTED, sentence, now)


def _wait_for_hours(moves: Sequence[_Chosen], now: datetime) -> None:
    """Put steps off until their hours begin; not carried out, they count for nothing."""
    _go_on(moves)
    waiting = Escalation.objects.filter(pk__in=[escalation.pk for escalation, _ in moves])
    waiting.update(hours_begin_at=F("next_due_at"), nobody_since=None)
    write_entries([_put_off(*move, now) for move in moves])


def _put_off(escalation: Escalation, choice: Choice, now: datetime) -> AlertEvent:
    sentence = (
        f"No step of {_policy(escalation)} pages at this hour: step {choice.step + 1} is taken "
        f"on {choice.ends_at:%A} at {spell_time(choice.ends_at)}."
    )
    return _entry(escalation, AlertEvent.Kind.NOBODY_REACHABLE, sentence, now)


def _wait_for_somebody(moves: Sequence[_Chosen], now: datetime) -> None:
    """Look again soon: not carried out, the steps count for nothing, and no delay is waited out.

    In the last round those before it are not left any more; where none of their pages was
    delivered, they are gone back to.
    """
    stuck = [escalation for escalation, _ in moves if _may_go_back(escalation, now)]
    unheard = unheard_among(stuck)
    if unheard:
        begin_rounds_anew([one for one in stuck if one.pk in unheard], now=now)
    waiting = [move for move in moves if move[0].pk not in unheard]
    Escalation.objects.filter(pk__in=[escalation.pk for escalation, _ in waiting]).update(
        next_due_at=now + LOOK_AGAIN, nobody_since=Coalesce(F("nobody_since"), Value(now))
    )
    # Said once, however often it is looked at.
    _tell_of_unreachable([move for move in waiting if move[0].nobody_since is None], now)


def _may_go_back(escalation: Escalation, now: datetime) -> bool:
    is_past_some = escalation.rounds_left == 0 and escalation.step_index > 0
    last_step_at = escalation.last_step_at
    return is_past_some and (last_step_at is None or last_step_at + ROUNDS_APART <= now)


def _take(moves: Sequence[_Chosen], now: datetime) -> None:
    """Carry out steps: the rows move on, the timelines say it, their people are paged."""
    _go_on(moves, sequence=F("sequence") + 1, last_step_at=now, nobody_since=None)
    _tell_of_unreachable(moves, now)
    write_entries([_paged(*move, now) for move in moves])
    queue_pages([order for move in moves for order in _orders(*move)], now=now)


def _go_on(moves: Sequence[_Chosen], **fields: Any) -> None:
    """Write down where escalations go on, and `fields`; one statement for each such place."""
    same: dict[tuple[int, int, datetime | None], list[int]] = defaultdict(list)
    for escalation, choice in moves:
        decision = choice.decision
        place = (decision.next_step, decision.rounds_left, decision.next_due_at)
        same[place].append(escalation.pk)
    for (step_index, rounds_left, due_at), ids in same.items():
        Escalation.objects.filter(pk__in=ids).update(
            step_index=step_index, rounds_left=rounds_left, next_due_at=due_at, **fields
        )


def _tell_of_unreachable(moves: Sequence[_Chosen], now: datetime) -> None:
    """Write which steps reached nobody into the timelines, and raise it, once for each site."""
    entries: list[AlertEvent] = []
    broken: dict[str, str] = {}
    for escalation, choice in moves:
        site = escalation.alert.site
        for number in choice.unreachable:
            sentence = (
                f"Nobody of step {number + 1} of {_policy(escalation)} can be reached: "
                f"nobody is on call, or no contact works. {choice.instead}"
            )
            entries.append(_entry(escalation, AlertEvent.Kind.NOBODY_REACHABLE, sentence, now))
            broken[f"site {site.slug}"] = f"{site}: {sentence} Give these people a working contact."
    if entries:
        write_entries(entries)
        # No step waits for an auditor or a worker that hangs: the auditor finds it by the entry.
        code = BrokenPromise.Code.NOBODY_REACHABLE
        report_broken(code=code, broken=broken, now=now, waits=False)


def _paged(escalation: Escalation, choice: Choice, now: datetime) -> AlertEvent:
    names = ", ".join(f"{person.owner.name} by {person.contact.label}" for person in choice.people)
    sentence = (
        f"Step {choice.step + 1} of {_policy(escalation)}: {names} paged"
        f"{_after_nobody(escalation)}. Next step at {spell_time(choice.ends_at)} if nobody answers."
    )
    return _entry(escalation, AlertEvent.Kind.PAGED, sentence, now)


def _after_nobody(escalation: Escalation) -> str:
    since = escalation.nobody_since
    if since is None:
        return ""
    return f"; nobody could be reached since {since:%A} at {spell_time(since)}"


def _orders(escalation: Escalation, choice: Choice) -> list[Order]:
    return [
        Order(
            alert=escalation.alert,
            owner=person.owner,
            contact=person.contact,
            sequence=escalation.sequence + 1,
            step_index=choice.step,
            reason=choice.reason(_policy(escalation)),
            give_up_at=choice.ends_at,
        )
        for person in choice.people
    ]


def _entry(
    escalation: Escalation, kind: AlertEvent.Kind, sentence: str, now: datetime
) -> AlertEvent:
    return AlertEvent(alert=escalation.alert, kind=kind, at=now, sentence=sentence)


def _policy(escalation: Escalation) -> str:
    return escalation.policy_version.policy.name
