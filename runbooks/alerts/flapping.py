"""Alerts that came and went all the time, and have been quiet for a while."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from django.db.models import Exists, F, OuterRef

from fleet.services.engine import Module
from runbooks.alerts import lifecycle
from runbooks.alerts.actions import ENGINE, Kind, write_action
from runbooks.alerts.firings import FIRINGS, QUIET_SPAN
from runbooks.models import Alert, AlertEvent
from runbooks.paging.worklist import work_through
from telemetry.models import Finding


def settle_flapping(*, now: datetime, limit: int = 200) -> int:
    """Let alerts that neither fired nor cleared for a while be ordinary again; return how many.

    What has cleared by then goes the way of every clear; what fires goes on firing.
    """
    changes = AlertEvent.objects.filter(
        alert=OuterRef("pk"), kind__in=[*FIRINGS, Kind.CLEARED], at__gt=now - QUIET_SPAN
    )
    quiet = (
        Alert.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
        .filter(~Exists(changes), is_flapping=True)
        .exclude(response=Alert.Response.CLOSED)
        .select_related("site", "policy_version")
        .order_by("pk")
    )
    return work_through(
        quiet,
        partial(_settle, now=now),
        module=Module.RESPONSE,
        limit=limit,
        event="alert.settling_failed",
    )


def _settle(alert: Alert, *, now: datetime) -> None:
    Alert.objects.filter(pk=alert.pk).update(is_flapping=False, revision=F("revision") + 1)
    is_over = alert.condition == Alert.Condition.CLEARED
    state = "clear" if is_over else "firing"
    sentence = (
        f"Settled: it has been {state} for {QUIET_SPAN.seconds // 60} minutes without a break."
    )
    write_action(alert=alert, kind=Kind.SETTLED, sentence=sentence, now=now, actor=ENGINE)
    is_taken = alert.response == Alert.Response.ACKNOWLEDGED
    if is_over and (is_taken or alert.severity == Finding.Severity.LOW):
        lifecycle.end(alert=alert, reason="The condition cleared.", now=now)
