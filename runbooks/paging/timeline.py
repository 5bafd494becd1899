"""An alert's timeline: add one entry, and tell the browsers that the alert changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import User

from fleet.live import LiveEvent, publish_on_commit
from runbooks.models import Alert, AlertEvent

LONGEST_SENTENCE = 400


def write_entry(
    *,
    alert: Alert,
    kind: AlertEvent.Kind,
    sentence: str,
    now: datetime,
    actor: User | None = None,
    client_action_id: str | None = None,
) -> AlertEvent:
    """Add one entry; `sentence` is shown as it is, and cut where it is too long."""
    publish_on_commit(LiveEvent.ALERT_CHANGED, site_id=alert.site_id, id=alert.pk)
    return AlertEvent.objects.create(
        alert=alert,
        kind=kind,
        at=now,
        actor=actor,
        sentence=clip(sentence, LONGEST_SENTENCE),
        client_action_id=client_action_id,
    )


def write_entries(entries: Sequence[AlertEvent]) -> None:
    """Add an entry to each of many timelines, in one statement; their alerts are at hand."""
    for entry in entries:
        publish_on_commit(LiveEvent.ALERT_CHANGED, site_id=entry.alert.site_id, id=entry.alert_id)
        entry.sentence = clip(entry.sentence, LONGEST_SENTENCE)
    AlertEvent.objects.bulk_create(entries, batch_size=500)


def clip(text: str, longest: int) -> str:
    """Return `text`, its end replaced by an ellipsis where it is longer than `longest`."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def spell_time(at: datetime) -> str:
    """Return a UTC time for a sentence: `12:05 UTC`."""
    return f"{at:%H:%M} UTC"
