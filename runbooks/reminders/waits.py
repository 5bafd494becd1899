"""Tells of runs that wait: whoever holds the run, else whoever answers for the site."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.db.models import Q

from fleet.access import Action, may
from fleet.lengths import duration_words
from fleet.models import Owner
from fleet.services.engine import Module, engine_transaction
from runbooks.models import AlertEvent, Announcement, Run
from runbooks.paging.announced import Told, announced_of, call_off_others
from runbooks.paging.announcements import first_to_tell, those_to_tell
from runbooks.paging.content import local_time
from runbooks.paging.timeline import write_entry
from runbooks.runs.log import name_of
from runbooks.runs.waits import Wait, longest_wait, runs_that_wait

Kind = Announcement.Kind
State = Run.State

_WAITS_FOR: Final = {
    State.CREATED: "it was never begun",
    State.IN_PROGRESS: "its next step is not done",
    State.WAITING_HUMAN: "it waits for a decision",
    State.WAITING_APPROVAL: "it waits for an approval",
    State.WAITING_TIMER: "its next step is not done",
}


@dataclass(frozen=True, slots=True)
class _Due:
    """One wait that somebody is told of now; `told_again_at` is when it is told of anew."""

    wait: Wait
    told_again_at: datetime

    @property
    def told(self) -> Told:
        """What it is announced once by."""
        return f"run {self.wait.run.pk}", self.told_again_at

    @property
    def action(self) -> str:
        """What it is entered once by into the timeline of the alert."""
        return f"waits/{self.wait.run.pk}/{self.told_again_at:%Y%m%d%H%M%S}"

    def is_unwritten(self, written: Set[str | None]) -> bool:
        """Tell whether there is an alert whose timeline says nothing of it."""
        return self.wait.run.alert_id is not None and self.action not in written

    def reaches(self, people: Set[tuple[int, int | None]]) -> bool:
        """Tell whether the holder or the site's owner is among these, by id and account."""
        run, holder = self.wait.run, _holder(self.wait.run)
        return any(
            owner == run.site.owner_id or (holder is not None and user == holder.pk)
            for owner, user in people
        )


def remind_of_waits(*, now: datetime) -> int:
    """Tell of each run that has waited too long, once for each such time; return how many.

    The announcement and the entry in the alert's timeline, open or closed, are one transaction. A
    run that has moved on or ended meanwhile is not told of any more.
    """
    with engine_transaction(module=Module.RUNS):
        found = {due.told: due for due in (_due(wait, now) for wait in runs_that_wait(now=now))}
        call_off_others(kinds=[Kind.RUN_WAITING], still_so=found.keys())
        known = announced_of(found)
        untold = [due for told, due in found.items() if told not in known]
        fresh = {due.wait.run.pk: due for due in _worth_a_look(untold)}
        if not fresh:
            return 0
        # Two sweeps share the runs out: each is told of by whoever holds its row.
        held = Run.objects.select_for_update(no_key=True, skip_locked=True).filter(pk__in=fresh)
        return sum(_tell(fresh[pk], now) for pk in held.order_by("pk").values_list("pk", flat=True))


def _due(wait: Wait, now: datetime) -> _Due:
    longest = longest_wait()
    times = (now - wait.since) // longest
    return _Due(wait, wait.since + (times + 1) * longest)


def _worth_a_look(untold: Sequence[_Due]) -> list[_Due]:
    """Leave out the runs of which nobody can be told and the timeline says so; two queries.

    They stay untold, so every cycle comes by here until somebody has a contact that works.
    """
    if not untold:
        return []
    runs = [due.wait.run for due in untold]
    holders = {holder.pk for run in runs if (holder := _holder(run)) is not None}
    owners = {run.site.owner_id for run in runs} - {None}
    people = those_to_tell(Owner.objects.filter(Q(pk__in=owners) | Q(user__in=holders)))
    reachable = set(people.values_list("pk", "user"))
    entries = AlertEvent.objects.filter(client_action_id__in=[due.action for due in untold])
    written = set(
        entries.filter(alert__in=[run.alert_id for run in runs if run.alert_id]).values_list(
            "client_action_id", flat=True
        )
    )
    return [due for due in untold if due.is_unwritten(written) or due.reaches(reachable)]


def _tell(due: _Due, now: datetime) -> bool:
    """Write down whom to tell; False where it is written already, or there is nobody to tell."""
    run = due.wait.run
    person, is_new = _person_to_tell(run), False
    source, ends_at = due.told
    if person is not None:
        _, is_new = Announcement.objects.get_or_create(
            source=source,
            ends_at=ends_at,
            defaults={
                "owner": person,
                "kind": Kind.RUN_WAITING,
                "summary": _summary(due.wait, person, now),
                "path": f"/runs/{run.pk}/watch/",
                "created_at": now,
                "next_attempt_at": now,
            },
        )
    _enter(due, person, now)
    return is_new


def _person_to_tell(run: Run) -> Owner | None:
    """Return who holds the run, else the site's owner: the first who has a contact that works.

    Somebody who may not follow runbooks there any more holds nothing.
    """
    holder = _holder(run)
    holds = holder is not None and may(holder, Action.RUN, run.site)
    people = Owner.objects.filter(user=holder) if holds else Owner.objects.none()
    return first_to_tell((*people, run.site.owner))


def _holder(run: Run) -> User | None:
    """Return who was sent, else who leads it."""
    return run.assigned_to or run.lead


def _summary(wait: Wait, person: Owner, now: datetime) -> str:
    run, holder = wait.run, _holder(wait.run)
    there = local_time(wait.since, person.time_zone)
    clock = f", {there[11:16]} on your clock" if there else ""
    held = f" {name_of(holder)} holds it." if holder and holder.pk != person.user_id else ""
    return (
        f"R-{run.pk} {run.runbook_version.runbook.title} at {run.site.name} has waited for "
        f"{duration_words((now - wait.since).total_seconds())}, since {wait.since:%F %H:%M} UTC"
        f"{clock}: {_why(run)}.{held} Go on with it, hand it over or end it."
    )


def _why(run: Run) -> str:
    if run.paused_at is not None:
        return f"it is paused ({run.reason.rstrip('.')})"
    return _WAITS_FOR[State(run.state)]


def _enter(due: _Due, person: Owner | None, now: datetime) -> None:
    """Write into the alert's timeline who is told, once; the caller holds the run."""
    run, action = due.wait.run, due.action
    alert = run.alert
    if alert is None or alert.events.filter(client_action_id=action).exists():
        return
    length = duration_words((now - due.wait.since).total_seconds())
    told = f"{person} is told" if person else "Nobody can be told: no contact works"
    write_entry(
        alert=alert,
        kind=AlertEvent.Kind.RUN_WAITING,
        sentence=f"R-{run.pk} has waited for {length}: {_why(run)}. {told}.",
        now=now,
        client_action_id=action,
    )
