"""Work through rows that are due, one transaction each, beside other workers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, models, transaction

logger = logging.getLogger(__name__)

Row = TypeVar("Row", bound=models.Model)


def work_through(
    due: models.QuerySet[Row], act: Callable[[Row], None], *, limit: int, event: str
) -> int:
    """Handle up to `limit` rows of `due`, each once and in its own transaction; return how many.

    `due` is ordered and locks what it reads with SKIP LOCKED, so workers share the rows. A row
    whose handling fails is logged as `event` and left as it was; it does not stop the rows
    behind it. A database that is gone ends the work and is raised.
    """
    done = 0
    seen: list[int] = []
    while len(seen) < limit:
        with transaction.atomic():
            row = due.exclude(pk__in=seen).first()
            if row is None:
                break
            seen.append(row.pk)
            try:
                with transaction.atomic():
                    act(row)
                done += 1
            except (OperationalError, InterfaceError):
                raise
            except Exception:
                logger.exception(event, extra={"row": row.pk})
    return done
