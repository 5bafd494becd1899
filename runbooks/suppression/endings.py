"""Says that something held back will soon page again: a quarter of an hour before."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db.models import F

from fleet.models import MaintenanceWindow
from fleet.services.engine import Module, engine_transaction
from runbooks.models import Alert, AlertEvent, Silence, Suppression
from runbooks.paging.timeline import LONGEST_SENTENCE, clip, spell_time
from runbooks.suppression.records import write_entries

WARNED_BEFORE: Final = timedelta(minutes=15)
#: What lasts no longer than this ends before anybody has forgotten it.
SHORT: Final = 2 * WARNED_BEFORE

_WHAT: Final = {
    Suppression.Kind.SILENCED: "The silence",
    Suppression.Kind.MAINTENANCE: "The maintenance",
    Suppression.Kind.SHELVED: "The time on the shelf",
}


def ends_soon(ends_at: datetime, *, now: datetime) -> bool:
    """Tell whether what ends then is to be spoken of as ending soon."""
    return now < ends_at <= now + WARNED_BEFORE


@engine_transaction(module=Module.SUPPRESSION)
def warn_of_endings(*, now: datetime) -> int:
    """Write into each held alert's timeline what ends within a quarter of an hour, once.

    Returns how many entries were due. What lasts half an hour or less is not announced. A silence
    that holds nothing back is marked as warned all the same, for its author's page.
    """
    ending = (
        Suppression.objects.filter(
            ended_at__isnull=True, until__gt=now, until__lte=now + WARNED_BEFORE
        )
        .exclude(alert__response=Alert.Response.CLOSED)
        # Those told already; one that joins them later says when it ends from its beginning.
        .exclude(silence__warned_at__isnull=False)
        .exclude(maintenance__warned_at__gt=now - WARNED_BEFORE)
        .select_related("alert", "silence", "maintenance")
        .order_by("pk")
    )
    due = [row for row in ending if _is_due(row)]
    fresh = _without_known(due)
    sites = {row.alert_id: row.alert.site_id for row in fresh}
    write_entries([_entry(row, now) for row in fresh], sites=sites)
    _mark_silences(now)
    windows = {row.maintenance_id for row in due if row.maintenance_id is not None}
    MaintenanceWindow.objects.filter(pk__in=windows).update(warned_at=now)
    return len(fresh)


def _is_due(row: Suppression) -> bool:
    """Tell whether what holds it back lasts long enough to be announced, and has an end."""
    if row.until is None:
        return False
    begins = row.silence.starts_at if row.silence else row.began_at
    return row.until - begins > SHORT


def _mark_silences(now: datetime) -> None:
    Silence.objects.filter(
        warned_at__isnull=True,
        ended_at__isnull=True,
        ends_at__gt=now,
        ends_at__lte=now + WARNED_BEFORE,
        starts_at__lt=F("ends_at") - SHORT,
    ).update(warned_at=now)


def _without_known(rows: Iterable[Suppression]) -> list[Suppression]:
    by_action = {(row.alert_id, _action_id(row)): row for row in rows}
    known = AlertEvent.objects.filter(
        alert__in={alert_id for alert_id, _ in by_action},
        client_action_id__in={action for _, action in by_action},
    )
    said = set(known.values_list("alert_id", "client_action_id"))
    return [row for key, row in by_action.items() if key not in said]


def _entry(row: Suppression, now: datetime) -> AlertEvent:
    what = _WHAT[Suppression.Kind(row.kind)]
    ends_at = spell_time(row.until) if row.until else ""
    sentence = (
        f"{what} that holds it back ends at {ends_at} ({row.reason.rstrip('.')}). Then "
        "paging goes on, unless something else holds it back."
    )
    return AlertEvent(
        alert_id=row.alert_id,
        kind=AlertEvent.Kind.SUPPRESSED,
        at=now,
        sentence=clip(sentence, LONGEST_SENTENCE),
        client_action_id=_action_id(row),
    )


def _action_id(row: Suppression) -> str:
    """Return what makes the warning of one end one entry, whoever writes it."""
    return f"ends/{row.source}/{row.until:%Y%m%d%H%M%S}"
