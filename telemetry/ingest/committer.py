"""Group commit: everything that is queued in one transaction, then the answers and the hints.

One thread with a database connection of its own. The read loops hand over and never wait; when
the queue is full they are told so. Nothing is answered before its COMMIT has returned.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import psycopg
from django.db import DataError, Error, IntegrityError, connection

from fleet.queue import Job, enqueue_on_commit
from telemetry.ingest.group import commit_group
from telemetry.ingest.intake import Intake, Outcome, Refusal, answers_to
from telemetry.protocol import RejectCode, ServerFrame

logger = logging.getLogger(__name__)

#: The most one transaction takes, as weight of its intakes; bounds how long one COMMIT lasts.
GROUP_BYTES = 8 << 20
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0
HINT_SECONDS = 1.0


class Line(Protocol):
    """Where the answers to an intake go; called from the committer's thread."""

    def deliver(self, frames: list[ServerFrame], *, settled: int) -> None:
        """Send the frames; `settled` intakes of this line are done with."""


class _Item(NamedTuple):
    intake: Intake
    line: Line
    queued_at: float


class Committer:
    """The one writer of telemetry in this process.

    `limit_bytes` bounds the weight of all intakes that are not committed, `linger_seconds` is how
    long the oldest waits for company, and `on_commit` hears which sites changed.
    """

    def __init__(
        self,
        *,
        limit_bytes: int,
        linger_seconds: float,
        on_commit: Callable[[set[int]], None] = lambda site_ids: None,
    ) -> None:
        self._limit_bytes = limit_bytes
        self._linger_seconds = linger_seconds
        self._on_commit = on_commit
        self._items: deque[_Item] = deque()
        self._bytes = 0
        self._oldest_at: float | None = None
        self._changed = threading.Condition()
        self._is_stopping = threading.Event()
        self._set_ids: dict[str, int] = {}
        self._thread = threading.Thread(target=self._run, name="ingest-committer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, *, patience_seconds: float) -> None:
        """Commit what is queued, for so long at most, and end the thread.

        What is not committed by then was not acknowledged either: the agents still have it.
        """
        with self._changed:
            self._is_stopping.set()
            self._changed.notify()
        self._thread.join(patience_seconds)

    def offer(self, intake: Intake, line: Line) -> bool:
        """Queue an intake, without waiting; False means that the queue is full."""
        weight = intake.weight
        with self._changed:
            # An intake that alone is heavier than the limit must get through some time.
            if self._bytes and self._bytes + weight > self._limit_bytes:
                return False
            self._bytes += weight
            self._items.append(_Item(intake, line, time.monotonic()))
            self._changed.notify()
        return True

    def stalled_seconds(self) -> float:
        """Return how long the oldest intake has been waiting for its COMMIT."""
        with self._changed:
            oldest = self._oldest_at
            if oldest is None and self._items:
                oldest = self._items[0].queued_at
        return 0.0 if oldest is None else time.monotonic() - oldest

    def _run(self) -> None:
        try:
            while group := self._next_group():
                outcomes = self._commit_or_wait(group)
                self._let_go(group)
                self._answer(group, outcomes)
        finally:
            connection.close()

    def _next_group(self) -> list[_Item]:
        """Wait for intakes and return those of the next transaction; none means the end."""
        with self._changed:
            while not self._items and not self._is_stopping.is_set():
                self._changed.wait()
            while self._items and self._bytes < GROUP_BYTES and not self._is_stopping.is_set():
                rest = self._items[0].queued_at + self._linger_seconds - time.monotonic()
                if rest <= 0:
                    break
                self._changed.wait(rest)
            group: list[_Item] = []
            weight = 0
            while self._items and (not group or weight < GROUP_BYTES):
                group.append(self._items.popleft())
                weight += group[-1].intake.weight
            self._oldest_at = group[0].queued_at if group else None
        return group

    def _commit_or_wait(self, group: Sequence[_Item]) -> list[Outcome]:
        """Try until the group is committed or we are stopped; the ledger makes it once."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return self._commit([item.intake for item in group])
            except (Error, psycopg.Error):
                # Whether a COMMIT got through is not known when its connection broke.
                logger.exception("group.postponed", extra={"batches": len(group), "pause": pause})
                self._forget_connection()
            if self._is_stopping.wait(pause):
                return []
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _commit(self, intakes: list[Intake]) -> list[Outcome]:
        """Commit the group, or, when one of it cannot be stored, each by itself."""
        try:
            return self._commit_together(intakes)
        except Exception as exc:
            # A worker's outer loop: whatever one batch does, the others must get through.
            if _is_databases_fault(exc):
                raise
            logger.exception("group.split", extra={"batches": len(intakes)})
        return [self._commit_alone(intake) for intake in intakes]

    def _commit_alone(self, intake: Intake) -> Outcome:
        try:
            return self._commit_together([intake])[0]
        except Exception as exc:
            # The outer loop again; what cannot be stored is kept aside with its reason.
            if _is_databases_fault(exc):
                raise
            logger.exception("batch.quarantined", extra={"site_id": intake.site_id})
            culprit = _without_content(intake, exc)
        try:
            return self._commit_together([culprit])[0]
        except Exception as exc:
            if _is_databases_fault(exc):
                raise
            # Its site is gone, most likely. Not acknowledged, for it is stored nowhere.
            logger.exception("batch.refused", extra={"site_id": intake.site_id})
            told = [(refusal, None) for refusal in culprit.refusals]
            return Outcome(intake, refusals=told, is_committed=False)

    def _commit_together(self, intakes: Sequence[Intake]) -> list[Outcome]:
        committed = commit_group(intakes, set_ids=self._set_ids)
        self._set_ids = committed.set_ids
        return committed.outcomes

    def _forget_connection(self) -> None:
        connection.close()
        # It may be another database when it comes back, restored from a backup.
        self._set_ids = {}

    def _let_go(self, group: Sequence[_Item]) -> None:
        """Make room in the queue for as much as the group held."""
        with self._changed:
            self._bytes -= sum(item.intake.weight for item in group)
            self._oldest_at = None

    def _answer(self, group: Sequence[_Item], outcomes: Sequence[Outcome]) -> None:
        """Answer each line, and tell which sites changed; no outcomes means that we stop."""
        by_line: dict[int, tuple[Line, list[Outcome]]] = {}
        for item, outcome in zip(group, outcomes, strict=False):
            by_line.setdefault(id(item.line), (item.line, []))[1].append(outcome)
        try:
            for line, told in by_line.values():
                line.deliver(answers_to(told), settled=len(told))
            self._on_commit({outcome.intake.site_id for outcome in outcomes if outcome.stored})
        except Exception:
            # A worker's outer loop: it must not end, or nothing is ever committed again.
            logger.exception("answers.lost", extra={"batches": len(group)})


class Hints:
    """Asks the workers to evaluate sites that changed, at most once in `HINT_SECONDS`.

    In a thread of its own: with a dead broker each request takes a second to fail, and the
    acknowledgements must not wait for that.
    """

    def __init__(self) -> None:
        self._site_ids: set[int] = set()
        self._lock = threading.Lock()
        self._is_wanted = threading.Event()
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest-hints", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, *, patience_seconds: float) -> None:
        """End the thread after a last request."""
        self._is_stopping.set()
        self._is_wanted.set()
        self._thread.join(patience_seconds)

    def add(self, site_ids: set[int]) -> None:
        """Note that these sites have something new."""
        if site_ids:
            with self._lock:
                self._site_ids |= site_ids
            self._is_wanted.set()

    def _run(self) -> None:
        try:
            while not self._is_stopping.is_set():
                self._is_wanted.wait()
                self._is_wanted.clear()
                self._send()
                self._is_stopping.wait(HINT_SECONDS)
            self._send()
        finally:
            connection.close()

    def _send(self) -> None:
        with self._lock:
            site_ids, self._site_ids = self._site_ids, set()
        if not site_ids:
            return
        try:
            enqueue_on_commit(Job.EVALUATE_SITES, site_ids=sorted(site_ids))
        except Exception:
            # A worker's outer loop, and only a hint: the sweep finds these sites in seconds.
            logger.exception("hint.lost", extra={"sites": len(site_ids)})
            connection.close()


def _is_databases_fault(error: Exception) -> bool:
    """Tell whether to try again: any error of the database that does not blame the content."""
    blames_content = isinstance(
        error, DataError | IntegrityError | psycopg.DataError | psycopg.IntegrityError
    )
    return isinstance(error, Error | psycopg.Error) and not blames_content


def _without_content(intake: Intake, error: Exception) -> Intake:
    """Return what is left to commit of a batch that the database refuses."""
    message = f"The database refused this frame: {str(error).splitlines()[0]}. Report this."
    refusal = Refusal(RejectCode.MALFORMED, "$", message, intake.head, intake.size)
    return replace(intake, windows=None, report=None, lost=(), refusals=(*intake.refusals, refusal))
