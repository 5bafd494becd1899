"""Tells whoever asked for a silence or for maintenance that it ends soon, and what pages then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Exists, F, OuterRef, Q

from fleet.models import MaintenanceWindow, Owner
from fleet.services.engine import Module, engine_transaction
from fleet.spans import span_at
from runbooks.models import Alert, Announcement, Silence, Suppression
from runbooks.paging.announced import Told, announced_of, call_off_others
from runbooks.paging.announcements import contacts_to_tell
from runbooks.paging.content import SEVERITY_WORDS, local_time
from runbooks.paging.timeline import clip
from runbooks.suppression.causes import active_silences, source_of, standing_windows
from runbooks.suppression.endings import SHORT, WARNED_BEFORE

Kind = Announcement.Kind

_KINDS: Final = (Kind.SILENCE_ENDING, Kind.MAINTENANCE_ENDING)

#: So many alerts are named; the others are a number.
MOST_NAMED: Final = 5
_LONGEST_SUMMARY: Final = 1000
_LONGEST_NAME: Final = 120


@dataclass(frozen=True, slots=True)
class _Ending:
    """One silence or span of maintenance that ends soon; `what` names it to its author."""

    kind: Announcement.Kind
    source: str
    ends_at: datetime
    author_id: int
    what: str
    path: str
    is_routine: bool = False

    @property
    def told(self) -> Told:
        """What it is announced once by."""
        return self.source, self.ends_at


@engine_transaction(module=Module.SUPPRESSION)
def announce_endings(*, now: datetime) -> int:
    """Write down for each author what ends within a quarter of an hour, once; return how many.

    Told are authors with an account that a person of the fleet holds and a working contact. What
    lasts half an hour or less is not announced, and maintenance that recurs only where it holds
    back what would page. What ends at another time by now is not told any more.
    """
    endings = [*_silences(now), *_maintenance(now)]
    told = {ending.told for ending in endings}
    call_off_others(kinds=_KINDS, still_so=told)
    known = announced_of(told)
    fresh = [ending for ending in endings if ending.told not in known]
    owners = {
        owner.user_id: owner
        for owner in Owner.objects.filter(
            user__in={ending.author_id for ending in fresh}, user__is_active=True
        )
    }
    rows = []
    for ending in fresh:
        owner = owners.get(ending.author_id)
        if owner is None or not contacts_to_tell(owner).exists():
            continue
        waiting = _alerts_that_page_then(ending)
        if waiting or not ending.is_routine:
            rows.append(_row(ending, owner, waiting, now))
    Announcement.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def _silences(now: datetime) -> Iterable[_Ending]:
    ending = active_silences(now=now).filter(
        ended_at__isnull=True,
        ends_at__lte=now + WARNED_BEFORE,
        starts_at__lt=F("ends_at") - SHORT,
        created_by__isnull=False,
    )
    for silence in ending.select_related("site").order_by("pk"):
        where = silence.site.name if silence.site else "every site"
        yield _Ending(
            kind=Kind.SILENCE_ENDING,
            source=source_of(silence),
            ends_at=silence.ends_at,
            author_id=_author(silence),
            what=f"Your silence at {where} ({silence.reason.rstrip('.')})",
            path="/silences/",
        )


def _maintenance(now: datetime) -> Iterable[_Ending]:
    windows = standing_windows(now=now).filter(created_by__isnull=False, cancelled_at__isnull=True)
    for window in windows.select_related("site", "node").order_by("pk"):
        span = span_at(window, at=now)
        if span is None or span.ends_at > now + WARNED_BEFORE:
            continue
        if span.ends_at - span.starts_at <= SHORT:
            continue
        where = f"{window.node.name} at {window.site.name}" if window.node else window.site.name
        yield _Ending(
            kind=Kind.MAINTENANCE_ENDING,
            source=source_of(window),
            ends_at=span.ends_at,
            author_id=_author(window),
            what=f"Your maintenance of {where} ({window.reason.rstrip('.')})",
            path="/maintenance/",
            is_routine=window.every != MaintenanceWindow.Every.ONCE,
        )


def _author(thing: Silence | MaintenanceWindow) -> int:
    author_id = thing.created_by_id
    if author_id is None:
        raise AssertionError("only things with an author are asked for")
    return author_id


def _alerts_that_page_then(ending: _Ending) -> list[Alert]:
    """Return the alerts that wait for somebody and that nothing else holds back by then."""
    standing = Suppression.objects.filter(alert=OuterRef("pk"), ended_at__isnull=True)
    lasts_longer = Q(until__isnull=True) | Q(until__gt=ending.ends_at)
    alerts = Alert.objects.filter(
        Exists(standing.filter(source=ending.source)),
        ~Exists(standing.filter(lasts_longer).exclude(source=ending.source)),
        condition=Alert.Condition.FIRING,
        response=Alert.Response.UNACKNOWLEDGED,
    )
    return list(alerts.select_related("site").order_by("severity", "opened_at", "pk"))


def _row(ending: _Ending, owner: Owner, waiting: Sequence[Alert], now: datetime) -> Announcement:
    there = local_time(ending.ends_at, owner.time_zone)
    clock = f", {there[11:16]} on your clock" if there else ""
    ends = f"{ending.what} ends at {ending.ends_at:%F %H:%M} UTC{clock}."
    return Announcement(
        owner=owner,
        kind=ending.kind,
        source=ending.source,
        ends_at=ending.ends_at,
        summary=clip(f"{ends} {_then(waiting)}", _LONGEST_SUMMARY),
        path=ending.path,
        created_at=now,
        next_attempt_at=now,
    )


def _then(waiting: Sequence[Alert]) -> str:
    if not waiting:
        return "It holds back nothing that would page then."
    named = "; ".join(
        f"A-{alert.pk} {SEVERITY_WORDS.get(alert.severity, 'unknown')}: "
        f"{clip(alert.summary.rstrip('.'), _LONGEST_NAME)} ({alert.site.name})"
        for alert in waiting[:MOST_NAMED]
    )
    more = f"; and {len(waiting) - MOST_NAMED} more" if len(waiting) > MOST_NAMED else ""
    if len(waiting) == 1:
        return f"Then this alert pages, unless somebody takes it before: {named}."
    return f"Then {len(waiting)} alerts page, unless somebody takes them before: {named}{more}."
