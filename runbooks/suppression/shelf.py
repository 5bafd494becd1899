"""The shelf: one person sets one alert aside for a while, with a reason.

Callers have checked, through `fleet.access`, that the person may act.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction

from fleet.names import name_of
from runbooks.models import Alert, AlertEvent, Suppression
from runbooks.paging.timeline import CHANGES_BEFORE_THE_END, Channel, news_since, write_entry
from runbooks.suppression.causes import SHELF
from runbooks.suppression.cycle import settle_planned
from runbooks.suppression.errors import ShelfError

LONGEST_SHELF: Final = timedelta(days=7)
LONGEST_REASON: Final = 300
LONGEST_ACTION_ID: Final = 64


@transaction.atomic
def shelve_alert(
    *,
    alert: Alert,
    by: User,
    until: datetime,
    reason: str,
    now: datetime,
    client_action_id: str | None = None,
    channel: Channel = Channel.BROWSER,
    seen_revision: int | None = None,
) -> None:
    """Set an open alert aside until then: it stays as it is, and pages nobody.

    One that is on the shelf already gets the new end and reason. Sent twice with the same
    `client_action_id`, it happens once. Raises ShelfError, which changes nothing: `alert_moved`
    where something that matters happened since the revision that `by` saw.
    """
    current = _locked(alert)
    if _is_repeated(current, client_action_id):
        return
    if current.response == Alert.Response.CLOSED:
        raise ShelfError("alert_closed", f"A-{alert.pk} is closed and pages nobody any more.")
    _refuse_stale(current, by, seen_revision)
    reason = _checked(until, reason, now)
    _put_on_shelf(current, by, until, reason, now)
    write_entry(
        alert=current,
        kind=AlertEvent.Kind.SUPPRESSED,
        sentence=(
            f"{name_of(by)} put it on the shelf until {until:%F %H:%M} UTC: {reason.rstrip('.')}. "
            "Nobody is paged."
        ),
        now=now,
        actor=by,
        client_action_id=client_action_id,
        channel=channel,
    )
    settle_planned(alert_ids=[alert.pk], now=now)


@transaction.atomic
def unshelve_alert(
    *,
    alert: Alert,
    by: User,
    now: datetime,
    client_action_id: str | None = None,
    channel: Channel = Channel.BROWSER,
) -> None:
    """Take it from the shelf; unless something else holds it back, paging goes on.

    Raises ShelfError when it is not on the shelf.
    """
    current = _locked(alert)
    if _is_repeated(current, client_action_id):
        return
    shelved = Suppression.objects.filter(
        alert=current, source=SHELF, ended_at__isnull=True, until__gt=now
    )
    if not shelved.update(until=now):
        raise ShelfError(
            "not_shelved", f"A-{alert.pk} is not on the shelf. Reload to see where it stands."
        )
    write_entry(
        alert=current,
        kind=AlertEvent.Kind.SUPPRESSION_ENDED,
        sentence=f"{name_of(by)} took it from the shelf.",
        now=now,
        actor=by,
        client_action_id=client_action_id,
        channel=channel,
    )
    settle_planned(alert_ids=[alert.pk], now=now)


def _refuse_stale(alert: Alert, by: User, seen_revision: int | None) -> None:
    if seen_revision is None:
        return
    seen = {alert.pk: seen_revision}
    news = news_since(seen, alerts=[alert], by=by, matters=CHANGES_BEFORE_THE_END)
    if alert.pk in news:
        raise ShelfError(
            "alert_moved",
            f"A-{alert.pk} changed since you looked: {news[alert.pk].rstrip('.')}. It was not put "
            "on the shelf; look again and decide anew.",
        )


def _put_on_shelf(alert: Alert, by: User, until: datetime, reason: str, now: datetime) -> None:
    shelved = Suppression.objects.filter(alert=alert, source=SHELF, ended_at__isnull=True)
    if not shelved.update(until=until, reason=reason, by=by):
        Suppression.objects.create(
            alert=alert,
            kind=Suppression.Kind.SHELVED,
            source=SHELF,
            by=by,
            reason=reason,
            began_at=now,
            until=until,
        )


def _locked(alert: Alert) -> Alert:
    return Alert.objects.select_for_update(no_key=True, of=("self",)).get(pk=alert.pk)


def _is_repeated(alert: Alert, client_action_id: str | None) -> bool:
    if client_action_id is None:
        return False
    if not 0 < len(client_action_id) <= LONGEST_ACTION_ID:
        raise ShelfError(
            "text_refused", f"The action's id must have 1 to {LONGEST_ACTION_ID} characters."
        )
    return alert.events.filter(client_action_id=client_action_id).exists()


def _checked(until: datetime, reason: str, now: datetime) -> str:
    reason = reason.strip()
    if not 0 < len(reason) <= LONGEST_REASON:
        raise ShelfError(
            "reason_missing",
            f"Say why, in 1 to {LONGEST_REASON} characters, for whoever looks next.",
        )
    if until <= now:
        raise ShelfError("already_over", "Its end has passed already; choose a later end.")
    if until - now > LONGEST_SHELF:
        raise ShelfError(
            "too_long",
            f"The shelf holds an alert at most {LONGEST_SHELF.days} days; choose an earlier end.",
        )
    return reason
