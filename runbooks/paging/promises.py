"""Promises of the pager that do not hold: open a row, refresh it, mend it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import connection, transaction
from django.db.models import QuerySet

from runbooks.models import BrokenPromise
from runbooks.paging.timeline import clip

logger = logging.getLogger(__name__)

_KEY = "(hashtext('runbooks_brokenpromise'), hashtext(%s))"
_WAIT_FOR_TURN = f"SELECT pg_advisory_xact_lock{_KEY}"
_ASK_FOR_TURN = f"SELECT pg_try_advisory_xact_lock{_KEY}"


@transaction.atomic
def report_broken(
    *, code: BrokenPromise.Code, broken: Mapping[str, str], now: datetime, waits: bool = True
) -> list[BrokenPromise]:
    """Open a row for each sentence by subject, or refresh the one that is open.

    It is logged when it opens. How many statements that takes does not depend on how many they are.
    Without `waits` it does nothing while somebody else changes promises of `code`.
    """
    if not _has_turn(code, waits=waits):
        return []
    said = {subject: clip(sentence, 300) for subject, sentence in broken.items()}
    rows = list(_open(code).filter(subject__in=said))
    for row in rows:
        row.last_seen_at, row.sentence = now, said[row.subject]
    BrokenPromise.objects.bulk_update(rows, ["last_seen_at", "sentence"], batch_size=100)
    known = {row.subject for row in rows}
    new = [
        BrokenPromise(
            code=code, subject=subject, sentence=sentence, first_seen_at=now, last_seen_at=now
        )
        for subject, sentence in said.items()
        if subject not in known
    ]
    for row in new:
        extra = {"code": code.value, "subject": row.subject, "sentence": row.sentence}
        logger.error("promise.broken", extra=extra)
    return rows + BrokenPromise.objects.bulk_create(new)


@transaction.atomic
def mend_all_but(
    *, code: BrokenPromise.Code, broken: Mapping[str, str], now: datetime, waits: bool = True
) -> int:
    """Mend the open rows of `code` whose subject is not a key of `broken`; return how many.

    Without `waits` it does nothing while somebody else changes promises of `code`.
    """
    if not _has_turn(code, waits=waits):
        return 0
    mended = _open(code).exclude(subject__in=list(broken)).update(mended_at=now)
    if mended:
        logger.info("promise.mended", extra={"code": code.value, "count": mended})
    return mended


@transaction.atomic
def note_told(
    *, code: BrokenPromise.Code, ids: Collection[int], now: datetime, is_wide: bool = False
) -> None:
    """Write down that somebody was told of these promises of `code`; `is_wide`: administrators."""
    _has_turn(code, waits=True)
    wide = {"is_told_widely": True} if is_wide else {}
    BrokenPromise.objects.filter(pk__in=ids).update(told_at=now, **wide)


def _open(code: BrokenPromise.Code) -> QuerySet[BrokenPromise]:
    return BrokenPromise.objects.filter(code=code, mended_at__isnull=True)


def _has_turn(code: BrokenPromise.Code, *, waits: bool) -> bool:
    """Let one transaction at a time change promises of `code`; tell whether it is this one.

    Those who report many of them, and the auditor who mends and tells, would else lock rows
    crosswise.
    """
    with connection.cursor() as cursor:
        cursor.execute(_WAIT_FOR_TURN if waits else _ASK_FOR_TURN, [code.value])
        return waits or bool(cursor.fetchone()[0])
