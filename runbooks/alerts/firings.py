"""How often a key fires: whether an alert comes and goes too often for each change to matter."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F

from runbooks.alerts.actions import ENGINE, Kind, write_action
from runbooks.models import Alert, AlertEvent

#: So many firings of one key within the span are flapping.
FLAPPING_FIRINGS = 4
FLAPPING_SPAN = timedelta(minutes=60)
#: So long without a change, and it has settled.
QUIET_SPAN = timedelta(minutes=10)

FIRINGS = (Kind.OPENED, Kind.FIRED_AGAIN)


def note_firing(alert: Alert, now: datetime) -> bool:
    """Mark the alert as flapping when its key fired too often; return whether it is flapping.

    To be called after the firing is in the timeline. Alerts of the key that closed since count
    too: a low alert closes with every clear. A storm stands for many keys and never flaps.
    """
    if alert.is_flapping or alert.is_storm:
        return alert.is_flapping
    firings = AlertEvent.objects.filter(
        alert__site=alert.site_id,
        alert__dedup_key=alert.dedup_key,
        kind__in=FIRINGS,
        at__gt=now - FLAPPING_SPAN,
    ).count()
    if firings < FLAPPING_FIRINGS:
        return False
    Alert.objects.filter(pk=alert.pk, is_flapping=False).update(
        is_flapping=True, revision=F("revision") + 1
    )
    alert.is_flapping = True
    sentence = (
        f"It comes and goes: {firings} times within an hour. Until it has been quiet for "
        f"{QUIET_SPAN.seconds // 60} minutes, a clear does not close it, and paging goes on where "
        "it is instead of beginning anew."
    )
    write_action(alert=alert, kind=Kind.FLAPPING, sentence=sentence, now=now, actor=ENGINE)
    return True
