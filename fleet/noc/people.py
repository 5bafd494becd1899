"""The names of the people whom an escalation's words mean, for pages that say who is next."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from fleet.models import Owner, Site
from runbooks.escalation.plan import advance, read_steps
from runbooks.models import Alert, Escalation


def names_behind(words: Collection[str]) -> dict[str, str]:
    """Return the names behind `owner:<id>` and `catch_all`; one query, none without words."""
    if not words:
        return {}
    names: dict[str, str] = {}
    for owner in Owner.objects.only("pk", "name", "is_catch_all"):
        names[f"owner:{owner.pk}"] = owner.name
        if owner.is_catch_all:
            names["catch_all"] = owner.name
    return names


def people_meant(words: Sequence[str], *, site: Site, names: dict[str, str]) -> list[str]:
    """Return the people a step pages, each once, in the step's order."""
    owner = site.owner.name if site.owner else ""
    said = [owner if word == "site_owner" else names.get(word, "") for word in words]
    return list(dict.fromkeys(name for name in said if name))


def spell_people(people: Sequence[str]) -> str:
    """Return `Kim`, `Kim and Ada`, `Kim and 3 more`."""
    if len(people) > 2:
        return f"{people[0]} and {len(people) - 1} more"
    return " and ".join(people)


def next_step_of(alert: Alert) -> tuple[datetime | None, tuple[str, ...]]:
    """Return when the next step is due and the words of whom it pages; nothing when none is."""
    escalation: Escalation | None = getattr(alert, "escalation", None)
    if escalation is None or escalation.next_due_at is None:
        return None, ()
    if escalation.state != Escalation.State.RUNNING:
        return None, ()
    steps = read_steps(escalation.policy_version.steps)
    decision = advance(
        steps,
        step_index=escalation.step_index,
        rounds_left=escalation.rounds_left,
        now=escalation.next_due_at,
    )
    if decision.step is None:
        return None, ()
    return escalation.next_due_at, steps[decision.step].notify
