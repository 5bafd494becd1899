"""Who is meant by the words of a step, and how each of them can be reached right now."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Prefetch, Q

from fleet.models import Contact, Membership, Owner, Site
from runbooks.models import PagingGroup, Schedule
from runbooks.oncall.rota import Rota, turns
from runbooks.oncall.selectors import rotas_of

#: A contact that people left switched on, whose receiver has not gone, and that passed a test.
WORKING = Q(is_enabled=True, disabled_reason="", tested_at__isnull=False)

#: Around the moment that is asked about, a schedule is looked up for so long at once.
_BEFORE, _AFTER = timedelta(days=1), timedelta(days=7)
_INSTANT = timedelta(microseconds=1)

#: Who one word means: owner ids, and the one contact that counts where a word names it.
_Meant = list[tuple[int, int | None]]


@dataclass(frozen=True, slots=True)
class Person:
    """An owner who can be reached, and the contact that is tried first."""

    owner: Owner
    contact: Contact


@dataclass(frozen=True, slots=True)
class _Duty:
    """A schedule as it counts between two moments; `rota` is None where there is no such one."""

    rota: Rota | None
    starts_at: datetime
    ends_at: datetime

    def meant(self, at: datetime) -> _Meant:
        """Return whoever is on call at `at`."""
        if self.rota is None:
            return []
        owner_id = turns(self.rota, start=at, end=at + _INSTANT)[0].owner_id
        return [] if owner_id is None else [(owner_id, None)]


class KnownOwners:
    """People and whom words mean, each looked up once, for many steps of about one moment.

    Of roles, those at `sites` are looked up together.
    """

    def __init__(self, sites: Iterable[Site] = ()) -> None:
        self._sites = {site.pk for site in sites}
        #: Each with `working_contacts`; None for one who is gone.
        self._owners: dict[int, Owner | None] = {}
        self._has_catch_all = False
        self._by_word: dict[str, _Meant] = {}
        self._by_role: dict[tuple[str, int], _Meant] = {}
        self._duties: dict[str, _Duty] = {}

    def owners(self, ids: Collection[int], *, with_catch_all: bool) -> Mapping[int, Owner | None]:
        """Return by id everybody known, these and, where asked for, the catch-all among them."""
        missing = {owner_id for owner_id in ids if owner_id not in self._owners}
        wants_catch_all = with_catch_all and not self._has_catch_all
        if missing or wants_catch_all:
            wanted = Q(pk__in=missing)
            self._owners |= dict.fromkeys(missing)
            self._owners |= _with_contacts(
                wanted | Q(is_catch_all=True) if wants_catch_all else wanted
            )
            self._has_catch_all = self._has_catch_all or wants_catch_all
        return self._owners

    def meant_by(self, words: Sequence[str], *, site: Site, at: datetime) -> dict[str, _Meant]:
        """Return whom each word means at `at`; only kinds that are not known yet cost a query."""
        by_kind: dict[str, list[str]] = defaultdict(list)
        for word in words:
            kind, _, name = word.partition(":")
            by_kind[kind].append(name)
        found: dict[str, _Meant] = {word: [] for word in words}
        if site.owner_id is not None:
            found["site_owner"] = [(site.owner_id, None)]
        found |= {f"owner:{name}": [(int(name), None)] for name in by_kind["owner"]}
        found |= self._remembered("contact", by_kind["contact"])
        found |= self._remembered("group", by_kind["group"])
        found |= self._on_call(by_kind["schedule"], at)
        found |= self._with_role(by_kind["role"], site)
        return found

    def _remembered(self, kind: str, names: Sequence[str]) -> dict[str, _Meant]:
        words = {f"{kind}:{name}": name for name in names}
        missing = {word: name for word, name in words.items() if word not in self._by_word}
        if missing:
            look_up = _by_contact if kind == "contact" else _by_group
            self._by_word |= {word: [] for word in missing}
            self._by_word |= look_up(list(missing.values()))
        return {word: self._by_word[word] for word in words}

    def _on_call(self, slugs: Sequence[str], at: datetime) -> dict[str, _Meant]:
        missing = [slug for slug in slugs if not self._covers(slug, at)]
        if missing:
            start, end = at - _BEFORE, at + _AFTER
            schedules = list(Schedule.objects.filter(slug__in=missing))
            rotas = rotas_of(schedules, start=start, end=end) if schedules else {}
            by_slug = {schedule.slug: rotas[schedule.pk] for schedule in schedules}
            for slug in missing:
                self._duties[slug] = _Duty(by_slug.get(slug), start, end)
        return {f"schedule:{slug}": self._duties[slug].meant(at) for slug in slugs}

    def _covers(self, slug: str, at: datetime) -> bool:
        duty = self._duties.get(slug)
        return duty is not None and duty.starts_at <= at < duty.ends_at

    def _with_role(self, roles: Sequence[str], site: Site) -> dict[str, _Meant]:
        """Return the people whose account has the role at the site or everywhere.

        Whoever answers for the site has the role `owner` there, as everywhere else in the product.
        """
        missing = [role for role in roles if (role, site.pk) not in self._by_role]
        if missing:
            self._by_role |= _by_role(missing, self._sites | {site.pk})
        found = {f"role:{role}": self._by_role[role, site.pk] for role in roles}
        word = f"role:{Membership.Role.OWNER.value}"
        if word in found and site.owner_id is not None:
            found[word] = [(site.owner_id, None), *found[word]]
        return found


def known_owners(sites: Iterable[Site]) -> KnownOwners:
    """Return the owners of these sites and the catch-all owner as known; two queries.

    What it returns is for `owners_meant` of many steps that are carried out at one moment.
    """
    where = list(sites)
    known = KnownOwners(where)
    ids = {site.owner_id for site in where if site.owner_id is not None}
    known.owners(ids, with_catch_all=True)
    return known


def owners_meant(
    words: Sequence[str], *, site: Site, at: datetime, known: KnownOwners | None = None
) -> list[Owner]:
    """Return the owners that a step's words name at `at`, each once, in the order of the words.

    A word that names nobody (an owner who is gone, a gap in a schedule, an empty group) adds
    nobody. `contact:<id>` means its owner with that contact alone: they come once more where
    another word names them too. What is `known` already is not looked up again.
    """
    known = KnownOwners() if known is None else known
    by_word = known.meant_by(words, site=site, at=at)
    ids = {owner_id for word in words for owner_id, _ in by_word[word]}
    by_id = known.owners(ids, with_catch_all="catch_all" in words)
    catch_all: _Meant = [(one.pk, None) for one in by_id.values() if one and one.is_catch_all]
    found: dict[tuple[int, int | None], Owner] = {}
    for word in words:
        for owner_id, contact_id in catch_all if word == "catch_all" else by_word[word]:
            owner = by_id[owner_id]
            if owner is not None:
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


def _restricted(owner: Owner, contact_id: int | None) -> Owner:
    if contact_id is None:
        return owner
    alone = copy.copy(owner)
    contacts = getattr(owner, "working_contacts", [])
    # Set on a copy: the same owner may be named by another word with all their contacts.
    alone.__dict__["working_contacts"] = [item for item in contacts if item.pk == contact_id]
    return alone


def _by_contact(names: Sequence[str]) -> dict[str, _Meant]:
    rows = Contact.objects.filter(pk__in=[int(name) for name in names])
    found = dict(rows.values_list("pk", "owner_id"))
    return {
        f"contact:{name}": [(found[int(name)], int(name))] for name in names if int(name) in found
    }


def _by_group(slugs: Sequence[str]) -> dict[str, _Meant]:
    rows = PagingGroup.objects.filter(slug__in=slugs, owners__isnull=False)
    found: dict[str, _Meant] = {}
    for slug, owner_id in rows.order_by("owners__name", "owners").values_list("slug", "owners"):
        found.setdefault(f"group:{slug}", []).append((owner_id, None))
    return found


def _by_role(roles: Sequence[str], site_ids: Collection[int]) -> dict[tuple[str, int], _Meant]:
    rows = Membership.objects.filter(
        Q(site__in=site_ids) | Q(site__isnull=True),
        role__in=roles,
        user__is_active=True,
        user__owner__isnull=False,
    )
    found: dict[tuple[str, int], _Meant] = {(r, site_id): [] for r in roles for site_id in site_ids}
    people = rows.order_by("user__owner__name").values_list("role", "site_id", "user__owner")
    for role, site_id, owner_id in people:
        for where in site_ids if site_id is None else [site_id]:
            found[role, where].append((owner_id, None))
    return found
