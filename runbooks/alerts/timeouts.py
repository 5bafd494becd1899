"""Acknowledgements that ran out: whoever took the alert may have fallen asleep over it."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial

from django.db.models import F

from fleet.services.engine import Module
from runbooks.alerts.actions import ENGINE, NOBODY, Kind, write_action
from runbooks.alerts.errors import holder_of
from runbooks.escalation.services import resume_escalation
from runbooks.models import Alert
from runbooks.paging.worklist import work_through

logger = logging.getLogger(__name__)


def expire_acknowledgements(*, now: datetime, limit: int = 200) -> int:
    """T7: begin paging anew for alerts whose acknowledgement ran out; return how many.

    Those that an overlay holds back, or whose condition has cleared, keep their holder meanwhile.
    """
    over = (
        Alert.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
        .filter(
            response=Alert.Response.ACKNOWLEDGED,
            acknowledgement_ends_at__lte=now,
            condition=Alert.Condition.FIRING,
            is_suppressed=False,
        )
        .select_related("site", "acknowledged_by", "acknowledged_owner", "policy_version")
        .order_by("acknowledgement_ends_at", "pk")
    )
    return work_through(
        over,
        partial(_expire, now=now),
        module=Module.RESPONSE,
        limit=limit,
        event="alert.acknowledgement_not_ended",
    )


def _expire(alert: Alert, *, now: datetime) -> None:
    Alert.objects.filter(pk=alert.pk, response=Alert.Response.ACKNOWLEDGED).update(
        response=Alert.Response.UNACKNOWLEDGED, revision=F("revision") + 1, **NOBODY
    )
    resume_escalation(alert=alert, now=now)
    logger.info("alert.acknowledgement_ended", extra={"alert_id": alert.pk})
    write_action(
        alert=alert,
        kind=Kind.ACKNOWLEDGEMENT_ENDED,
        sentence=(
            f"{holder_of(alert)} took it, and it is still open: the acknowledgement ran out. "
            "Paging begins anew with the first step."
        ),
        now=now,
        actor=ENGINE,
    )
