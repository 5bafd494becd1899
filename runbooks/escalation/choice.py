"""Whom a due step pages: its own people, or who stands in for them when none can be reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fleet.models import Site
from runbooks.escalation.plan import Decision, Step, advance, facts_about, held, once_around
from runbooks.paging.people import KnownOwners, Person, owners_meant, reachable
from telemetry.models import Finding

#: Who stands in for a step of which nobody can be reached, in this order.
STAND_INS = (("site_owner", "the site's owner"), ("catch_all", "the catch-all owner"))


@dataclass(frozen=True, slots=True)
class Choice:
    """What a due escalation does: the step, the people paged, and the steps that reached nobody.

    `stand_in` says who the people are when they are not the step's own. Without people no step is
    carried out: where `is_held`, one waits until its hours begin, because no step of the policy is
    open now; else the escalation waits until anybody can be reached.
    """

    decision: Decision
    step: int
    ends_at: datetime
    people: Sequence[Person]
    stand_in: str = ""
    unreachable: Sequence[int] = ()
    is_held: bool = False

    def reason(self, policy: str) -> str:
        """Return in words why these people are paged."""
        place = f"step {self.step + 1} of {policy}"
        if self.stand_in:
            return f"{self.stand_in}, because nobody of {place} can be reached"
        return place

    @property
    def instead(self) -> str:
        """What happens instead, as a sentence."""
        if self.stand_in:
            names = ", ".join(person.owner.name for person in self.people)
            return f"Paged instead: {names}, {self.stand_in}."
        if self.people:
            return f"Step {self.step + 1} is taken at once instead."
        return "No step that is left reaches anybody either: the first that does pages at once."


def choose(
    steps: Sequence[Step],
    *,
    step_index: int,
    rounds_left: int,
    site: Site,
    now: datetime,
    severity: int | None = None,
    known: KnownOwners | None = None,
) -> Choice | None:
    """Return what an escalation that is due now does; None when it is exhausted.

    A step whose conditions do not hold is passed over. A step of which nobody can be reached
    does not burn its delay: the site's owner stands in, then the catch-all owner; without them
    the following steps are tried at once, each at most once; only when nobody at all can be
    reached does the escalation wait, at the step where it is.
    """
    facts = facts_about(steps, severity=severity_name(severity), time_zone=site.time_zone)
    place = {"step_index": step_index, "rounds_left": rounds_left}
    first: Choice | None = None
    unreachable: list[int] = []
    for decision in once_around(steps, **place, now=now, facts=facts):
        if decision.step is None or decision.next_due_at is None:
            break
        step = decision.step
        people, stand_in = _people(steps[step], site, now, known)
        if not people or stand_in:
            unreachable.append(step)
        choice = Choice(
            decision=decision,
            step=step,
            ends_at=decision.next_due_at,
            people=people,
            stand_in=stand_in,
            unreachable=tuple(unreachable),
        )
        if people:
            return choice
        first = first or choice
    return first or _held(held(steps, **place, now=now, facts=facts))


def choose_step(
    steps: Sequence[Step], *, step_index: int, rounds_left: int, site: Site, now: datetime
) -> Choice | None:
    """Return what this very step does now, whatever its conditions; None when it reaches nobody."""
    people = people_of(steps[step_index], site=site, now=now)
    decision = advance(steps, step_index=step_index, rounds_left=rounds_left, now=now)
    if not people or decision.next_due_at is None:
        return None
    return Choice(decision, step_index, ends_at=decision.next_due_at, people=people)


def people_of(
    step: Step, *, site: Site, now: datetime, known: KnownOwners | None = None
) -> list[Person]:
    """Return whom a step itself pages at `now`."""
    return reachable(owners_meant(step.notify, site=site, at=now, known=known))


def severity_name(severity: int | None) -> str:
    """Return a severity as steps name it, empty without one."""
    return "" if severity is None else Finding.Severity(severity).name.lower()


def _held(decision: Decision | None) -> Choice | None:
    if decision is None or decision.step is None or decision.next_due_at is None:
        return None
    return Choice(
        decision=decision,
        step=decision.step,
        ends_at=decision.next_due_at,
        people=(),
        is_held=True,
    )


def _people(
    step: Step, site: Site, now: datetime, known: KnownOwners | None
) -> tuple[list[Person], str]:
    people = people_of(step, site=site, now=now, known=known)
    if people:
        return people, ""
    for word, title in STAND_INS:
        people = reachable(owners_meant((word,), site=site, at=now, known=known))
        if people:
            return people, title
    return [], ""
