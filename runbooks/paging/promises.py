"""Promises of the pager that do not hold: open a row, refresh it, mend it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from django.db import IntegrityError, transaction

from runbooks.models import BrokenPromise
from runbooks.paging.timeline import clip

logger = logging.getLogger(__name__)


def report_broken(
    *, code: BrokenPromise.Code, subject: str, sentence: str, now: datetime
) -> BrokenPromise:
    """Open the row for this promise, or refresh the one that is open; logged when it opens."""
    sentence = clip(sentence, 300)
    rows = BrokenPromise.objects.filter(code=code, subject=subject, mended_at__isnull=True)
    if not rows.update(last_seen_at=now, sentence=sentence):
        try:
            with transaction.atomic():
                BrokenPromise.objects.create(
                    code=code,
                    subject=subject,
                    sentence=sentence,
                    first_seen_at=now,
                    last_seen_at=now,
                )
            logger.error(
                "promise.broken",
                extra={"code": code.value, "subject": subject, "sentence": sentence},
            )
        except IntegrityError:
            # Another auditor was first; the row is there, which is all that counts.
            rows.update(last_seen_at=now, sentence=sentence)
    return rows.get()


def mend_all_but(*, code: BrokenPromise.Code, broken: Mapping[str, str], now: datetime) -> int:
    """Mend the open rows of `code` whose subject is not a key of `broken`; return how many."""
    rows = BrokenPromise.objects.filter(code=code, mended_at__isnull=True)
    mended = rows.exclude(subject__in=list(broken)).update(mended_at=now)
    if mended:
        logger.info("promise.mended", extra={"code": code.value, "count": mended})
    return mended
