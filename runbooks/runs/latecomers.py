"""Entries that came after the end of their run, until somebody says that they were looked at."""

from __future__ import annotations

import logging

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet

from runbooks.models import Run, RunEntry, RunQuarantine
from runbooks.runs.log import Channel, locked_run, tell
from runbooks.runs.told import call_off_late_entries

logger = logging.getLogger(__name__)


def late_entries() -> QuerySet[RunEntry]:
    """Return what came after the end of a run since somebody looked last.

    Not what the lead wrote, nor what somebody took in by hand: both are known.
    """
    late = RunEntry.objects.filter(is_after_end=True).exclude(channel=Channel.ENGINE)
    since = Q(run__late_seen_until__isnull=True) | Q(received_at__gt=F("run__late_seen_until"))
    others = Q(actor__isnull=True) | Q(run__lead__isnull=True) | ~Q(actor=F("run__lead"))
    by_hand = RunQuarantine.objects.filter(entry=OuterRef("pk"))
    return late.filter(since, others, ~Exists(by_hand))


@transaction.atomic
def look_at_late_entries(*, run: Run, seen: int, by: User) -> None:
    """Say that what came after the end was looked at, up to the entry `seen`; the log stays."""
    current = locked_run(run.pk)
    late = late_entries().filter(run=current)
    until = late.filter(pk__lte=seen).aggregate(last=Max("received_at"))["last"]
    if until is None:
        return
    Run.objects.filter(pk=current.pk).update(late_seen_until=until)
    if not late.exists():
        call_off_late_entries(current)
    tell(current)
    logger.info("run.late_entries_seen", extra={"run_id": run.pk, "by_id": by.pk})
