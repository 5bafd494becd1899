"""What people do to an alert: acknowledge, release, close, comment; escalate and give away.

Each action may carry the id that the acting device gave it; sent twice, it happens once. It may
carry the revision that the person saw; what changed since in a way that matters refuses it.
Callers have checked, through `fleet.access` or a page's link, that the person may act.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F

from fleet.models import Owner
from runbooks.alerts import lifecycle
from runbooks.alerts.actions import (
    NOBODY,
    Actor,
    Channel,
    Kind,
    acknowledgement_end,
    is_held_by,
    locked,
    readable_reason,
    refuse_closed,
    refuse_stale,
    write_action,
)
from runbooks.alerts.errors import (
    AlertNotTaken,
    AlertNotWaiting,
    BadHold,
    CloseReasonMissing,
    StepsUndone,
    TextRefused,
    spell_moment,
)
from runbooks.alerts.handing import escalate_alert, hand_over_alert, pass_on_alert
from runbooks.alerts.unfinished import steps_left
from runbooks.escalation.services import resume_escalation, stop_escalation
from runbooks.models import Alert
from runbooks.paging.timeline import CHANGES_BEFORE_THE_END, LONGEST_SENTENCE

__all__ = [
    "acknowledge_alert",
    "close_alert",
    "comment_on_alert",
    "escalate_alert",
    "hand_over_alert",
    "pass_on_alert",
    "release_alert",
]

logger = logging.getLogger(__name__)

#: Between a release and the first page, so that a slip of the finger pages nobody.
RELEASE_GRACE = timedelta(seconds=10)

#: How long somebody may say that their own acknowledgement lasts.
SHORTEST_HOLD, LONGEST_HOLD = timedelta(minutes=5), timedelta(days=4)


@transaction.atomic
def acknowledge_alert(
    *,
    alert: Alert,
    by: User | None,
    now: datetime,
    lasts: timedelta | None = None,
    owner: Owner | None = None,
    channel: Channel = Channel.BROWSER,
    client_action_id: str | None = None,
    seen_revision: int | None = None,
) -> None:
    """T6: take the alert; escalation stops and every page not yet out is cancelled.

    `by` has an account; `owner` acts from a page and may have none. The alert stays open until
    its condition clears, somebody closes it or the acknowledgement runs out: after what the policy
    gives, or `lasts` where its holder says so, now or later. One whose condition has cleared
    already is closed. Raises AlertNotWaiting when another has it, BadHold, AlertMoved, AlertClosed.
    """
    ends_at = _end_of_hold(alert, lasts, now)
    actor = Actor(by, owner, channel, client_action_id)
    current = locked(alert, actor)
    if current is None:
        return
    refuse_closed(current)
    if current.response == Alert.Response.ACKNOWLEDGED:
        if not is_held_by(current, actor):
            raise AlertNotWaiting(current)
        if lasts is not None:
            _keep(current, actor, ends_at, now)
        return
    refuse_stale(current, actor, seen_revision=seen_revision, matters=[Kind.SEVERITY_ROSE])
    _take(current, actor, ends_at, now)
    until = f"; it begins anew {spell_moment(ends_at)} unless it is over" if lasts else ""
    sentence = f"{actor.name} took it{actor.way}. Paging stopped{until}."
    write_action(alert=current, kind=Kind.ACKNOWLEDGED, sentence=sentence, now=now, actor=actor)
    lifecycle.after_acknowledgement(alert=current, actor=actor, now=now)


def _end_of_hold(alert: Alert, lasts: timedelta | None, now: datetime) -> datetime | None:
    if lasts is None:
        return acknowledgement_end(alert.policy_version, now)
    if not SHORTEST_HOLD <= lasts <= LONGEST_HOLD:
        raise BadHold(alert)
    return now + lasts


def _keep(alert: Alert, actor: Actor, ends_at: datetime | None, now: datetime) -> None:
    """Let the acknowledgement of whoever has the alert last until another moment."""
    Alert.objects.filter(pk=alert.pk, response=Alert.Response.ACKNOWLEDGED).update(
        acknowledgement_ends_at=ends_at, revision=F("revision") + 1
    )
    anew = f"paging begins anew {spell_moment(ends_at)} unless it is over"
    sentence = f"{actor.name} keeps it{actor.way}: {anew}."
    write_action(alert=alert, kind=Kind.ACKNOWLEDGED, sentence=sentence, now=now, actor=actor)


def _take(alert: Alert, actor: Actor, ends_at: datetime | None, now: datetime) -> None:
    """Give the alert to whoever acts, and stop what pages for it."""
    Alert.objects.filter(pk=alert.pk, response=Alert.Response.UNACKNOWLEDGED).update(
        response=Alert.Response.ACKNOWLEDGED,
        acknowledged_by=actor.user,
        acknowledged_owner=actor.owner,
        acknowledged_at=now,
        acknowledgement_ends_at=ends_at,
        revision=F("revision") + 1,
    )
    stop_escalation(alert=alert)
    user_id = actor.user.pk if actor.user else None
    logger.info(
        "alert.acknowledged",
        extra={"alert_id": alert.pk, "user_id": user_id, "channel": actor.channel.value},
    )


@transaction.atomic
def release_alert(
    *,
    alert: Alert,
    by: User | None,
    now: datetime,
    owner: Owner | None = None,
    channel: Channel = Channel.BROWSER,
    client_action_id: str | None = None,
    seen_revision: int | None = None,
) -> None:
    """T7: give the alert back; a moment later paging begins anew with the first step.

    Raises AlertNotTaken when nobody has it, AlertMoved when another has it by now, AlertClosed.
    """
    actor = Actor(by, owner, channel, client_action_id)
    current = locked(alert, actor)
    if current is None:
        return
    refuse_closed(current)
    matters = [Kind.ACKNOWLEDGED, Kind.HANDED_OVER]
    refuse_stale(current, actor, seen_revision=seen_revision, matters=matters)
    taken = Alert.objects.filter(pk=alert.pk, response=Alert.Response.ACKNOWLEDGED)
    released = taken.update(
        response=Alert.Response.UNACKNOWLEDGED, revision=F("revision") + 1, **NOBODY
    )
    if not released:
        raise AlertNotTaken(current)
    sentence = f"{actor.name} released it{actor.way}."
    if current.condition == Alert.Condition.FIRING:
        resume_escalation(alert=current, now=now, grace=RELEASE_GRACE)
        sentence += " Paging begins anew with the first step."
    logger.info("alert.released", extra={"alert_id": alert.pk, "user_id": by.pk if by else None})
    write_action(alert=current, kind=Kind.RELEASED, sentence=sentence, now=now, actor=actor)


@transaction.atomic
def close_alert(
    *,
    alert: Alert,
    by: User | None,
    reason: str,
    now: datetime,
    owner: Owner | None = None,
    channel: Channel = Channel.BROWSER,
    client_action_id: str | None = None,
    seen_revision: int | None = None,
) -> None:
    """T8: close the alert for good; while it fires or its run has steps left, only with a reason.

    Raises StepsUndone, CloseReasonMissing, TextRefused, AlertMoved, AlertClosed.
    """
    actor = Actor(by, owner, channel, client_action_id)
    current = locked(alert, actor)
    if current is None:
        return
    refuse_closed(current)
    refuse_stale(current, actor, seen_revision=seen_revision, matters=CHANGES_BEFORE_THE_END)
    reason = readable_reason(reason)
    if not reason:
        _refuse_unfinished(current, now)
    lifecycle.end(alert=current, reason=reason, now=now, actor=actor)


def _refuse_unfinished(alert: Alert, now: datetime) -> None:
    """Raise what needs a reason: steps that are left, which says more, or a firing condition."""
    left = steps_left(alert_ids=[alert.pk], now=now)
    if alert.pk in left:
        raise StepsUndone(alert, left[alert.pk])
    if alert.condition == Alert.Condition.FIRING:
        raise CloseReasonMissing(alert)


@transaction.atomic
def comment_on_alert(
    *,
    alert: Alert,
    by: User | None,
    text: str,
    now: datetime,
    owner: Owner | None = None,
    channel: Channel = Channel.BROWSER,
    client_action_id: str | None = None,
    seen_revision: int | None = None,
) -> None:
    """Add a comment to the timeline, of a closed alert too; never too late. Raises TextRefused."""
    text = text.strip()
    if not 0 < len(text) <= LONGEST_SENTENCE:
        raise TextRefused("comment", LONGEST_SENTENCE)
    actor = Actor(by, owner, channel, client_action_id)
    current = locked(alert, actor)
    if current is not None:
        write_action(alert=current, kind=Kind.COMMENTED, sentence=text, now=now, actor=actor)
