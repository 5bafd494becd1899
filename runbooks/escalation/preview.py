"""Who would be paged when, through what, if nobody answers. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleet.models import Site
from runbooks.escalation.choice import Choice, choose, severity_name
from runbooks.escalation.plan import Facts, Step, facts_about, is_open, read_steps, walk
from runbooks.models import Alert, Escalation, EscalationPolicyVersion
from runbooks.paging.people import known_owners

#: So many moves are shown; a policy repeated twenty times says the same again.
MOST_MOVES = 40

State = Escalation.State


@dataclass(frozen=True, slots=True)
class PreviewStep:
    """One step at one time; `step_number` and `round_number` count from 1.

    `names` are the people paged and `contacts` through what, in the same order; both empty where
    nobody is. `skipped` is a sentence that says why the step does not page its own people, empty
    where it does; with `names` beside it, they stand in.
    """

    step_number: int
    at: datetime
    names: tuple[str, ...]
    contacts: tuple[str, ...]
    skipped: str = ""
    round_number: int = 1


@dataclass(frozen=True, slots=True)
class _Plan:
    steps: Sequence[Step]
    facts: Facts
    repeat: int
    site: Site
    severity: int


def preview_policy(
    *, version: EscalationPolicyVersion, site: Site, severity: int, at: datetime
) -> list[PreviewStep]:
    """Return what an alert of `severity` (1 urgent, 2 high, 3 low) opened at `at` would do.

    People are those on call, and contacts those that work, when each step would be carried out,
    as far as that is known now.
    """
    plan = _plan(version, site, severity)
    return list(_follow(plan, step_index=0, rounds_left=version.repeat, due=at))


def preview_alert(*, alert: Alert, at: datetime) -> list[PreviewStep]:
    """Return what comes next for this alert from `at` on; empty where nothing does.

    An acknowledged alert begins anew when its acknowledgement runs out; a suppressed one goes on
    as if it were let go at `at`.
    """
    escalation = (
        Escalation.objects.filter(alert=alert)
        .select_related("policy_version", "alert__site")
        .first()
    )
    if escalation is None or alert.response == Alert.Response.CLOSED:
        return []
    plan = _plan(escalation.policy_version, escalation.alert.site, alert.severity)
    place = {"step_index": escalation.step_index, "rounds_left": escalation.rounds_left}
    if escalation.state == State.RUNNING and escalation.next_due_at is not None:
        return list(_follow(plan, **place, due=max(escalation.next_due_at, at)))
    if escalation.state == State.SUSPENDED:
        left = timedelta(seconds=escalation.remaining_seconds or 0)
        return list(_follow(plan, **place, due=at + left))
    ends_at = alert.acknowledgement_ends_at
    if alert.response == Alert.Response.ACKNOWLEDGED and ends_at is not None:
        return list(_follow(plan, step_index=0, rounds_left=plan.repeat, due=max(ends_at, at)))
    return []


def _plan(version: EscalationPolicyVersion, site: Site, severity: int) -> _Plan:
    steps = read_steps(version.steps)
    facts = facts_about(steps, severity=severity_name(severity), time_zone=site.time_zone)
    return _Plan(steps, facts, version.repeat, site, severity)


def _follow(
    plan: _Plan, *, step_index: int, rounds_left: int, due: datetime
) -> Iterator[PreviewStep]:
    """Yield each move, and before it the steps that it passes over."""
    known = known_owners([plan.site])
    for _ in range(MOST_MOVES):
        choice = choose(
            plan.steps,
            step_index=step_index,
            rounds_left=rounds_left,
            site=plan.site,
            now=due,
            severity=plan.severity,
            known=known,
        )
        yield from _move(plan, choice, step_index, rounds_left, due)
        if choice is None or not (choice.people or choice.is_held):
            return
        step_index, rounds_left = choice.decision.next_step, choice.decision.rounds_left
        due = choice.ends_at


def _move(
    plan: _Plan, choice: Choice | None, step_index: int, rounds_left: int, due: datetime
) -> Iterator[PreviewStep]:
    moves = walk(plan.steps, step_index=step_index, rounds_left=rounds_left, now=due)
    for decision, rounds in moves:
        number = decision.step
        if number is None:
            return
        round_number = plan.repeat - rounds + 1
        if choice is not None and number == choice.step:
            yield _taken(choice, due, round_number)
            return
        yield PreviewStep(
            step_number=number + 1,
            at=due,
            names=(),
            contacts=(),
            skipped=_why_not(plan, number, due),
            round_number=round_number,
        )


def _taken(choice: Choice, due: datetime, round_number: int) -> PreviewStep:
    why = ""
    if choice.is_held:
        why = f"No step pages at this hour; this one does on {choice.ends_at:%A at %H:%M} UTC."
    elif choice.stand_in:
        why = f"Nobody of it can be reached; {choice.stand_in} is paged instead."
    elif not choice.people:
        why = "Nobody at all can be reached."
    return PreviewStep(
        step_number=choice.step + 1,
        at=due,
        names=tuple(person.owner.name for person in choice.people),
        contacts=tuple(person.contact.label for person in choice.people),
        skipped=why,
        round_number=round_number,
    )


def _why_not(plan: _Plan, number: int, due: datetime) -> str:
    step = plan.steps[number]
    if is_open(step, facts=plan.facts, at=due):
        return "Nobody of it can be reached; the next step is taken at once."
    if step.severities and plan.facts.severity not in ("", *step.severities):
        return f"It pages {' and '.join(step.severities)} alerts only."
    return "Its hours are closed at this time."
