"""What holds an alert back, whom it can be given to, and what a storm stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef

from fleet.access import Action, AnyUser, users_who_may
from fleet.lengths import exact_words
from fleet.models import Contact, Owner
from fleet.names import name_of
from fleet.noc.oncall_rights import owners_visible_to
from runbooks.escalation.services import people_by_step
from runbooks.models import Alert, Escalation, StormMember, Suppression
from runbooks.paging.people import WORKING
from runbooks.suppression.selectors import suppressions_of

#: A storm's members on the page; the first ones say how it began.
_SHOWN_MEMBERS: Final = 20
#: Hours to choose from when an alert is set aside.
SHELF_HOURS: Final = (1, 2, 4, 8, 24, 72)
LENGTHS: Final = tuple(
    (minutes, exact_words(60 * minutes)) for minutes in (15, 30, 60, 120, 240, 480, 1440, 4320)
)


@dataclass(frozen=True, slots=True)
class Hold:
    """One reason why the alert is held back, in words; `until` is empty for an inhibition."""

    title: str
    reason: str
    author: str
    until: datetime | None
    is_shelf: bool
    cause: Alert | None


@dataclass(frozen=True, slots=True)
class Choices:
    """Who else could take the alert: people to page, and colleagues to give it to.

    `sequence` is the step this page knows of, so that an old page cannot take two steps.
    """

    sequence: int
    owners: Sequence[Owner]
    colleagues: Sequence[User]
    #: Whom each step of the policy pages now, by name; none where there is no other to choose.
    steps: Sequence[Sequence[str]] = ()
    #: For how long it may be kept: minutes, and those in words.
    lengths: Sequence[tuple[int, str]] = LENGTHS
    shelf_hours: Sequence[int] = SHELF_HOURS


@dataclass(frozen=True, slots=True)
class Storm:
    """The first findings a storm stands for."""

    shown: Sequence[StormMember]
    left_out: int


def holds_of(alert: Alert) -> list[Hold]:
    """Return what holds the alert back right now, the first that began first."""
    if not alert.is_suppressed:
        return []
    return [_hold(row) for row in suppressions_of(alert)]


def choices_for(alert: Alert, *, user: AnyUser, now: datetime) -> Choices | None:
    """Return whom the alert can be given to; None when it is closed."""
    if alert.response == Alert.Response.CLOSED:
        return None
    escalation: Escalation | None = getattr(alert, "escalation", None)
    works = Contact.objects.filter(WORKING, owner=OuterRef("pk"))
    held = alert.response == Alert.Response.ACKNOWLEDGED
    colleagues = users_who_may(Action.RESPOND, alert.site).exclude(pk=user.pk or 0) if held else ()
    steps = people_by_step(alert=alert, now=now)
    return Choices(
        sequence=escalation.sequence if escalation else 0,
        owners=list(owners_visible_to(user).filter(Exists(works)).only("pk", "name", "time_zone")),
        colleagues=list(colleagues),
        steps=steps if len(steps) > 1 else (),
    )


def storm_of(alert: Alert) -> Storm | None:
    """Return the first members of a storm; None for any other alert."""
    if not alert.is_storm:
        return None
    members = alert.members.select_related("finding__node").order_by("pk")[:_SHOWN_MEMBERS]
    shown = list(members)
    return Storm(shown=shown, left_out=max(alert.member_count - len(shown), 0))


def _hold(row: Suppression) -> Hold:
    author = row.silence.author_name if row.silence else ""
    if row.by is not None:
        author = name_of(row.by)
    return Hold(
        title=row.get_kind_display(),
        reason=row.reason,
        author=author,
        until=row.until,
        is_shelf=row.kind == Suppression.Kind.SHELVED,
        cause=row.inhibited_by,
    )
