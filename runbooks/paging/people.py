"""Who is meant by the words of a step, and how each of them can be reached right now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch, Q

from fleet.models import Contact, Owner, Site

#: A contact that people left switched on, whose receiver has not gone, and that passed a test.
WORKING = Q(is_enabled=True, disabled_reason="", tested_at__isnull=False)


@dataclass(frozen=True, slots=True)
class Person:
    """An owner who can be reached, and the contact that is tried first."""

    owner: Owner
    contact: Contact


def owners_meant(words: Sequence[str], *, site: Site, at: datetime) -> list[Owner]:
    """Return the owners that a step's words name at `at`, each once, in the order of the words.

    A word that names nobody (an owner who is gone, no catch-all) adds nobody.
    """
    wanted = [_condition(word, site) for word in words]
    contacts = Prefetch("contacts", Contact.objects.filter(WORKING), to_attr="working_contacts")
    everybody = Owner.objects.filter(
        Q(is_catch_all=True) | Q(pk=site.owner_id) | Q(pk__in=_numbers(words))
    ).prefetch_related(contacts)
    found: dict[int, Owner] = {}
    for key, value in wanted:
        for owner in everybody:
            if getattr(owner, key) == value:
                found.setdefault(owner.pk, owner)
    return list(found.values())


def reachable(owners: Iterable[Owner]) -> list[Person]:
    """Return those of `owners_meant` who have a working contact."""
    return [
        Person(owner=owner, contact=contacts[0])
        for owner in owners
        if (contacts := getattr(owner, "working_contacts", []))
    ]


def next_contact(owner: Owner, *, tried: Iterable[int]) -> Contact | None:
    """Return the owner's first working contact whose id is not among `tried`."""
    return Contact.objects.filter(WORKING, owner=owner).exclude(pk__in=list(tried)).first()


def _condition(word: str, site: Site) -> tuple[str, object]:
    if word == "catch_all":
        return "is_catch_all", True
    if word == "site_owner":
        return "pk", site.owner_id
    return "pk", int(word.removeprefix("owner:"))


def _numbers(words: Sequence[str]) -> list[int]:
    return [int(word.removeprefix("owner:")) for word in words if word.startswith("owner:")]
