"""What the groups' pages show: who is paged together, whom that reaches, and which policies ask."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.utils.safestring import SafeString

from fleet.access import AnyUser
from fleet.models import Contact, Owner
from fleet.noc.oncall_rights import may_change_plans
from fleet.noc.oncall_words import local_clock
from runbooks.models import EscalationPolicy, PagingGroup
from runbooks.oncall.groups import policies_by_group
from runbooks.oncall.selectors import all_groups
from runbooks.paging.people import WORKING


@dataclass(frozen=True, slots=True)
class Member:
    """One person of a group; `is_working` where a page would get through to them."""

    owner: Owner
    clock: SafeString
    is_working: bool


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group of the list."""

    group: PagingGroup
    members: Sequence[Member]
    policies: Sequence[EscalationPolicy]

    @property
    def lost(self) -> int:
        """How many of its people no page gets through to."""
        return sum(not member.is_working for member in self.members)


@dataclass(frozen=True, slots=True)
class GroupForm:
    """What stands in the form: a name and the ids of people, as text."""

    name: str = ""
    chosen: Collection[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class GroupsBoard:
    """The list, and what its form offers."""

    rows: Sequence[GroupRow]
    owners: Sequence[Owner]
    may_change: bool
    form: GroupForm


@dataclass(frozen=True, slots=True)
class GroupBoard:
    """One group's page."""

    row: GroupRow
    owners: Sequence[Owner]
    may_change: bool
    form: GroupForm


def groups_board(*, user: AnyUser, form: GroupForm | None, now: datetime) -> GroupsBoard:
    """Return every group; they belong to every site at once, so whoever sees a site sees them."""
    naming, working = policies_by_group(), _working()
    return GroupsBoard(
        rows=[_row(group, naming, working, now) for group in all_groups()],
        owners=list(Owner.objects.order_by("name")),
        may_change=may_change_plans(user),
        form=form or GroupForm(),
    )


def group_board(
    *, user: AnyUser, group: PagingGroup, form: GroupForm | None, now: datetime
) -> GroupBoard:
    """Return one group, with what was typed where the form was refused."""
    row = _row(group, policies_by_group(), _working(), now)
    stands = GroupForm(group.name, {str(member.owner.pk) for member in row.members})
    return GroupBoard(
        row=row,
        owners=list(Owner.objects.order_by("name")),
        may_change=may_change_plans(user),
        form=form or stands,
    )


def _row(
    group: PagingGroup,
    naming: dict[str, list[EscalationPolicy]],
    working: Collection[int],
    now: datetime,
) -> GroupRow:
    return GroupRow(
        group=group,
        members=[
            Member(owner, local_clock(now, owner.time_zone), owner.pk in working)
            for owner in group.owners.all()
        ],
        policies=naming.get(group.slug, []),
    )


def _working() -> set[int]:
    return set(Contact.objects.filter(WORKING).values_list("owner", flat=True))
