"""What people do to many alerts at once: one statement each, and never backwards."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Case, DateTimeField, F, Value, When

from fleet.access import Action, sites_where
from runbooks.alerts.actions import (
    Actor,
    Channel,
    Kind,
    acknowledgement_end,
    check_action_id,
    is_held_by,
    readable_reason,
    write_actions,
)
from runbooks.alerts.errors import (
    AlertClosed,
    AlertError,
    AlertMoved,
    AlertNotWaiting,
    CloseReasonMissing,
    StepsUndone,
    TooManyAlerts,
)
from runbooks.alerts.lifecycle import end_all
from runbooks.alerts.unfinished import steps_left
from runbooks.escalation.services import stop_escalations
from runbooks.models import Alert, AlertEvent, Page
from runbooks.paging.notices import queue_notices_of
from runbooks.paging.timeline import CHANGES_BEFORE_THE_END, news_since

logger = logging.getLogger(__name__)

MOST_ALERTS = 500
_NOT_SAID: Mapping[int, int] = MappingProxyType({})

Condition = Alert.Condition
Response = Alert.Response


@dataclass(slots=True)
class BulkOutcome:
    """What came of it: how many alerts are as asked now, and why the others are not.

    `refused` holds `(alert id, sentence)`.
    """

    done: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The revision of each alert that somebody acts on, and what they must not have missed."""

    revisions: Mapping[int, int]
    matters: Collection[AlertEvent.Kind]


@transaction.atomic
def acknowledge_alerts(
    *,
    alert_ids: Sequence[int],
    by: User,
    now: datetime,
    client_action_id: str | None = None,
    channel: Channel = Channel.BROWSER,
    seen_revisions: Mapping[int, int] = _NOT_SAID,
) -> BulkOutcome:
    """T11: take many alerts as `acknowledge_alert` takes one; those that have cleared are closed.

    What another has taken, what is closed, what got worse since the revision somebody saw of it
    and what `by` may not act on is left and told. Raises TooManyAlerts, TextRefused.
    """
    actor = Actor(by, channel=channel, client_action_id=client_action_id)

    def refusal_of(alert: Alert) -> AlertError | None:
        if alert.response == Response.CLOSED:
            return AlertClosed(alert)
        is_taken = alert.response == Response.ACKNOWLEDGED and not is_held_by(alert, actor)
        return AlertNotWaiting(alert) if is_taken else None

    seen = _Seen(seen_revisions, matters=[Kind.SEVERITY_ROSE])
    alerts, outcome = _choose(alert_ids, by, actor, refusal_of, seen)
    waiting = [alert for alert in alerts if alert.response == Response.UNACKNOWLEDGED]
    _take(waiting, by, now)
    stop_escalations(alert_ids=_ids(waiting))
    sentence = f"{actor.name} took it{actor.way}. Paging stopped."
    write_actions(alerts=waiting, kind=Kind.ACKNOWLEDGED, sentence=sentence, now=now, actor=actor)
    kept = _ids(alert for alert in waiting if not _is_over(alert))
    queue_notices_of(alert_ids=kept, purpose=Page.Purpose.ACKNOWLEDGED, now=now)
    # The action's id belongs to the acknowledgement's entry.
    over = [alert for alert in waiting if _is_over(alert)]
    closer = Actor(user=by, channel=channel)
    end_all(alerts=over, reason="The condition had cleared.", now=now, actor=closer)
    logger.info("alerts.acknowledged", extra={"count": len(waiting), "user_id": by.pk})
    return outcome


@transaction.atomic
def close_alerts(
    *,
    alert_ids: Sequence[int],
    by: User,
    reason: str,
    now: datetime,
    client_action_id: str | None = None,
    channel: Channel = Channel.BROWSER,
    seen_revisions: Mapping[int, int] = _NOT_SAID,
) -> BulkOutcome:
    """T11: close many alerts as `close_alert` closes one, with a reason where that needs one.

    What is closed already, what changed in a way that matters since the revision somebody saw of
    it and what `by` may not act on is left and told. Raises TooManyAlerts, TextRefused.
    """
    reason = readable_reason(reason)
    actor = Actor(user=by, channel=channel, client_action_id=client_action_id)

    left = {} if reason else steps_left(alert_ids=alert_ids[:MOST_ALERTS], now=now)

    def refusal_of(alert: Alert) -> AlertError | None:
        if alert.response == Response.CLOSED:
            return AlertClosed(alert)
        if alert.pk in left:
            return StepsUndone(alert, left[alert.pk])
        lacks_reason = alert.condition == Condition.FIRING and not reason
        return CloseReasonMissing(alert) if lacks_reason else None

    seen = _Seen(seen_revisions, matters=CHANGES_BEFORE_THE_END)
    alerts, outcome = _choose(alert_ids, by, actor, refusal_of, seen)
    end_all(alerts=alerts, reason=reason, now=now, actor=actor)
    logger.info("alerts.closed", extra={"count": len(alerts), "user_id": by.pk})
    return outcome


def _take(waiting: Sequence[Alert], by: User, now: datetime) -> None:
    Alert.objects.filter(pk__in=_ids(waiting)).update(
        response=Response.ACKNOWLEDGED,
        acknowledged_by=by,
        acknowledged_owner=None,
        acknowledged_at=now,
        acknowledgement_ends_at=_ends(waiting, now),
        revision=F("revision") + 1,
    )


def _choose(
    alert_ids: Sequence[int],
    by: User,
    actor: Actor,
    refusal_of: Callable[[Alert], AlertError | None],
    seen: _Seen,
) -> tuple[list[Alert], BulkOutcome]:
    """Lock the alerts; return those to act on, and what can be told already.

    All that are not refused count as done, those on which this very action was done before as well.
    """
    wanted = set(alert_ids)
    if len(wanted) > MOST_ALERTS:
        raise TooManyAlerts(MOST_ALERTS)
    check_action_id(actor.client_action_id)
    found = _locked(wanted, by)
    repeated = _repeated(found, actor)
    news = news_since(seen.revisions, alerts=found, by=by, matters=seen.matters)
    outcome = BulkOutcome()
    chosen = []
    for alert in found:
        refusal = None if alert.pk in repeated else refusal_of(alert)
        if refusal is None and alert.pk in news and alert.pk not in repeated:
            refusal = AlertMoved(alert, news[alert.pk])
        if refusal is not None:
            outcome.refused.append((alert.pk, refusal.sentence))
            continue
        outcome.done += 1
        if alert.pk not in repeated:
            chosen.append(alert)
    for pk in sorted(wanted - {alert.pk for alert in found}):
        outcome.refused.append((pk, f"There is no A-{pk}, or you may not act on it."))
    return chosen, outcome


def _locked(alert_ids: Collection[int], by: User) -> list[Alert]:
    """Lock those that `by` may act on, by number so that two bulk actions wait in no circle."""
    return list(
        Alert.objects.select_for_update(no_key=True, of=("self",))
        .filter(pk__in=alert_ids, site__in=sites_where(by, Action.RESPOND))
        .select_related(
            "acknowledged_by", "acknowledged_owner", "closed_by", "closed_owner", "policy_version"
        )
        .order_by("pk")
    )


def _repeated(alerts: Sequence[Alert], actor: Actor) -> set[int]:
    if actor.client_action_id is None:
        return set()
    entries = AlertEvent.objects.filter(alert__in=alerts, client_action_id=actor.client_action_id)
    return set(entries.values_list("alert_id", flat=True))


def _ends(alerts: Sequence[Alert], now: datetime) -> Case:
    """Return, as SQL, when each acknowledgement runs out, by the policy edition of its alert."""
    versions = {alert.policy_version_id: alert.policy_version for alert in alerts}
    ends = {pk: acknowledgement_end(version, now) for pk, version in versions.items()}
    cases = [When(policy_version=pk, then=Value(end)) for pk, end in ends.items() if end]
    return Case(*cases, default=Value(None), output_field=DateTimeField(null=True))


def _is_over(alert: Alert) -> bool:
    return alert.condition == Condition.CLEARED and not alert.is_flapping


def _ids(alerts: Iterable[Alert]) -> list[int]:
    return [alert.pk for alert in alerts]
