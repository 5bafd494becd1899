"""Waits that a clock which was set back would lengthen: they begin anew.

Steps are due by the clock of this machine. When that is set back by an hour, whatever was due in
five minutes would be due in sixty-five, and nothing would look overdue meanwhile.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db.models import Case, DateTimeField, ExpressionWrapper, F, Q, Value, When

from fleet.services.engine import Module, engine_transaction
from runbooks.escalation.timers import FOR_HOURS
from runbooks.models import Escalation
from runbooks.paging.clock import CLOCKS_APART

logger = logging.getLogger(__name__)


@engine_transaction(module=Module.ESCALATION)
def mend_waits(*, now: datetime) -> int:
    """Begin anew the waits of steps that were taken later than now; return how many.

    So a wait is had twice at most, never longer. A first step that would be due later than now is
    due now, and so is another look for somebody who can be reached. A wait for hours goes by the
    calendar and stays.
    """
    ahead = now + CLOCKS_APART
    was_taken_later = Q(last_step_at__gt=ahead, next_due_at__gt=F("last_step_at"))
    waits_for_no_answer = Q(last_step_at__isnull=True) | Q(nobody_since__isnull=False)
    rows = Escalation.objects.filter(
        waits_for_no_answer | was_taken_later,
        state=Escalation.State.RUNNING,
        next_due_at__gt=ahead,
    ).exclude(FOR_HOURS)
    locked = rows.select_for_update(skip_locked=True, no_key=True).order_by("pk")
    ids = list(locked.values_list("pk", flat=True))
    if not ids:
        return 0
    wait = ExpressionWrapper(
        Value(now) + (F("next_due_at") - F("last_step_at")), output_field=DateTimeField()
    )
    # Without a step it stays without one, and what was taken before now was.
    taken_at = When(last_step_at__gt=ahead, then=Value(now))
    Escalation.objects.filter(pk__in=ids).update(
        next_due_at=Case(When(waits_for_no_answer, then=Value(now)), default=wait),
        last_step_at=Case(
            taken_at, default=F("last_step_at"), output_field=DateTimeField(null=True)
        ),
    )
    logger.warning("escalation.clock_was_set_back", extra={"count": len(ids)})
    return len(ids)
