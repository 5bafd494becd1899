"""What the on-call page shows: who has the pager now, and whom each site would page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fleet.access import AnyUser
from fleet.models import Owner
from fleet.noc.oncall_duty import Duty, MyTurn, duty_of, policies_asking, stretches_of, turns_of
from fleet.noc.oncall_reach import Reach, who_now
from fleet.noc.oncall_rights import may_change_plans, owner_of
from fleet.noc.readiness_board import lacks_for
from runbooks.escalation.steps import SEVERITIES
from runbooks.oncall.selectors import all_schedules
from runbooks.paging.deliveries import dead_pages_for


@dataclass(frozen=True, slots=True)
class OnCallBoard:
    """The whole page; `me` is the person whom pages to the reader go to, if any."""

    duties: Sequence[Duty]
    my_turns: Sequence[MyTurn]
    me: Owner | None
    groups: Sequence[Reach]
    severity: str
    severities: Sequence[str]
    lack_count: int
    dead_count: int
    may_change: bool

    @property
    def gaps(self) -> list[Duty]:
        """The schedules that some policy asks and in which nobody is on call now."""
        return [duty for duty in self.duties if duty.owner is None and duty.is_asked]

    @property
    def unreached(self) -> int:
        """How many sites would page nobody now."""
        return sum(len(group.places) for group in self.groups if not group.names)

    @property
    def people(self) -> int:
        """How many people are on call now."""
        return len({duty.owner for duty in self.duties if duty.owner})

    @property
    def site_count(self) -> int:
        """How many live sites the reader may see."""
        return sum(len(group.places) for group in self.groups)


def oncall_board(*, user: AnyUser, severity: str, now: datetime) -> OnCallBoard:
    """Return the page as `user` may see it; an unknown severity counts as urgent."""
    chosen = severity if severity in SEVERITIES else SEVERITIES[0]
    me = owner_of(user)
    asked = policies_asking()
    plans = stretches_of(list(all_schedules()), now=now)
    return OnCallBoard(
        duties=[
            duty_of(schedule, spans, me=me, is_asked=schedule.slug in asked)
            for schedule, spans in plans
        ],
        my_turns=turns_of(me, plans, now=now) if me else [],
        me=me,
        groups=who_now(user, severity=chosen, now=now),
        severity=chosen,
        severities=SEVERITIES,
        lack_count=len(lacks_for(user, now=now)),
        dead_count=dead_pages_for(user).count(),
        may_change=may_change_plans(user),
    )
