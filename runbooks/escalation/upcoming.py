"""What an escalation does next if nobody answers, as things stand now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from runbooks.escalation.choice import name_of
from runbooks.escalation.plan import facts_about, forecast, read_steps
from runbooks.models import Alert, Escalation
from runbooks.paging.people import owners_meant


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
    severity = name_of(escalation.alert.severity)
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
