"""Getting an alert to somebody else: escalate, hand over, pass on."""

from __future__ import annotations

import logging
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F

from fleet.access import Action, may
from fleet.models import Owner
from fleet.names import name_of
from runbooks.alerts.actions import (
    NOBODY,
    Actor,
    Channel,
    Kind,
    acknowledgement_end,
    locked,
    refuse_closed,
    refuse_stale,
    write_action,
)
from runbooks.alerts.errors import (
    AlertCleared,
    AlertHeldBack,
    AlertNotTaken,
    CannotRespond,
    EscalationMovedOn,
    NobodyCanBePaged,
    NobodyToPage,
    StepReachesNobody,
    holder_of,
)
from runbooks.escalation.services import NobodyReached, force_escalation, page_directly
from runbooks.models import Alert

logger = logging.getLogger(__name__)

#: What tells whoever gives an alert away that somebody else dealt with it meanwhile.
_CHANGES_OF_HOLDER = [Kind.ACKNOWLEDGED, Kind.RELEASED, Kind.HANDED_OVER]


@transaction.atomic
def escalate_alert(
    *,
    alert: Alert,
    by: User | None,
    seen_sequence: int,
    now: datetime,
    to_step: int | None = None,
    owner: Owner | None = None,
    channel: Channel = Channel.BROWSER,
    client_action_id: str | None = None,
    seen_revision: int | None = None,
) -> None:
    """T10: page by the next step now; whoever had acknowledged the alert has it no longer.

    `to_step`, from 0, is a step that the person chose instead; its hours and severities do not
    count then. `seen_sequence` is the escalation's `sequence` that they saw. Raises
    EscalationMovedOn when another step was carried out since, NobodyCanBePaged when none reaches
    anybody now, StepReachesNobody when the chosen one does not, AlertCleared, AlertHeldBack,
    AlertMoved, AlertClosed.
    """
    actor = Actor(by, owner, channel, client_action_id)
    current = locked(alert, actor)
    if current is None:
        return
    _refuse_what_pages_nobody(current)
    refuse_stale(current, actor, seen_revision=seen_revision, matters=_CHANGES_OF_HOLDER)
    which = "the next step" if to_step is None else f"step {to_step + 1}"
    sentence = f"{actor.name} escalated it{actor.way}: {which} is taken now."
    _take_from_holder(current)
    if current.response == Alert.Response.ACKNOWLEDGED:
        sentence += f" {holder_of(current)} has it no longer."
    write_action(alert=current, kind=Kind.ESCALATED, sentence=sentence, now=now, actor=actor)
    _force(current, seen_sequence, to_step, now)
    logger.info("alert.escalated", extra={"alert_id": alert.pk, "user_id": by.pk if by else None})


def _force(alert: Alert, seen_sequence: int, to_step: int | None, now: datetime) -> None:
    try:
        is_taken = force_escalation(
            alert=alert, seen_sequence=seen_sequence, now=now, to_step=to_step
        )
    except NobodyReached as nobody:
        if to_step is not None:
            raise StepReachesNobody(alert, to_step + 1) from nobody
        raise NobodyCanBePaged(alert, str(nobody)) from nobody
    if not is_taken:
        raise EscalationMovedOn(alert)


@transaction.atomic
def hand_over_alert(
    *,
    alert: Alert,
    by: User | None,
    to: User,
    now: datetime,
    owner: Owner | None = None,
    channel: Channel = Channel.BROWSER,
    client_action_id: str | None = None,
    seen_revision: int | None = None,
) -> None:
    """Give an acknowledged alert to a colleague, who has it from now on; nobody is paged.

    The time an acknowledgement lasts begins anew. Handed to who has it already, nothing changes.
    Raises AlertNotTaken, CannotRespond, AlertMoved, AlertClosed.
    """
    actor = Actor(by, owner, channel, client_action_id)
    current = locked(alert, actor)
    if current is None:
        return
    refuse_closed(current)
    if current.response != Alert.Response.ACKNOWLEDGED:
        raise AlertNotTaken(current)
    refuse_stale(current, actor, seen_revision=seen_revision, matters=_CHANGES_OF_HOLDER)
    if not may(to, Action.RESPOND, current.site):
        raise CannotRespond(current, to)
    if current.acknowledged_by_id == to.pk:
        return
    Alert.objects.filter(pk=alert.pk, response=Alert.Response.ACKNOWLEDGED).update(
        acknowledged_by=to,
        acknowledged_owner=None,
        acknowledged_at=now,
        acknowledgement_ends_at=acknowledgement_end(current.policy_version, now),
        revision=F("revision") + 1,
    )
    sentence = f"{actor.name} handed it over to {name_of(to)}{actor.way}."
    if by is None or current.acknowledged_by_id != by.pk:
        sentence = f"{sentence[:-1]}; {holder_of(current)} had it."
    write_action(alert=current, kind=Kind.HANDED_OVER, sentence=sentence, now=now, actor=actor)
    logger.info("alert.handed_over", extra={"alert_id": alert.pk, "to_user_id": to.pk})


@transaction.atomic
def pass_on_alert(
    *,
    alert: Alert,
    by: User | None,
    to: Owner,
    now: datetime,
    owner: Owner | None = None,
    channel: Channel = Channel.BROWSER,
    client_action_id: str | None = None,
    seen_revision: int | None = None,
) -> None:
    """Page `to` at once and let the alert wait for them; the policy goes on if they are silent.

    Raises NobodyToPage when they have no working contact, AlertCleared, AlertHeldBack,
    AlertMoved, AlertClosed.
    """
    actor = Actor(by, owner, channel, client_action_id)
    current = locked(alert, actor)
    if current is None:
        return
    _refuse_what_pages_nobody(current)
    refuse_stale(current, actor, seen_revision=seen_revision, matters=_CHANGES_OF_HOLDER)
    _take_from_holder(current)
    write_action(
        alert=current,
        kind=Kind.HANDED_OVER,
        sentence=f"{actor.name} passed it on to {to.name}{actor.way}.",
        now=now,
        actor=actor,
    )
    reason = f"{actor.name} passed it on to you"
    if not page_directly(alert=current, owner=to, reason=reason, now=now):
        raise NobodyToPage(to)
    logger.info("alert.passed_on", extra={"alert_id": alert.pk, "to_owner_id": to.pk})


def _refuse_what_pages_nobody(alert: Alert) -> None:
    refuse_closed(alert)
    if alert.condition == Alert.Condition.CLEARED:
        raise AlertCleared(alert)
    if alert.is_suppressed:
        raise AlertHeldBack(alert)


def _take_from_holder(alert: Alert) -> None:
    Alert.objects.filter(pk=alert.pk).exclude(response=Alert.Response.CLOSED).update(
        response=Alert.Response.UNACKNOWLEDGED, revision=F("revision") + 1, **NOBODY
    )
