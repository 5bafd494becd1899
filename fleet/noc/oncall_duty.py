"""Who is on call now in each schedule, who comes next, and somebody's own turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.safestring import SafeString

from fleet.models import Owner
from fleet.noc.oncall_words import local_clock, local_time
from runbooks.escalation.steps import split_word
from runbooks.models import EscalationPolicyVersion, Schedule
from runbooks.oncall.rota import turns
from runbooks.oncall.selectors import rotas_of

#: How far ahead turns are worked out.
AHEAD = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A span of one schedule with one owner on call, whatever layers it is made of; None: a gap."""

    owner: Owner | None
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Duty:
    """One schedule now: who is on call, until when, who is next; times stand on its own clocks.

    `until` is empty where the next 14 days bring no change; `their_clock` is the time where the
    person is, empty where that is the schedule's own; `is_asked` says whether a policy asks it.
    """

    schedule: Schedule
    owner: Owner | None
    clock: SafeString
    their_clock: SafeString | str
    ends_at: datetime | None
    until: SafeString | str
    next_name: str
    is_mine: bool
    is_asked: bool


@dataclass(frozen=True, slots=True)
class MyTurn:
    """One turn of the reader, on the reader's own clocks."""

    schedule: Schedule
    starts_at: datetime
    starts: SafeString
    ends: SafeString
    is_now: bool


def stretches_of(
    schedules: Sequence[Schedule], *, now: datetime
) -> list[tuple[Schedule, list[Stretch]]]:
    """Return each schedule's spans for 14 days from `now`; the queries do not grow with them."""
    end = now + AHEAD
    rotas = rotas_of(schedules, start=now, end=end)
    found = {row.pk: turns(rotas[row.pk], start=now, end=end) for row in schedules}
    ids = {turn.owner_id for spans in found.values() for turn in spans if turn.owner_id}
    owners = Owner.objects.in_bulk(ids)
    answer = []
    for schedule in schedules:
        joined: list[Stretch] = []
        for turn in found[schedule.pk]:
            owner = owners.get(turn.owner_id or 0)
            if joined and joined[-1].owner == owner:
                joined[-1] = Stretch(owner, joined[-1].starts_at, turn.ends_at)
            else:
                joined.append(Stretch(owner, turn.starts_at, turn.ends_at))
        answer.append((schedule, joined))
    return answer


def policies_asking() -> dict[str, list[str]]:
    """Return the names of the policies whose newest edition asks each schedule, by its slug."""
    newest = EscalationPolicyVersion.objects.order_by("policy_id", "-number").distinct("policy_id")
    found: dict[str, list[str]] = {}
    for version in newest.select_related("policy"):
        words = {str(word) for step in version.steps for word in step.get("notify", [])}
        for kind, slug in map(split_word, words):
            if kind == "schedule":
                found.setdefault(slug, []).append(version.policy.name)
    return {slug: sorted(names) for slug, names in found.items()}


def duty_of(
    schedule: Schedule, spans: Sequence[Stretch], *, me: Owner | None, is_asked: bool
) -> Duty:
    """Return what a schedule's spans say about now, which is where they begin."""
    here, after = spans[0], spans[1:]
    person, zone = here.owner, schedule.time_zone
    is_away = person is not None and person.time_zone != zone
    now = here.starts_at
    return Duty(
        schedule=schedule,
        owner=person,
        clock=local_clock(now, zone),
        their_clock=local_clock(now, person.time_zone) if person and is_away else "",
        ends_at=here.ends_at if after else None,
        until=local_time(here.ends_at, zone) if after else "",
        next_name=_name(after[0].owner) if after else "",
        is_mine=person is not None and person == me,
        is_asked=is_asked,
    )


def turns_of(
    me: Owner, plans: Sequence[tuple[Schedule, Sequence[Stretch]]], *, now: datetime
) -> list[MyTurn]:
    """Return the turns of one person, the soonest first."""
    found = [
        MyTurn(
            schedule=schedule,
            starts_at=span.starts_at,
            starts=local_time(span.starts_at, me.time_zone),
            ends=local_time(span.ends_at, me.time_zone),
            is_now=span.starts_at <= now,
        )
        for schedule, spans in plans
        for span in spans
        if span.owner == me
    ]
    return sorted(found, key=lambda turn: (turn.starts_at, turn.schedule.name))


def _name(owner: Owner | None) -> str:
    return owner.name if owner else "nobody"
