"""The cycle that holds alerts back and lets them go: what should be, compared with what is.

Everything is judged anew in each cycle from the silences, windows, rules and alerts themselves, so
a crash, a lost hint or an edit in the database is mended by the next one. The state of an alert
stays as it is; paging waits. Lock order: alert, escalation, pages.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef

from fleet.services.engine import Module, engine_transaction
from runbooks.models import Alert, Suppression
from runbooks.suppression.causes import (
    Cause,
    Hold,
    InForce,
    Subject,
    active_causes,
    in_force,
    open_alerts,
    planned_holds,
    subjects_of,
)
from runbooks.suppression.inhibition import (
    enabled_rules,
    inhibitions,
    possible_sources_of,
    topological_sources,
)
from runbooks.suppression.matchers import matches
from runbooks.suppression.records import Change, write_changes

#: So many alerts are settled in one transaction.
_AT_ONCE = 2_000

Response = Alert.Response
Inhibitions = Mapping[int, Sequence[Hold]]


def apply_suppressions(*, now: datetime, limit: int = 50_000) -> int:
    """Hold back what must be and let go what may go; return how many alerts changed.

    A number of statements that does not grow with the alerts. At most `limit` alerts change, and
    one that another worker holds is left to the next cycle.
    """
    with engine_transaction(module=Module.SUPPRESSION):
        _forget_closed(now)
    rules = enabled_rules()
    causes = active_causes(now=now)
    rows = in_force(Suppression.objects.all())
    if not (causes or rules or rows) and not _may_need_mending():
        return 0
    subjects = subjects_of(open_alerts())
    inhibited: Inhibitions = inhibitions(subjects, rules)
    stale = [
        subject.alert_id
        for subject in subjects
        if _change(subject, causes, rows.get(subject.alert_id, ()), inhibited, now) is not None
    ]
    done = 0
    for start in range(0, min(len(stale), limit), _AT_ONCE):
        ids = stale[start : start + _AT_ONCE][: limit - start]
        with engine_transaction(module=Module.SUPPRESSION):
            done += _settle(ids, now=now, inhibited=inhibited, waits=False)
    return done


def settle_planned(*, alert_ids: Collection[int], now: datetime) -> int:
    """Apply silences, maintenance and the shelf to these alerts, in the caller's transaction.

    Waits for alerts that others hold, so that nothing is paged once it has returned. What follows
    from other alerts stays as it is until the next cycle. Returns how many changed.
    """
    return _settle(alert_ids, now=now, inhibited=None, waits=True)


@transaction.atomic
def suppress_at_birth(*, alerts: Sequence[Alert], now: datetime) -> set[int]:
    """Hold new alerts back at once where something covers them; return the ids of those held.

    Called in the transaction that opened them, before anybody is paged; called twice, it happens
    once. Of those held, the row in the database is newer than the instance, whose `is_suppressed`
    is set here. A number of statements that does not grow with the alerts.
    """
    newborn = subjects_of(Alert.objects.filter(pk__in=[alert.pk for alert in alerts]))
    held = {subject.alert_id for subject in newborn if subject.is_suppressed}
    free = [subject for subject in newborn if not subject.is_suppressed]
    if not free:
        return held
    causes = active_causes(now=now, site_ids={subject.site_id for subject in free})
    rules = [
        rule
        for rule in enabled_rules()
        if any(matches(rule.target, subject.labels) for subject in free)
    ]
    others = subjects_of(possible_sources_of(free, rules))
    inhibited = inhibitions([*others, *free], rules)
    made = [_change(subject, causes, (), inhibited, now) for subject in free]
    changes = [change for change in made if change is not None]
    write_changes(changes, now=now)
    held |= {change.subject.alert_id for change in changes}
    for alert in alerts:
        alert.is_suppressed = alert.pk in held
    return held


def _settle(
    alert_ids: Collection[int], *, now: datetime, inhibited: Inhibitions | None, waits: bool
) -> int:
    with transaction.atomic():
        locked = list(
            open_alerts()
            .select_for_update(no_key=True, of=("self",), skip_locked=not waits)
            .filter(pk__in=alert_ids)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        if not locked:
            return 0
        # Read after the lock: what others committed before it counts, and nothing changes after.
        causes = active_causes(now=now)
        rows = in_force(Suppression.objects.filter(alert__in=locked))
        changes = [
            change
            for subject in subjects_of(Alert.objects.filter(pk__in=locked))
            if (change := _change(subject, causes, rows.get(subject.alert_id, ()), inhibited, now))
            is not None
        ]
        write_changes(changes, now=now)
        return len(changes)


def _change(
    subject: Subject,
    causes: Iterable[Cause],
    rows: Sequence[InForce],
    inhibited: Inhibitions | None,
    now: datetime,
) -> Change | None:
    """Return what must change for this alert, None when all is as it should be."""
    wanted = {hold.source: hold for hold in planned_holds(subject, causes)}
    if inhibited is not None:
        wanted |= {hold.source: hold for hold in inhibited.get(subject.alert_id, ())}
    if not wanted and not rows and not subject.is_suppressed:
        return None
    known = {row.source: row for row in rows}
    keeps = {row.source for row in rows if _keeps_itself(row, now, knows=inhibited is not None)}
    change = Change(
        subject=subject,
        begins=tuple(hold for source, hold in wanted.items() if source not in known),
        ends=tuple(r for r in rows if r.source not in wanted and r.source not in keeps),
        # The end may have moved; an inhibition keeps the words it began with.
        moves=tuple(
            (row, wanted[row.source])
            for row in rows
            if row.source in wanted and row.until != wanted[row.source].until
        ),
        is_held=bool(wanted or keeps),
    )
    return change if change.is_due else None


def _keeps_itself(row: InForce, now: datetime, *, knows: bool) -> bool:
    """Tell whether a row counts by itself; an inhibition does where what inhibits is unknown."""
    if row.kind == Suppression.Kind.SHELVED:
        return row.until is not None and row.until > now
    return row.kind == Suppression.Kind.INHIBITED and not knows


def _may_need_mending() -> bool:
    held = open_alerts().filter(is_suppressed=True)
    return topological_sources().exists() or held.exists()


@transaction.atomic
def _forget_closed(now: datetime) -> None:
    """End what held back an alert that has closed since; its timeline has ended."""
    held = Suppression.objects.filter(ended_at__isnull=True)
    closed = Alert.objects.filter(
        Exists(held.filter(alert=OuterRef("pk"))), response=Response.CLOSED
    )
    # Alerts before what hangs on them, as everybody locks; those in use wait for the next cycle.
    locked = closed.select_for_update(no_key=True, skip_locked=True, of=("self",)).order_by("pk")
    ids = list(locked.values_list("pk", flat=True))
    if ids:
        held.filter(alert__in=ids).update(ended_at=now)
        Alert.objects.filter(pk__in=ids, is_suppressed=True).update(is_suppressed=False)
