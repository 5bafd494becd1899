"""Sends hints from a thread of its own, so that a broker that hangs never holds a caller.

A hint is worth little and may be lost: what waits beyond `MOST_WAITING` is dropped, and so is what
still waits when the process ends. The rows that were meant are found by the sweep.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Hashable

logger = logging.getLogger(__name__)

MOST_WAITING = 1000


class Hints:
    """A bounded queue and the thread that empties it; the thread starts with the first hint."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._waiting: queue.Queue[tuple[Callable[[], object], Hashable]] = queue.Queue(
            most_waiting
        )
        self._lock = threading.Lock()
        #: What the hints that wait say; the same is not said twice.
        self._said: set[Hashable] = set()
        self._thread: threading.Thread | None = None
        self.dropped = 0

    def post(self, send: Callable[[], object], *, says: Hashable = None) -> None:
        """Have `send` called soon, or never; returns at once and does not fail.

        A hint that `says` what another one that still waits says is left out.
        """
        with self._lock:
            if says is not None and says in self._said:
                return
            try:
                self._waiting.put_nowait((send, says))
            except queue.Full:
                self.dropped += 1
                return
            self._said.add(says)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="hints", daemon=True)
                self._thread.start()

    def wait_until_sent(self) -> None:
        """Return when nothing waits any more."""
        self._waiting.join()

    def _run(self) -> None:
        while True:
            send, says = self._waiting.get()
            # Before it is sent: whatever is meant from now on may come too late for this one.
            with self._lock:
                self._said.discard(says)
            try:
                send()
            except Exception as exc:
                # Whatever a broker can do to us, the next hint is another try.
                logger.warning("hint.lost", extra={"error": f"{type(exc).__name__}: {exc}"})
            finally:
                self._waiting.task_done()


hints = Hints()


def _start_anew() -> None:
    """Forget the parent's thread and lock after a fork; a child has neither."""
    hints.__init__()  # type: ignore[misc]  # the same object, as importers hold it


os.register_at_fork(after_in_child=_start_anew)
