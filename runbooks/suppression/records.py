"""Writes what holds alerts back: rows, flags, timers and timelines, many alerts at once."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import F

from fleet.live import LiveEvent, publish_on_commit
from runbooks.escalation.timers import lift_suspensions, suspend_escalations
from runbooks.models import Alert, AlertEvent, Suppression
from runbooks.paging.timeline import LONGEST_SENTENCE, clip, spell_time
from runbooks.suppression.causes import Hold, InForce, Subject

logger = logging.getLogger(__name__)

#: More changes at once are not told to the browsers one by one; their pages ask by themselves.
_MOST_HINTS: Final = 200

_TITLES: Final = {
    Suppression.Kind.SILENCED: "a silence",
    Suppression.Kind.MAINTENANCE: "maintenance",
    Suppression.Kind.INHIBITED: "another alert",
    Suppression.Kind.SHELVED: "the shelf",
}


@dataclass(frozen=True, slots=True)
class Change:
    """What must change for one alert; `is_held` is whether anything holds it back afterwards."""

    subject: Subject
    begins: tuple[Hold, ...]
    ends: tuple[InForce, ...]
    moves: tuple[tuple[InForce, Hold], ...]
    is_held: bool

    @property
    def is_due(self) -> bool:
        """Whether anything is to be written at all."""
        is_flag_wrong = self.is_held is not self.subject.is_suppressed
        return bool(self.begins or self.ends or self.moves) or is_flag_wrong


def write_changes(changes: Sequence[Change], *, now: datetime) -> None:
    """Write them in the caller's transaction, which holds the alerts' row locks."""
    if not changes:
        return
    _write_rows(changes, now)
    held = [change.subject.alert_id for change in changes if change.is_held]
    begins = [c.subject.alert_id for c in changes if c.is_held and not c.subject.is_suppressed]
    free = [change.subject.alert_id for change in changes if not change.is_held]
    Alert.objects.filter(pk__in=begins).update(is_suppressed=True, revision=F("revision") + 1)
    Alert.objects.filter(pk__in=free).update(is_suppressed=False, revision=F("revision") + 1)
    if held:
        suspend_escalations(alert_ids=held, now=now)
    if free:
        lift_suspensions(alert_ids=free, now=now)
    write_entries(
        [entry for change in changes for entry in _entries(change, now)],
        sites={change.subject.alert_id: change.subject.site_id for change in changes},
    )
    logger.info("suppression.changed", extra={"held": len(begins), "released": len(free)})


def write_entries(entries: Iterable[AlertEvent], *, sites: dict[int, int]) -> None:
    """Add many entries at once; `sites` has each alert's site. Known action ids are left out."""
    AlertEvent.objects.bulk_create(entries, ignore_conflicts=True)
    for alert_id, site_id in list(sites.items())[:_MOST_HINTS]:
        publish_on_commit(LiveEvent.ALERT_CHANGED, site_id=site_id, id=alert_id)


def _write_rows(changes: Sequence[Change], now: datetime) -> None:
    Suppression.objects.bulk_create(
        [_row(change.subject.alert_id, hold, now) for change in changes for hold in change.begins],
        ignore_conflicts=True,
    )
    ended = [row.pk for change in changes for row in change.ends]
    if ended:
        Suppression.objects.filter(pk__in=ended).update(ended_at=now)
    moved: dict[tuple[datetime | None, str], list[int]] = defaultdict(list)
    for change in changes:
        for row, hold in change.moves:
            moved[hold.until, hold.reason].append(row.pk)
    for (until, reason), ids in moved.items():
        Suppression.objects.filter(pk__in=ids).update(until=until, reason=reason)


def _row(alert_id: int, hold: Hold, now: datetime) -> Suppression:
    return Suppression(
        alert_id=alert_id,
        kind=hold.kind,
        source=hold.source,
        silence_id=hold.silence_id,
        maintenance_id=hold.maintenance_id,
        inhibited_by_id=hold.inhibited_by_id,
        by_id=hold.by_id,
        reason=hold.reason,
        began_at=now,
        until=hold.until,
    )


def _entries(change: Change, now: datetime) -> list[AlertEvent]:
    entries = []
    if change.begins:
        said = "; ".join(_words(hold) for hold in change.begins)
        verb = "Also held back" if change.subject.is_suppressed else "Held back"
        entries.append(
            _entry(change, AlertEvent.Kind.SUPPRESSED, f"{verb} by {said}. Nobody is paged.", now)
        )
    if change.subject.is_suppressed and not change.is_held:
        over = "; ".join(
            f"{_TITLES[Suppression.Kind(row.kind)]} ({row.reason.rstrip('.')})"
            for row in change.ends
        )
        sentence = f"No longer held back by {over or 'anything'}."
        if change.subject.is_waiting:
            sentence = f"{clip(sentence, 360)} Paging goes on."
        entries.append(_entry(change, AlertEvent.Kind.SUPPRESSION_ENDED, sentence, now))
    return entries


def _entry(change: Change, kind: AlertEvent.Kind, sentence: str, now: datetime) -> AlertEvent:
    return AlertEvent(
        alert_id=change.subject.alert_id,
        kind=kind,
        at=now,
        sentence=clip(sentence, LONGEST_SENTENCE),
    )


def _words(hold: Hold) -> str:
    title = _TITLES[Suppression.Kind(hold.kind)]
    until = f" until {hold.until:%F} {spell_time(hold.until)}" if hold.until else ""
    return f"{title}{until} ({hold.reason.rstrip('.')})"
