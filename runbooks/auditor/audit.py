"""One round of the auditor: check everything, tell whom it concerns, and say outside that all is
well only when it is."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from fleet.services.engine import Module, engine_transaction
from runbooks.auditor.beats import Part, note_beat
from runbooks.auditor.checks import CHECKS, SLACK_CYCLES
from runbooks.auditor.deadman import DeadMan
from runbooks.auditor.meta import tell_of_promises
from runbooks.models import BrokenPromise
from runbooks.paging.promises import mend_all_but, report_broken

logger = logging.getLogger(__name__)

Code = BrokenPromise.Code


def go_round(*, now: datetime, deadman: DeadMan) -> list[BrokenPromise]:
    """Audit, tell of what broke and what was mended, ping the dead man's URL when all is well.

    Holds no transaction while it waits for a receiver. Returns what is broken.
    """
    note_beat(part=Part.AUDIT, now=now)
    broken = audit_promises(now=now)
    tell_of_promises(now=now)
    if broken:
        logger.warning("auditor.not_clean", extra={"broken": len(broken)})
    else:
        deadman.ping(now=now)
    return broken


def audit_promises(*, now: datetime) -> list[BrokenPromise]:
    """Open, refresh and mend the rows of broken promises; return those broken now."""
    # Each kind in a transaction of its own: an auditor that hangs in a later check must not keep
    # what it wrote of the earlier ones from anybody.
    return [row for code in CHECKS for row in _audit(code, now)]


def watch_auditor(*, now: datetime) -> int:
    """Check that the auditor itself goes round, for those that it watches; return 1 if not.

    It does not wait for one that hangs in the middle of the same check: that is looked at again.
    """
    return len(_audit(Code.AUDITOR_SILENT, now, waits=False))


def open_promises() -> QuerySet[BrokenPromise]:
    """Return the promises that are broken, the newest first."""
    return BrokenPromise.objects.filter(mended_at__isnull=True).order_by("-first_seen_at", "pk")


@engine_transaction(module=Module.AUDIT)
def _audit(code: BrokenPromise.Code, now: datetime, *, waits: bool = True) -> list[BrokenPromise]:
    late = now - timedelta(seconds=SLACK_CYCLES * settings.HEARTHWATCH_SWEEP_SECONDS)
    broken = CHECKS[code](late)
    mend_all_but(code=code, broken=broken, now=now, waits=waits)
    return report_broken(code=code, broken=broken, now=now, waits=waits)
