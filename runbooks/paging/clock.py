"""Pages that a clock which was set back would keep waiting: due or free again, or waiting anew."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import (
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Value,
)

from fleet.services.engine import Module, engine_transaction
from runbooks.models import Page, PageAttempt
from runbooks.paging.notices import LONGEST_FLIGHT

logger = logging.getLogger(__name__)

#: Clocks of several machines may differ by so much without one of them having been set back.
CLOCKS_APART = timedelta(minutes=1)


@engine_transaction(module=Module.DELIVERY)
def mend_page_times(*, now: datetime) -> int:
    """Let pages go now that were queued or tried later than now; return how many were mended.

    A lease that ends later than any request takes ends after the longest one. The wait for a
    receiver that has a page in its own queue begins anew.
    """
    ahead = now + CLOCKS_APART
    tried_later = PageAttempt.objects.filter(page=OuterRef("pk"), started_at__gt=ahead)
    waiting = Page.objects.filter(
        Q(created_at__gt=ahead) | Exists(tried_later),
        state=Page.State.PENDING,
        next_attempt_at__gt=ahead,
    )
    leased = Page.objects.filter(
        state=Page.State.LEASED, lease_expires_at__gt=ahead + LONGEST_FLIGHT
    )
    taken = Page.objects.filter(
        state=Page.State.SENT, receipt=Page.Receipt.QUEUED, sent_at__gt=ahead
    )
    due, held, queued = (_locked(rows) for rows in (waiting, leased, taken))
    if due:
        Page.objects.filter(pk__in=due).update(next_attempt_at=now)
    if held:
        Page.objects.filter(pk__in=held).update(lease_expires_at=now + LONGEST_FLIGHT)
    if queued:
        _begin_anew(queued, now)
    mended = {"due": len(due), "leased": len(held), "queued": len(queued)}
    if due or held or queued:
        logger.warning("pages.clock_was_set_back", extra=mended)
    return sum(mended.values())


def _locked(rows: QuerySet[Page]) -> list[uuid.UUID]:
    # Locked by number, as everybody locks who takes many; those in use are mended next time.
    locked = rows.select_for_update(skip_locked=True, no_key=True).order_by("pk")
    return list(locked.values_list("pk", flat=True))


def _begin_anew(ids: Sequence[uuid.UUID], now: datetime) -> None:
    """Count pages as sent now; what was before moves along, so that their spans stay as they were.

    When each was really tried stands in its attempts.
    """
    later = ExpressionWrapper(Value(now) - F("sent_at"), output_field=DurationField())
    Page.objects.filter(pk__in=ids).update(
        created_at=F("created_at") + later,
        give_up_at=F("give_up_at") + later,
        sent_at=now,
        asked_at=None,
    )
