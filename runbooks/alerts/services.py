"""What people do to an alert: acknowledge, release, close, comment.

Each action may carry the id that the acting device gave it; sent twice, it happens once. Callers
have checked, through `fleet.access`, that the person may act.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F

from runbooks.alerts import lifecycle
from runbooks.alerts.errors import (
    AlertClosed,
    AlertNotTaken,
    AlertNotWaiting,
    CloseReasonMissing,
    TextRefused,
    name_of,
)
from runbooks.escalation.services import resume_escalation, stop_escalation
from runbooks.models import Alert, AlertEvent
from runbooks.paging.timeline import LONGEST_SENTENCE, write_entry

logger = logging.getLogger(__name__)

LONGEST_REASON = 300
LONGEST_ACTION_ID = 64


@transaction.atomic
def acknowledge_alert(
    *, alert: Alert, by: User, now: datetime, client_action_id: str | None = None
) -> None:
    """T6: take the alert; escalation stops and every page not yet out is cancelled.

    The alert stays open until its condition clears or somebody closes it; one whose condition
    has cleared already is closed. Raises AlertNotWaiting when another has it, AlertClosed.
    """
    current = _locked(alert)
    if _is_repeated(current, client_action_id):
        return
    _refuse_closed(current)
    waiting = Alert.objects.filter(pk=alert.pk, response=Alert.Response.UNACKNOWLEDGED)
    taken = waiting.update(
        response=Alert.Response.ACKNOWLEDGED,
        acknowledged_by=by,
        acknowledged_at=now,
        revision=F("revision") + 1,
    )
    if not taken:
        if current.acknowledged_by_id == by.pk:
            return
        raise AlertNotWaiting(current)
    stop_escalation(alert=current, now=now)
    logger.info("alert.acknowledged", extra={"alert_id": alert.pk, "user_id": by.pk})
    write_entry(
        alert=current,
        kind=AlertEvent.Kind.ACKNOWLEDGED,
        sentence=f"{name_of(by)} took it. Paging stopped.",
        now=now,
        actor=by,
        client_action_id=client_action_id,
    )
    if current.condition == Alert.Condition.CLEARED:
        # Whichever of clear and acknowledgement comes first, the end is the same.
        lifecycle.end(alert=current, by=by, reason="The condition had cleared.", now=now)


@transaction.atomic
def release_alert(
    *, alert: Alert, by: User, now: datetime, client_action_id: str | None = None
) -> None:
    """T7: give the alert back; paging begins anew with the first step.

    Raises AlertNotTaken when nobody has it, AlertClosed.
    """
    current = _locked(alert)
    if _is_repeated(current, client_action_id):
        return
    _refuse_closed(current)
    taken = Alert.objects.filter(pk=alert.pk, response=Alert.Response.ACKNOWLEDGED)
    released = taken.update(
        response=Alert.Response.UNACKNOWLEDGED,
        acknowledged_by=None,
        acknowledged_at=None,
        revision=F("revision") + 1,
    )
    if not released:
        raise AlertNotTaken(current)
    resume_escalation(alert=current, now=now)
    logger.info("alert.released", extra={"alert_id": alert.pk, "user_id": by.pk})
    write_entry(
        alert=current,
        kind=AlertEvent.Kind.RELEASED,
        sentence=f"{name_of(by)} released it. Paging begins anew with the first step.",
        now=now,
        actor=by,
        client_action_id=client_action_id,
    )


@transaction.atomic
def close_alert(
    *,
    alert: Alert,
    by: User,
    reason: str,
    now: datetime,
    client_action_id: str | None = None,
) -> None:
    """T8: close the alert for good; while its condition fires, only with a reason.

    Raises CloseReasonMissing, TextRefused, AlertClosed.
    """
    current = _locked(alert)
    if _is_repeated(current, client_action_id):
        return
    _refuse_closed(current)
    reason = reason.strip()
    if not reason and current.condition == Alert.Condition.FIRING:
        raise CloseReasonMissing(current)
    if len(reason) > LONGEST_REASON:
        raise TextRefused("reason", LONGEST_REASON)
    lifecycle.end(alert=current, by=by, reason=reason, now=now, client_action_id=client_action_id)


@transaction.atomic
def comment_on_alert(
    *,
    alert: Alert,
    by: User,
    text: str,
    now: datetime,
    client_action_id: str | None = None,
) -> None:
    """Add a comment to the timeline, of a closed alert too. Raises TextRefused."""
    text = text.strip()
    if not 0 < len(text) <= LONGEST_SENTENCE:
        raise TextRefused("comment", LONGEST_SENTENCE)
    current = _locked(alert)
    if _is_repeated(current, client_action_id):
        return
    write_entry(
        alert=current,
        kind=AlertEvent.Kind.COMMENTED,
        sentence=text,
        now=now,
        actor=by,
        client_action_id=client_action_id,
    )


def _locked(alert: Alert) -> Alert:
    """Read the alert as it is now and keep others from changing it until COMMIT."""
    return (
        Alert.objects.select_for_update(no_key=True, of=("self",))
        .select_related("acknowledged_by", "closed_by", "policy_version")
        .get(pk=alert.pk)
    )


def _is_repeated(alert: Alert, client_action_id: str | None) -> bool:
    if client_action_id is None:
        return False
    if not 0 < len(client_action_id) <= LONGEST_ACTION_ID:
        raise TextRefused("action's id", LONGEST_ACTION_ID)
    return alert.events.filter(client_action_id=client_action_id).exists()


def _refuse_closed(alert: Alert) -> None:
    if alert.response == Alert.Response.CLOSED:
        raise AlertClosed(alert)
