"""Everybody whom the live sites' policies could ever page, loaded at once for all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q

from fleet.models import Contact, Membership, Owner, Site
from runbooks.escalation.steps import PlanError, Step, read_steps, split_word
from runbooks.models import (
    EscalationPolicyVersion,
    PagingGroup,
    RotationMember,
    Schedule,
    ScheduleOverride,
)
from runbooks.paging.people import WORKING


@dataclass(frozen=True, slots=True)
class Followed:
    """A live site and the newest edition of the policy it follows.

    `steps` is empty where the edition cannot be read; `version` is None where it follows none.
    """

    site: Site
    version: EscalationPolicyVersion | None
    steps: tuple[Step, ...]


@dataclass(slots=True)
class Network:
    """Live sites, their policies, and owner ids behind every word; `names` are owners' names."""

    names: dict[int, str]
    catch_all_id: int | None
    #: Owners with a working contact, and the working contacts with their owners.
    reachable: set[int]
    working_contacts: set[int]
    contact_owners: dict[int, int]
    followed: list[Followed]
    schedules: dict[str, Schedule]
    on_schedule: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    in_group: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    #: Owner ids by role and site id; site id None is everywhere.
    in_role: dict[tuple[str, int | None], set[int]] = field(
        default_factory=lambda: defaultdict(set)
    )

    def owners_of(self, word: str, site: Site) -> set[int]:
        """Return everybody whom a word may mean at the site, whoever is on call now."""
        kind, name = split_word(word)
        if kind == "site_owner":
            return set() if site.owner_id is None else {site.owner_id}
        if kind == "catch_all":
            return set() if self.catch_all_id is None else {self.catch_all_id}
        if kind == "owner":
            return {int(name)} & set(self.names)
        if kind == "contact":
            return {self.contact_owners[int(name)]} if int(name) in self.contact_owners else set()
        if kind == "schedule":
            return self.on_schedule.get(name, set())
        if kind == "group":
            return self.in_group.get(name, set())
        return self._in_role(name, site)

    def reached_by(self, step: Step, site: Site) -> set[int]:
        """Return those whom a step may mean and who have a working contact."""
        found: set[int] = set()
        for word in step.notify:
            kind, name = split_word(word)
            if kind != "contact":
                found |= self.owners_of(word, site) & self.reachable
            elif int(name) in self.working_contacts:
                found.add(self.contact_owners[int(name)])
        return found

    def _in_role(self, role: str, site: Site) -> set[int]:
        found = self.in_role.get((role, site.pk), set()) | self.in_role.get((role, None), set())
        if role == Membership.Role.OWNER.value and site.owner_id is not None:
            found = found | {site.owner_id}
        return found


def load_network(*, now: datetime, until: datetime) -> Network:
    """Return the network as it is at `now`; overrides count up to `until`."""
    owners = list(Owner.objects.values_list("pk", "name", "is_catch_all"))
    contacts = dict(Contact.objects.values_list("pk", "owner_id"))
    working = set(Contact.objects.filter(WORKING).values_list("pk", flat=True))
    network = Network(
        names={pk: name for pk, name, _ in owners},
        catch_all_id=next((pk for pk, _, is_catch_all in owners if is_catch_all), None),
        reachable={contacts[pk] for pk in working},
        working_contacts=working,
        contact_owners=contacts,
        followed=list(_followed()),
        schedules={schedule.slug: schedule for schedule in Schedule.objects.all()},
    )
    _load_people(network, now, until)
    return network


def _load_people(network: Network, now: datetime, until: datetime) -> None:
    """Fill in who is in which schedule, group and role."""
    current = Q(rotation__ends_on__isnull=True) | Q(rotation__ends_on__gte=now.date())
    turns = RotationMember.objects.filter(current, rotation__counts_until__isnull=True)
    for slug, owner_id in turns.values_list("rotation__schedule__slug", "owner_id"):
        network.on_schedule[slug].add(owner_id)
    overrides = ScheduleOverride.objects.filter(
        removed_at__isnull=True, ends_at__gt=now, starts_at__lt=until
    )
    for slug, owner_id in overrides.values_list("schedule__slug", "owner_id"):
        network.on_schedule[slug].add(owner_id)
    groups = PagingGroup.objects.filter(owners__isnull=False)
    for slug, owner_id in groups.values_list("slug", "owners"):
        network.in_group[slug].add(owner_id)
    roles = Membership.objects.filter(user__is_active=True, user__owner__isnull=False)
    for role, site_id, owner_id in roles.values_list("role", "site_id", "user__owner"):
        network.in_role[role, site_id].add(owner_id)


def _followed() -> Iterable[Followed]:
    newest = EscalationPolicyVersion.objects.order_by("policy_id", "-number").distinct("policy_id")
    versions = {row.policy_id: row for row in newest.select_related("policy")}
    steps = {policy_id: _steps(version) for policy_id, version in versions.items()}
    sites = Site.objects.filter(status=Site.Status.ACTIVE).order_by("name")
    for site in sites.select_related("escalation_choice"):
        choice = getattr(site, "escalation_choice", None)
        policy_id = choice.policy_id if choice is not None else 0
        yield Followed(site, versions.get(policy_id), steps.get(policy_id, ()))


def _steps(version: EscalationPolicyVersion) -> tuple[Step, ...]:
    try:
        return read_steps(version.steps)
    except PlanError:
        return ()
