"""The names of the people whom a policy's words mean, for pages that show the policy."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from fleet.models import Contact, Membership, Owner, Site
from runbooks.models import PagingGroup, Schedule
from runbooks.oncall.selectors import on_call_ids

#: The names that a word of a step stands for, by word.
Names = Mapping[str, Sequence[str]]


def names_behind(words: Collection[str], *, at: datetime) -> Names:
    """Return the names behind the words of steps at `at`; none without words.

    `site_owner` is not among them, for it is another person at each site, and `role:...` stands
    for itself: who has the role is another question at each site too.
    """
    if not words:
        return {}
    names: dict[str, Sequence[str]] = {}
    owners = list(Owner.objects.only("pk", "name", "is_catch_all"))
    names_by_id = {owner.pk: owner.name for owner in owners}
    for owner in owners:
        names[f"owner:{owner.pk}"] = [owner.name]
        if owner.is_catch_all:
            names["catch_all"] = [owner.name]
    kinds = {word.partition(":")[0] for word in words}
    if "schedule" in kinds:
        names |= _names_on_call(words, names_by_id, at)
    if "group" in kinds:
        for group in PagingGroup.objects.prefetch_related("owners"):
            names[f"group:{group.slug}"] = [owner.name for owner in group.owners.all()]
    if "contact" in kinds:
        for contact in Contact.objects.select_related("owner"):
            names[f"contact:{contact.pk}"] = [contact.owner.name]
    for role in Membership.Role:
        names[f"role:{role.value}"] = [f"every {role.label.lower()} of the site"]
    return names


def people_meant(words: Sequence[str], *, site: Site, names: Names) -> list[str]:
    """Return the people a step pages, each once, in the step's order."""
    owner = [site.owner.name] if site.owner else []
    said = [
        name for word in words for name in (owner if word == "site_owner" else names.get(word, []))
    ]
    return list(dict.fromkeys(said))


def _names_on_call(
    words: Collection[str], names_by_id: Mapping[int, str], at: datetime
) -> dict[str, Sequence[str]]:
    slugs = [word.removeprefix("schedule:") for word in words if word.startswith("schedule:")]
    schedules = list(Schedule.objects.filter(slug__in=slugs))
    on_call = on_call_ids(schedules, at=at)
    return {
        f"schedule:{schedule.slug}": [names_by_id[owner_id]]
        for schedule in schedules
        if (owner_id := on_call.get(schedule.pk)) is not None
    }


def spell_people(people: Sequence[str]) -> str:
    """Return `Kim`, `Kim and Ada`, `Kim and 3 more`; each name counts once."""
    people = list(dict.fromkeys(people))
    if len(people) > 2:
        return f"{people[0]} and {len(people) - 1} more"
    return " and ".join(people)
