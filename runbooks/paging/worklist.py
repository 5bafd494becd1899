"""Work through rows that are due, one transaction each, beside other workers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    act: Callable[[Row], object] | None,
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

    `together` is offered the rows first, many in one transaction. It handles what is plain of
    them, so that it is not due any more, and returns how many that was; what it leaves is handled
    one by one before the next are offered, and so is everything where it fails. Rows that become
    due meanwhile are offered too: one by one, they might come faster than they are handled. Where
    `act` is None, what is left is left: nobody waits here for rows that are handled one by one.

    Rows that fail, or are left, do not count, so that many at the head starve nobody; there is an
    end to it all the same, at MOST_FAILURES of them.
    """
    if together is not None:
        return _together_first(due, act, together, module, limit, event).done
    return _one_by_one(due, act, module, limit, event).done if act else 0


@dataclass(slots=True)
class _Tally:
    """How many rows were handled, and how many failed or were left."""

    done: int = 0
    failed: int = 0


def _together_first(
    due: models.QuerySet[Row],
    act: Callable[[Row], object] | None,
    together: Callable[[Sequence[Row]], int],
    module: Module,
    limit: int,
    event: str,
) -> _Tally:
    tally = _Tally()
    offered: list[int] = []
    while tally.done < limit and tally.failed < MOST_FAILURES:
        most = min(AT_ONCE, limit - tally.done)
        ids, done = _offer(due.exclude(pk__in=offered)[:most], together, module, event)
        offered += ids
        tally.done += done
        if act is None:
            tally.failed += len(ids) - done
        elif done < len(ids):
            alone = _one_by_one(due.filter(pk__in=ids), act, module, most - done, event)
            tally.done += alone.done
            tally.failed += alone.failed
        if len(ids) < most:
            break
    return tally


def _one_by_one(
    due: models.QuerySet[Row],
    act: Callable[[Row], object],
    module: Module,
    limit: int,
    event: str,
) -> _Tally:
    tally = _Tally()
    seen: list[int] = []
    while tally.done < limit and tally.failed < MOST_FAILURES:
        with engine_transaction(module=module):
            row = due.exclude(pk__in=seen).first()
            if row is None:
                break
            seen.append(row.pk)
            try:
                with transaction.atomic():
                    act(row)
                tally.done += 1
            except (OperationalError, InterfaceError):
                raise
            except Exception:
                logger.exception(event, extra={"row": row.pk})
                tally.failed += 1
    return tally


def _offer(
    due: models.QuerySet[Row],
    together: Callable[[Sequence[Row]], int],
    module: Module,
    event: str,
) -> tuple[list[int], int]:
    """Offer rows to be handled together; return their ids, and how many were handled."""
    rows: list[Row] = []
    try:
        with engine_transaction(module=module):
            rows = list(due)
            return [row.pk for row in rows], together(rows) if rows else 0
    except (OperationalError, InterfaceError, EngineMismatch):
        raise
    except Exception:
        # One by one, only the bad one among them fails.
        logger.exception(event, extra={"rows": len(rows)})
        return [row.pk for row in rows], 0
