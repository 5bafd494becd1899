"""Several requests in the air at once, so that a slow receiver does not delay the others.

Only the requests run in threads; rows are read and written by the calling thread alone.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

from django.db import InterfaceError, OperationalError

from fleet.services.engine import EngineMismatch
from runbooks.paging.outcome import Answer

MOST_IN_THE_AIR = 16
#: The places that one contact may take; a dead receiver with a long queue leaves the others free.
MOST_PER_CONTACT = 2
#: No request is begun after this; a worker must end before Celery ends it.
LONGEST_ROUND_SECONDS = 60
#: How long to wait for an answer before looking for pages that became due meanwhile, in seconds.
_LOOK_SECONDS = 0.5
#: Answers that come so shortly after one another are written down together, in seconds.
_GATHER_SECONDS = 0.01

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Flight:
    """One request to make, and what to do with its answer."""

    contact_id: int
    send: Callable[[], Answer]
    land: Callable[[Answer], None]


AFlight = TypeVar("AFlight", bound=Flight)
#: Flights that came down, each with its answer.
Landed = Sequence[tuple[AFlight, Answer]]


def fly(
    next_flights: Callable[[Collection[int], int], Sequence[AFlight]],
    land_together: Callable[[Landed[AFlight]], Landed[AFlight]] = lambda landed: landed,
) -> None:
    """Make every request that `next_flights` hands out, and land each answer as it comes.

    `next_flights` takes the contacts that have their share of places, to be passed over, and how
    many places are free; it returns nothing when it has nothing, and is asked again while requests
    are in the air. `land_together` writes down what it can of the answers that came meanwhile, and
    returns the others, which are landed one by one. What either of them raises ends the round, once
    the answers to all that is in the air have been landed.
    """
    in_the_air: dict[Future[Answer], AFlight] = {}
    with ThreadPoolExecutor(MOST_IN_THE_AIR, thread_name_prefix="page") as pool:
        try:
            while True:
                while len(in_the_air) < MOST_IN_THE_AIR:
                    places = MOST_IN_THE_AIR - len(in_the_air)
                    flights = next_flights(_crowded(in_the_air.values()), places)
                    if not flights:
                        break
                    in_the_air.update({pool.submit(flight.send): flight for flight in flights})
                if not in_the_air:
                    return
                _land_answered(in_the_air, land_together)
        finally:
            # Whatever ended the round: an answer that nobody writes down is a page sent twice.
            while in_the_air:
                _land_answered(in_the_air, land_together)


def _land_answered(
    in_the_air: dict[Future[Answer], AFlight],
    land_together: Callable[[Landed[AFlight]], Landed[AFlight]],
) -> None:
    """Wait a moment for answers; land those that came, and take them out of the air."""
    wait(in_the_air, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
    answered, _ = wait(in_the_air, timeout=_GATHER_SECONDS)
    landed = [(in_the_air.pop(future), _answer(future)) for future in answered]
    _land(_left_by(land_together, landed))


def _left_by(
    land_together: Callable[[Landed[AFlight]], Landed[AFlight]], landed: Landed[AFlight]
) -> Landed[AFlight]:
    """Land the answers together; return what is left, all of it where that failed."""
    try:
        return land_together(landed)
    except Exception:
        # It wrote all or nothing. One by one, whatever is wrong costs one of them at most.
        logger.exception("page.answers_not_written")
        return landed


def _land(landed: Landed[AFlight]) -> None:
    """Write every answer down, whatever becomes of one of them.

    A database that is gone, or made for another engine, is raised once the others had their
    turn; their leases run out.
    """
    gone: OperationalError | InterfaceError | EngineMismatch | None = None
    for flight, answer in landed:
        try:
            flight.land(answer)
        except (OperationalError, InterfaceError, EngineMismatch) as fault:
            gone = fault
        except Exception as fault:
            # A worker's outer loop: one answer that cannot be written down must not cost the
            # records of the others. In its place a plain failure is written, which is tried again.
            logger.exception("page.answer_not_written", extra={"contact_id": flight.contact_id})
            name = type(fault).__name__
            flight.land(Answer(status=None, error=f"The answer could not be written down: {name}."))
    if gone is not None:
        raise gone


def _crowded(flights: Iterable[Flight]) -> list[int]:
    taken = Counter(flight.contact_id for flight in flights)
    return [contact for contact, places in taken.items() if places >= MOST_PER_CONTACT]


def _answer(future: Future[Answer]) -> Answer:
    failure = future.exception()
    if failure is None:
        return future.result()
    # Transports do not raise for what receivers do, so this is a fault of ours: it is logged in
    # full, and the page goes on to its retries and to the next person.
    logger.error("page.transport_failed", exc_info=failure)
    return Answer(status=None, error=f"The page could not be sent: {type(failure).__name__}.")
