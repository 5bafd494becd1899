"""Work through rows that are due, one transaction each, beside other workers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from django.db import InterfaceError, OperationalError, models, transaction

from fleet.services.engine import EngineMismatch, Module, engine_transaction

logger = logging.getLogger(__name__)

#: Rows that may fail in one call; each costs a few milliseconds.
MOST_FAILURES = 2000

#: Rows offered to be handled in one transaction: as many as wait a moment for each other.
AT_ONCE = 50

Row = TypeVar("Row", bound=models.Model)


def work_through(
    due: models.QuerySet[Row],
    act: Callable[[Row], None],
    *,
    module: Module,
    limit: int,
    event: str,
    together: Callable[[Sequence[Row]], int] | None = None,
) -> int:
    """Handle up to `limit` rows of `due`, each once and in its own transaction; return how many.

    `due` is ordered and locks what it reads with SKIP LOCKED, so workers share the rows. A row
    whose handling fails is logged as `event`, left as it was, and stops none behind it. A database
    that is gone, or not of the engine's `module`, ends the work and is raised.

    `together` is offered the rows before that, many in one transaction. It handles what is plain
    of them, so that it is not due any more, and returns how many that was; what it leaves is
    handled one by one, and so is everything where it fails.

    Rows that fail do not count, so that many bad ones at the head starve nobody; there is an end
    to it all the same, at MOST_FAILURES of them.
    """
    before = done = _work_together(due, together, module, limit, event) if together else 0
    seen: list[int] = []
    while done < limit and len(seen) - (done - before) < MOST_FAILURES:
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


def _work_together(
    due: models.QuerySet[Row],
    together: Callable[[Sequence[Row]], int],
    module: Module,
    limit: int,
    event: str,
) -> int:
    done = 0
    offered: list[int] = []
    # No more are offered than may be handled at all: what is left of them comes first, and must
    # not wait for all that is plain behind it.
    while len(offered) < limit:
        rows: list[Row] = []
        try:
            with engine_transaction(module=module):
                rows = list(due.exclude(pk__in=offered)[: min(AT_ONCE, limit - len(offered))])
                offered += [row.pk for row in rows]
                done += together(rows) if rows else 0
        except (OperationalError, InterfaceError, EngineMismatch):
            raise
        except Exception:
            # One by one, only the bad one among them fails.
            logger.exception(event, extra={"rows": len(rows)})
        if len(rows) < AT_ONCE:
            break
    return done
