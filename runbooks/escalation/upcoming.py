"""What an escalation does next if nobody answers, as things stand now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ObjectDoesNotExist

from fleet.models import Owner
from runbooks.escalation.choice import Choice, choose, people_of
from runbooks.escalation.plan import PlanError, read_steps
from runbooks.models import Alert, Escalation
from runbooks.paging.facts import NextMove
from runbooks.paging.people import KnownOwners, known_owners

#: A wait for hours ends when they begin; no more than a change of clocks could make it two.
_MOST_WAITS = 4


@dataclass(frozen=True, slots=True)
class UpcomingStep:
    """One step still to come if nobody answers. `step_number` counts from 1.

    `stand_in` says who the people are where they are not the step's own: "the site's owner".
    """

    at: datetime
    owners: tuple[Owner, ...]
    step_number: int
    is_next: bool
    stand_in: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """What the people are called."""
        return tuple(owner.name for owner in self.owners)


def upcoming_steps(*, alert: Alert, now: datetime) -> list[UpcomingStep]:
    """Return the steps still to come if nobody answers; none when nothing runs.

    They are those that the engine would take, each with the people that it would page by then, as
    far as that is known now; a step that is overdue is due now.
    """
    coming = _moves(alert, now, known_owners([alert.site]))
    return [
        UpcomingStep(
            at=at,
            owners=_owners(choice),
            step_number=choice.step + 1,
            is_next=position == 0,
            stand_in=choice.stand_in,
        )
        for position, (at, choice) in enumerate(coming)
    ]


def people_by_step(*, alert: Alert, now: datetime) -> list[tuple[str, ...]]:
    """Return whom each step of the policy pages now, by name; nothing if it is unreadable."""
    known = known_owners([alert.site])
    try:
        steps = read_steps(alert.policy_version.steps)
    except PlanError:
        return []
    return [
        tuple(one.owner.name for one in people_of(step, site=alert.site, now=now, known=known))
        for step in steps
    ]


def next_move(alert: Alert, at: datetime, known: KnownOwners | None = None) -> NextMove | None:
    """Return what a page of the alert says comes next (see `runbooks.paging.facts.NextOf`).

    It is what the engine would do: by the conditions of the steps, and with who stands in where
    nobody of a step can be reached. A step that waits for its hours comes when they begin. None
    when nothing runs, after the last step, and for a policy that nobody can read any more: what
    comes next must not keep a page from going out.
    """
    for due, choice in _moves(alert, at, known):
        return NextMove(at=due, who=_names(choice))
    return None


def next_moves(*, alerts: Sequence[Alert], at: datetime) -> dict[int, NextMove | None]:
    """Return `next_move` of each alert by its id, in a number of queries that does not grow.

    The alerts come with `site` and `escalation__policy_version`.
    """
    known = known_owners(alert.site for alert in alerts) if alerts else None
    return {alert.pk: next_move(alert, at, known) for alert in alerts}


def _moves(
    alert: Alert, at: datetime, known: KnownOwners | None
) -> Iterator[tuple[datetime, Choice]]:
    """Yield what is done and when, from `at` on, if nobody ever answers."""
    try:
        escalation = alert.escalation
        steps = read_steps(escalation.policy_version.steps)
    except (ObjectDoesNotExist, PlanError):
        return
    if escalation.state != Escalation.State.RUNNING or escalation.next_due_at is None:
        return
    step_index, rounds_left = escalation.step_index, escalation.rounds_left
    due, waits = max(escalation.next_due_at, at), 0
    while waits < _MOST_WAITS:
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
            return
        waits = waits + 1 if choice.is_held else 0
        if not waits or waits == _MOST_WAITS:
            yield due, choice
        if not choice.people and not choice.is_held:
            # From here on it waits until somebody can be reached; nobody knows when.
            return
        step_index, rounds_left = choice.decision.next_step, choice.decision.rounds_left
        due = choice.ends_at


def _names(choice: Choice) -> tuple[str, ...]:
    """Return whom it pages, each once, through however many contacts."""
    return tuple(owner.name for owner in _owners(choice))


def _owners(choice: Choice) -> tuple[Owner, ...]:
    return tuple({person.owner.pk: person.owner for person in choice.people}.values())
