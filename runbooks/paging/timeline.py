"""An alert's timeline: add an entry and tell the browsers; what of it somebody has not seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from django.contrib.auth.models import User

from fleet.live import LiveEvent, publish_on_commit
from runbooks.models import Alert, AlertEvent

LONGEST_SENTENCE = 400

Kind = AlertEvent.Kind
Channel = AlertEvent.Channel

#: The entries that come with a new revision of the alert, one each.
CHANGES = frozenset(
    {
        Kind.SEVERITY_ROSE,
        Kind.CHANGED,
        Kind.CLEARED,
        Kind.FIRED_AGAIN,
        Kind.ACKNOWLEDGED,
        Kind.RELEASED,
        Kind.CLOSED,
        Kind.ESCALATED,
        Kind.HANDED_OVER,
        Kind.ACKNOWLEDGEMENT_ENDED,
        Kind.FLAPPING,
        Kind.SETTLED,
    }
)
#: What matters to somebody who ends an alert, or sets it aside.
CHANGES_BEFORE_THE_END = frozenset(
    {
        Kind.SEVERITY_ROSE,
        Kind.FIRED_AGAIN,
        Kind.ACKNOWLEDGED,
        Kind.RELEASED,
        Kind.HANDED_OVER,
    }
)


def write_entry(
    *,
    alert: Alert,
    kind: AlertEvent.Kind,
    sentence: str,
    now: datetime,
    actor: User | None = None,
    client_action_id: str | None = None,
    channel: AlertEvent.Channel = Channel.ENGINE,
) -> AlertEvent:
    """Add one entry; `sentence` is shown as it is, and cut where it is too long."""
    publish_on_commit(LiveEvent.ALERT_CHANGED, site_id=alert.site_id, id=alert.pk)
    return AlertEvent.objects.create(
        alert=alert,
        kind=kind,
        channel=channel,
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


def news_since(
    seen_revisions: Mapping[int, int],
    *,
    alerts: Collection[Alert],
    by: User | None,
    matters: Collection[AlertEvent.Kind],
) -> dict[int, str]:
    """Return by alert id the newest entry that `matters` since the revision somebody saw of it.

    What they did themselves is no news to them. Each entry of CHANGES stands for one revision, so
    that many of the newest ones are what they missed; revisions without an entry of these make it
    look too far back, and a person looks again once more than needed.
    """
    missed = {
        alert.pk: alert.revision - seen
        for alert in alerts
        if (seen := seen_revisions.get(alert.pk)) is not None and seen < alert.revision
    }
    if not missed:
        return {}
    entries = AlertEvent.objects.filter(alert__in=missed, kind__in=CHANGES).order_by("-pk")
    looked_at: Counter[int] = Counter()
    news: dict[int, str] = {}
    for alert_id, kind, actor_id, sentence in entries.values_list(
        "alert_id", "kind", "actor_id", "sentence"
    ):
        looked_at[alert_id] += 1
        is_own = by is not None and actor_id == by.pk
        if looked_at[alert_id] <= missed[alert_id] and kind in matters and not is_own:
            news.setdefault(alert_id, sentence)
    return news


def clip(text: str, longest: int) -> str:
    """Return `text`, its end replaced by an ellipsis where it is longer than `longest`."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def spell_time(at: datetime) -> str:
    """Return a UTC time for a sentence: `12:05 UTC`."""
    return f"{at:%H:%M} UTC"
