"""What all actions on an alert share: who acts and how, the row lock, resends, stale screens."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User

from fleet.live import LiveEvent, publish_on_commit
from fleet.models import Owner
from fleet.names import name_of
from runbooks.alerts.errors import AlertClosed, AlertMoved, TextRefused
from runbooks.models import Alert, AlertEvent, EscalationPolicyVersion
from runbooks.paging.timeline import LONGEST_SENTENCE, clip, news_since

LONGEST_REASON = 300
LONGEST_ACTION_ID = 64

Channel = AlertEvent.Channel
Kind = AlertEvent.Kind

#: What an alert says of its holder when it has none.
NOBODY = {
    "acknowledged_at": None,
    "acknowledged_by": None,
    "acknowledged_owner": None,
    "acknowledgement_ends_at": None,
}

_WAYS = {
    Channel.LINK: " by the link in a page",
    Channel.REPLY: " by the receiver's reply",
    Channel.API: " through the API",
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and by which way: a user, an owner who may have no account, or the engine."""

    user: User | None = None
    owner: Owner | None = None
    channel: AlertEvent.Channel = Channel.ENGINE
    client_action_id: str | None = None

    @property
    def name(self) -> str:
        """What people call them."""
        if self.user is None and self.owner is not None:
            return self.owner.name
        return name_of(self.user) if self.user is not None else "A program"

    @property
    def way(self) -> str:
        """How it came in, to follow a verb; empty for the browser."""
        return _WAYS.get(self.channel, "")


#: Hearthwatch itself.
ENGINE = Actor()


def locked(alert: Alert, actor: Actor) -> Alert | None:
    """Read the alert as it is now and keep others from changing it until COMMIT.

    None when this very action has been done before. Raises TextRefused for an unusable id.
    """
    current = (
        Alert.objects.select_for_update(no_key=True, of=("self",))
        .select_related(
            "site",
            "acknowledged_by",
            "acknowledged_owner",
            "closed_by",
            "closed_owner",
            "policy_version",
        )
        .get(pk=alert.pk)
    )
    check_action_id(actor.client_action_id)
    if actor.client_action_id is None:
        return current
    is_repeated = current.events.filter(client_action_id=actor.client_action_id).exists()
    return None if is_repeated else current


def check_action_id(client_action_id: str | None) -> None:
    """Raise TextRefused when an action's id is empty or too long."""
    if client_action_id is not None and not 0 < len(client_action_id) <= LONGEST_ACTION_ID:
        raise TextRefused("action's id", LONGEST_ACTION_ID)


def refuse_closed(alert: Alert) -> None:
    """Raise AlertClosed when it is."""
    if alert.response == Alert.Response.CLOSED:
        raise AlertClosed(alert)


def refuse_stale(
    alert: Alert,
    actor: Actor,
    *,
    seen_revision: int | None,
    matters: Collection[AlertEvent.Kind],
) -> None:
    """Raise AlertMoved when something that `matters` happened after the revision somebody saw."""
    if seen_revision is None:
        return
    news = news_since({alert.pk: seen_revision}, alerts=[alert], by=actor.user, matters=matters)
    if alert.pk in news:
        raise AlertMoved(alert, news[alert.pk])


def entry_of(
    *, alert: Alert, kind: AlertEvent.Kind, sentence: str, now: datetime, actor: Actor
) -> AlertEvent:
    """Return the timeline entry of an action, not saved; the browsers are told after COMMIT."""
    publish_on_commit(LiveEvent.ALERT_CHANGED, site_id=alert.site_id, id=alert.pk)
    return AlertEvent(
        alert=alert,
        kind=kind,
        channel=actor.channel,
        at=now,
        actor=actor.user,
        owner=actor.owner,
        sentence=clip(sentence, LONGEST_SENTENCE),
        client_action_id=actor.client_action_id,
    )


def write_actions(
    *,
    alerts: Iterable[Alert],
    kind: AlertEvent.Kind,
    sentence: str,
    now: datetime,
    actor: Actor,
) -> None:
    """Add the same entry of an action to each of many timelines, in one statement."""
    AlertEvent.objects.bulk_create(
        entry_of(alert=alert, kind=kind, sentence=sentence, now=now, actor=actor)
        for alert in alerts
    )


def write_action(
    *, alert: Alert, kind: AlertEvent.Kind, sentence: str, now: datetime, actor: Actor
) -> None:
    """Add the entry of an action to the timeline."""
    entry_of(alert=alert, kind=kind, sentence=sentence, now=now, actor=actor).save()


def acknowledgement_end(version: EscalationPolicyVersion, now: datetime) -> datetime | None:
    """Return when an acknowledgement of now runs out; None where the policy sets no end."""
    if version.acknowledgement_seconds is None:
        return None
    return now + timedelta(seconds=version.acknowledgement_seconds)


def is_held_by(alert: Alert, actor: Actor) -> bool:
    """Tell whether it is this actor who has acknowledged the alert."""
    if actor.user is not None:
        return alert.acknowledged_by_id == actor.user.pk
    return actor.owner is not None and alert.acknowledged_owner_id == actor.owner.pk


def readable_reason(reason: str) -> str:
    """Return a reason without the space around it. Raises TextRefused where it is too long."""
    reason = reason.strip()
    if len(reason) > LONGEST_REASON:
        raise TextRefused("reason", LONGEST_REASON)
    return reason
