"""The steps of a policy in words, and the words a step may page as choices of a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fleet.models import Contact, Membership, Owner
from fleet.names import listed
from fleet.noc.oncall_words import place_of, wait_words
from fleet.noc.schedule_board import weekday_words
from runbooks.escalation.plan import Hours, Step
from runbooks.escalation.steps import SITE_ZONE
from runbooks.models import PagingGroup, Schedule
from runbooks.paging.contact_rows import REMOVED

#: Words of steps by what they say to people.
Spelling = Mapping[str, str]
_ALONE = {"site_owner": "the site's owner", "catch_all": "the catch-all owner"}


@dataclass(frozen=True, slots=True)
class WordGroup:
    """Choices of one kind: `(word, what it says)` each."""

    title: str
    words: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class StepWords:
    """One step for people; `conditions` is empty where it always counts."""

    number: int
    who: str
    wait: str
    conditions: Sequence[str] = field(default_factory=tuple)


def word_groups() -> list[WordGroup]:
    """Return everything a step may page, in groups; without those that have nothing."""
    contacts = Contact.objects.exclude(disabled_reason=REMOVED).select_related("owner")
    groups = [
        WordGroup("Whoever that is", list(_ALONE.items())),
        WordGroup(
            "On call in",
            [(f"schedule:{row.slug}", row.name) for row in Schedule.objects.all()],
        ),
        WordGroup("Groups", [(f"group:{row.slug}", row.name) for row in PagingGroup.objects.all()]),
        WordGroup("People", [(f"owner:{row.pk}", row.name) for row in Owner.objects.all()]),
        WordGroup(
            "Everybody with the role",
            [(f"role:{role.value}", role.label.lower()) for role in Membership.Role],
        ),
        WordGroup(
            "One contact alone",
            [
                (f"contact:{row.pk}", f"{row.owner.name}: {row.label}")
                for row in contacts.order_by("owner__name", "position")
            ],
        ),
    ]
    return [group for group in groups if group.words]


def spelling_of(groups: Sequence[WordGroup]) -> Spelling:
    """Return what every word says within a sentence."""
    said: dict[str, str] = {}
    for group in groups:
        for word, label in group.words:
            said[word] = _within(word, label)
    return said


def step_words(number: int, step: Step, spelling: Spelling) -> StepWords:
    """Return a step for people; words that name nothing any more say so."""
    who = [spelling.get(word, f"{word} (not there any more)") for word in step.notify]
    conditions = []
    if step.severities:
        conditions.append(f"only {listed(step.severities)} alerts")
    if step.hours is not None:
        conditions.append(hours_words(step.hours))
    return StepWords(number, listed(who), wait_words(step.delay.total_seconds()), conditions)


def hours_words(hours: Hours) -> str:
    """Return hours for people: `only Mon to Fri, 08:00 to 18:00 on the site's clocks`."""
    days = weekday_words(sorted(hours.weekdays)) or "every day"
    is_site = hours.time_zone == SITE_ZONE
    clocks = "on the site's clocks" if is_site else place_of(hours.time_zone)
    return f"only {days}, {hours.opens:%H:%M} to {hours.closes:%H:%M} {clocks}"


def _within(word: str, label: str) -> str:
    kind = word.partition(":")[0]
    if kind == "schedule":
        return f"whoever is on call in {label}"
    if kind == "group":
        return f"the group {label}"
    if kind == "role":
        return f"every {label} of the site"
    if kind == "contact":
        return f"the contact {label}"
    return label
