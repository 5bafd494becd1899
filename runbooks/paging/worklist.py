"""Work through rows that are due, one transaction each, beside other workers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, models, transaction

from fleet.services.engine import Module, engine_transaction

logger = logging.getLogger(__name__)

#: Rows that may fail in one call; each costs a few milliseconds.
MOST_FAILURES = 2000

Row = TypeVar("Row", bound=models.Model)


def work_through(
    due: models.QuerySet[Row],
    act: Callable[[Row], None],
    *,
    module: Module,
    limit: int,
    event: str,
) -> int:
    """Handle up to `limit` rows of `due`, each once and in its own transaction; return how many.

    Rows that fail do not count, so that many bad ones at the head starve nobody; there is an end
    to it all the same, at MOST_FAILURES of them.

    `due` is ordered and locks what it reads with SKIP LOCKED, so workers share the rows. A row
    whose handling fails is logged as `event` and left as it was; it does not stop the rows
    behind it. A database that is gone ends the work and is raised, and so does EngineMismatch:
    each transaction is one of the engine's `module`.
    """
    done = 0
    seen: list[int] = []
    while done < limit and len(seen) - done < MOST_FAILURES:
        with engine_transaction(module=module):
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
