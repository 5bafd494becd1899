"""Who next, and when: the next move of an escalation, from its steps and a given time. Pure.

A step pages its people and then waits its own delay for an answer. A step whose conditions do
not hold is passed over without waiting. After the last step the next round begins while rounds
are left; then the escalation is exhausted. When no step at all is open at this hour, the
escalation is held until one opens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from runbooks.escalation.steps import SITE_ZONE, Hours, PlanError, Step, read_steps
from runbooks.oncall.rota import moment_of

__all__ = [
    "ANYTHING",
    "Decision",
    "Facts",
    "Hours",
    "PlanError",
    "Step",
    "advance",
    "facts_about",
    "held",
    "is_open",
    "once_around",
    "opening_of",
    "read_steps",
    "walk",
]

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a step's conditions look at; without a `severity` (`urgent`, `high`, `low`) all fit."""

    severity: str = ""
    time_zone: str = "UTC"


ANYTHING = Facts()


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, and what to remember for the next time.

    `step` is the index of the step to carry out now, None when the escalation is exhausted; then
    `next_due_at` is None too.
    """

    step: int | None
    next_step: int
    rounds_left: int
    next_due_at: datetime | None


def facts_about(steps: Sequence[Step], *, severity: str, time_zone: str) -> Facts:
    """Return the facts of an alert at a site.

    A severity that no step is for is taken for any, so that no alert is left without a page.
    """
    facts = Facts(severity=severity, time_zone=time_zone)
    if any(_fits(step, facts) for step in steps):
        return facts
    return Facts(time_zone=time_zone)


def is_open(step: Step, *, facts: Facts, at: datetime) -> bool:
    """Tell whether the step's conditions hold at `at`."""
    if not _fits(step, facts):
        return False
    if step.hours is None:
        return True
    local = at.astimezone(_zone(step.hours, facts))
    clock, hours = local.time(), step.hours
    if hours.opens < hours.closes:
        return local.weekday() in hours.weekdays and hours.opens <= clock < hours.closes
    began_yesterday = clock < hours.closes and (local.weekday() - 1) % 7 in hours.weekdays
    return began_yesterday or (local.weekday() in hours.weekdays and clock >= hours.opens)


def advance(steps: Sequence[Step], *, step_index: int, rounds_left: int, now: datetime) -> Decision:
    """Return what an escalation that is due at `now` does.

    `step_index` is the step to carry out, from 0; `rounds_left` counts the rounds after this one.
    However late `now` is, exactly one step is carried out, and its whole delay begins at `now`.
    """
    if step_index >= len(steps) and rounds_left > 0:
        step_index, rounds_left = 0, rounds_left - 1
    if step_index >= len(steps):
        return Decision(step=None, next_step=len(steps), rounds_left=0, next_due_at=None)
    next_step = step_index + 1
    next_rounds = rounds_left
    if next_step == len(steps) and rounds_left > 0:
        next_step, next_rounds = 0, rounds_left - 1
    return Decision(
        step=step_index,
        next_step=next_step,
        rounds_left=next_rounds,
        next_due_at=now + steps[step_index].delay,
    )


def walk(
    steps: Sequence[Step], *, step_index: int, rounds_left: int, now: datetime
) -> Iterator[tuple[Decision, int]]:
    """Yield each move once around, open or not, with the rounds left when it is its turn."""
    for _ in steps:
        decision = advance(steps, step_index=step_index, rounds_left=rounds_left, now=now)
        if decision.step is None:
            return
        begins_round = step_index >= len(steps)
        yield decision, rounds_left - 1 if begins_round else rounds_left
        step_index, rounds_left = decision.next_step, decision.rounds_left


def opening_of(step: Step, *, facts: Facts, now: datetime) -> datetime | None:
    """Return when the step's hours begin next after `now`; None when it never opens."""
    if step.hours is None or not _fits(step, facts):
        return None
    zone = _zone(step.hours, facts)
    today = now.astimezone(zone).date()
    # A week and a day: today's hours may be over. Two weeks, as clocks that jump over the
    # hours' whole span leave them out for once.
    for number in range(15):
        opens_at = moment_of(today + number * _DAY, step.hours.opens, zone)
        if opens_at > now and is_open(step, facts=facts, at=opens_at):
            return opens_at
    return None


def once_around(
    steps: Sequence[Step],
    *,
    step_index: int,
    rounds_left: int,
    now: datetime,
    facts: Facts = ANYTHING,
) -> Iterator[Decision]:
    """Yield the moves that may be tried at once while nobody can be reached.

    The first open step from `step_index` on; then the following open ones, each at most once, so
    that a plan in which nobody can be reached does not spin.
    """
    for decision, _ in walk(steps, step_index=step_index, rounds_left=rounds_left, now=now):
        if decision.step is not None and is_open(steps[decision.step], facts=facts, at=now):
            yield decision


def held(
    steps: Sequence[Step],
    *,
    step_index: int,
    rounds_left: int,
    now: datetime,
    facts: Facts = ANYTHING,
) -> Decision | None:
    """Return what an escalation waits for when no step of the whole plan is open at `now`.

    Its `next_step` is carried out when its hours begin. None when a step is open, and when no
    step that is left ever opens for this severity.
    """
    if any(is_open(step, facts=facts, at=now) for step in steps):
        return None
    found = [
        Decision(step=step, next_step=step, rounds_left=rounds, next_due_at=opens_at)
        for decision, rounds in walk(steps, step_index=step_index, rounds_left=rounds_left, now=now)
        if (step := decision.step) is not None
        and (opens_at := opening_of(steps[step], facts=facts, now=now)) is not None
    ]
    return min(found, key=lambda decision: decision.next_due_at or now, default=None)


def _fits(step: Step, facts: Facts) -> bool:
    return not step.severities or not facts.severity or facts.severity in step.severities


def _zone(hours: Hours, facts: Facts) -> ZoneInfo:
    return ZoneInfo(facts.time_zone if hours.time_zone == SITE_ZONE else hours.time_zone)
