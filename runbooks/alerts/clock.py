"""Storms that a clock which was set back would keep raging: their span begins anew."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db.models import Exists, OuterRef

from fleet.services.engine import Module, engine_transaction
from runbooks.models import Alert, StormMember
from runbooks.paging.clock import CLOCKS_APART

logger = logging.getLogger(__name__)


@engine_transaction(module=Module.INTAKE)
def mend_storm_times(*, now: datetime) -> int:
    """Let members of open storms that joined later than now have joined now; return their storms.

    So a storm that has quietened is over within twice its span, and what follows is heard.
    """
    joined_later = StormMember.objects.filter(joined_at__gt=now + CLOCKS_APART)
    storms = Alert.objects.filter(
        Exists(joined_later.filter(storm=OuterRef("pk"))), is_storm=True
    ).exclude(response=Alert.Response.CLOSED)
    # Whoever changes members holds their storm. Locked by number, as everybody locks who takes
    # many; those in use are mended next time.
    locked = storms.select_for_update(skip_locked=True, no_key=True, of=("self",)).order_by("pk")
    ids = list(locked.values_list("pk", flat=True))
    if ids:
        joined_later.filter(storm__in=ids).update(joined_at=now)
        logger.warning("storms.clock_was_set_back", extra={"count": len(ids)})
    return len(ids)
