"""Who is meant by the words of a step, and how each of them can be reached right now."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch, Q

from fleet.models import Contact, Membership, Owner, Site
from runbooks.models import PagingGroup, Schedule
from runbooks.oncall.selectors import on_call_ids

#: A contact that people left switched on, whose receiver has not gone, and that passed a test.
WORKING = Q(is_enabled=True, disabled_reason="", tested_at__isnull=False)

#: Owners by id, each with `working_contacts`; the catch-all owners are among them.
KnownOwners = Mapping[int, Owner]
#: Who one word means: owner ids, and the one contact that counts where a word names it.
_Meant = list[tuple[int, int | None]]


@dataclass(frozen=True, slots=True)
class Person:
    """An owner who can be reached, and the contact that is tried first."""

    owner: Owner
    contact: Contact


def known_owners(owner_ids: Iterable[int | None]) -> KnownOwners:
    """Return these owners and the catch-all owners by id, with their contacts; two queries.

    What it returns is for `owners_meant` of many steps that are carried out at one moment.
    """
    ids = {owner_id for owner_id in owner_ids if owner_id is not None}
    return _with_contacts(Q(is_catch_all=True) | Q(pk__in=ids))


def owners_meant(
    words: Sequence[str], *, site: Site, at: datetime, known: KnownOwners | None = None
) -> list[Owner]:
    """Return the owners that a step's words name at `at`, each once, in the order of the words.

    A word that names nobody (an owner who is gone, a gap in a schedule, an empty group) adds
    nobody. `contact:<id>` means its owner with that contact alone: they come once more where
    another word names them too. Those among `known` are not looked up again.
    """
    by_word = _look_up(words, site, at)
    ids = {owner_id for meant in by_word.values() for owner_id, _ in meant}
    if known is None:
        by_id = _with_contacts(_catch_all(words) | Q(pk__in=ids))
    else:
        others = ids - known.keys()
        by_id = {**known, **(_with_contacts(Q(pk__in=others)) if others else {})}
    catch_all: _Meant = [(owner.pk, None) for owner in by_id.values() if owner.is_catch_all]
    found: dict[tuple[int, int | None], Owner] = {}
    for word in words:
        for owner_id, contact_id in catch_all if word == "catch_all" else by_word[word]:
            if owner_id in by_id:
                owner = by_id[owner_id]
                found.setdefault((owner_id, contact_id), _restricted(owner, contact_id))
    return list(found.values())


def reachable(owners: Iterable[Owner]) -> list[Person]:
    """Return those of `owners_meant` who have a working contact; each contact once."""
    found: dict[int, Person] = {}
    for owner in owners:
        for contact in getattr(owner, "working_contacts", [])[:1]:
            found.setdefault(contact.pk, Person(owner=owner, contact=contact))
    return list(found.values())


def next_contact(owner: Owner, *, tried: Iterable[int]) -> Contact | None:
    """Return the owner's first working contact whose id is not among `tried`."""
    return Contact.objects.filter(WORKING, owner=owner).exclude(pk__in=list(tried)).first()


def _with_contacts(wanted: Q) -> dict[int, Owner]:
    contacts = Prefetch("contacts", Contact.objects.filter(WORKING), to_attr="working_contacts")
    owners = Owner.objects.filter(wanted).prefetch_related(contacts)
    return {owner.pk: owner for owner in owners}


def _catch_all(words: Sequence[str]) -> Q:
    return Q(is_catch_all=True) if "catch_all" in words else Q(pk__in=[])


def _restricted(owner: Owner, contact_id: int | None) -> Owner:
    if contact_id is None:
        return owner
    alone = copy.copy(owner)
    contacts = getattr(owner, "working_contacts", [])
    # Set on a copy: the same owner may be named by another word with all their contacts.
    alone.__dict__["working_contacts"] = [item for item in contacts if item.pk == contact_id]
    return alone


def _look_up(words: Sequence[str], site: Site, at: datetime) -> dict[str, _Meant]:
    """Return whom each word means; only kinds of word that occur cost a query."""
    by_kind: dict[str, list[str]] = {}
    for word in words:
        kind, _, name = word.partition(":")
        by_kind.setdefault(kind, []).append(name)
    found: dict[str, _Meant] = {word: [] for word in words}
    if "site_owner" in by_kind and site.owner_id is not None:
        found["site_owner"] = [(site.owner_id, None)]
    for name in by_kind.get("owner", []):
        found[f"owner:{name}"] = [(int(name), None)]
    if "contact" in by_kind:
        found |= _by_contact(by_kind["contact"])
    if "schedule" in by_kind:
        found |= _by_schedule(by_kind["schedule"], at)
    if "group" in by_kind:
        found |= _by_group(by_kind["group"])
    if "role" in by_kind:
        found |= _by_role(by_kind["role"], site)
    return found


def _by_contact(names: Sequence[str]) -> dict[str, _Meant]:
    rows = Contact.objects.filter(pk__in=[int(name) for name in names])
    found = dict(rows.values_list("pk", "owner_id"))
    return {
        f"contact:{name}": [(found[int(name)], int(name))] for name in names if int(name) in found
    }


def _by_schedule(slugs: Sequence[str], at: datetime) -> dict[str, _Meant]:
    schedules = list(Schedule.objects.filter(slug__in=slugs))
    on_call = on_call_ids(schedules, at=at)
    return {
        f"schedule:{schedule.slug}": [(owner_id, None)]
        for schedule in schedules
        if (owner_id := on_call[schedule.pk]) is not None
    }


def _by_group(slugs: Sequence[str]) -> dict[str, _Meant]:
    rows = PagingGroup.objects.filter(slug__in=slugs, owners__isnull=False)
    found: dict[str, _Meant] = {}
    for slug, owner_id in rows.order_by("owners__name", "owners").values_list("slug", "owners"):
        found.setdefault(f"group:{slug}", []).append((owner_id, None))
    return found


def _by_role(roles: Sequence[str], site: Site) -> dict[str, _Meant]:
    """Return the people whose account has the role at the site or everywhere.

    Whoever answers for the site has the role `owner` there, as everywhere else in the product.
    """
    rows = Membership.objects.filter(
        Q(site=site) | Q(site__isnull=True),
        role__in=roles,
        user__is_active=True,
        user__owner__isnull=False,
    )
    found: dict[str, _Meant] = {}
    if Membership.Role.OWNER.value in roles and site.owner_id is not None:
        found["role:owner"] = [(site.owner_id, None)]
    for role, owner_id in rows.order_by("user__owner__name").values_list("role", "user__owner"):
        found.setdefault(f"role:{role}", []).append((owner_id, None))
    return found
