"""What an escalation does next if nobody answers, as things stand now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ObjectDoesNotExist

from runbooks.escalation.choice import choose, severity_name
from runbooks.escalation.plan import PlanError, facts_about, forecast, read_steps
from runbooks.models import Alert, Escalation
from runbooks.paging.facts import NextMove
from runbooks.paging.people import KnownOwners, owners_meant

#: A wait for hours ends when they begin; no more than a change of clocks could make it two.
_MOST_WAITS = 4


@dataclass(frozen=True, slots=True)
class UpcomingStep:
    """One step still to come if nobody answers. `step_number` counts from 1."""

    at: datetime
    names: tuple[str, ...]
    step_number: int
    is_next: bool


def upcoming_steps(*, alert: Alert, now: datetime) -> list[UpcomingStep]:
    """Return the steps still to come if nobody answers; none when nothing runs.

    Names are those at the step's next time, as far as that is known now; a step that is overdue
    is due now.
    """
    escalation = (
        Escalation.objects.filter(alert=alert, state=Escalation.State.RUNNING)
        .select_related("policy_version", "alert__site")
        .first()
    )
    if escalation is None or escalation.next_due_at is None:
        return []
    steps = read_steps(escalation.policy_version.steps)
    site = escalation.alert.site
    severity = severity_name(escalation.alert.severity)
    coming = list(
        forecast(
            steps,
            step_index=escalation.step_index,
            rounds_left=escalation.rounds_left,
            next_due_at=max(escalation.next_due_at, now),
            facts=facts_about(steps, severity=severity, time_zone=site.time_zone),
        )
    )
    # Each step is looked up once: a policy may go round twenty times.
    names: dict[int, tuple[str, ...]] = {}
    for index, at in coming:
        if index not in names:
            owners = owners_meant(steps[index].notify, site=site, at=at)
            names[index] = tuple(owner.name for owner in owners)
    return [
        UpcomingStep(at=at, names=names[index], step_number=index + 1, is_next=position == 0)
        for position, (index, at) in enumerate(coming)
    ]


def next_move(alert: Alert, at: datetime, known: KnownOwners | None = None) -> NextMove | None:
    """Return what a page of the alert says comes next (see `runbooks.paging.facts.NextOf`).

    It is what the engine would do: by the conditions of the steps, and with who stands in where
    nobody of a step can be reached. A step that waits for its hours comes when they begin. None
    when nothing runs, after the last step, and for a policy that nobody can read any more: what
    comes next must not keep a page from going out.
    """
    try:
        escalation = alert.escalation
        steps = read_steps(escalation.policy_version.steps)
    except (ObjectDoesNotExist, PlanError):
        return None
    if escalation.state != Escalation.State.RUNNING or escalation.next_due_at is None:
        return None
    step_index, rounds_left = escalation.step_index, escalation.rounds_left
    due = max(escalation.next_due_at, at)
    for _ in range(_MOST_WAITS):
        choice = choose(
            steps,
            step_index=step_index,
            rounds_left=rounds_left,
            site=alert.site,
            now=due,
            severity=alert.severity,
            known=known,
        )
        if choice is None:
            return None
        if not choice.is_held:
            return NextMove(at=due, who=tuple(person.owner.name for person in choice.people))
        step_index, rounds_left = choice.decision.next_step, choice.decision.rounds_left
        due = choice.ends_at
    return NextMove(at=due, who=())
