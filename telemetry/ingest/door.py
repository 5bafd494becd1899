"""The sign on the door: this process listens, and since when it has done so without a break.

Whether a node is overdue is judged by what was received, so the judge must know from when on
something could be received at all. A process says so in a row of its own every few seconds; a
door that was deaf for a while starts anew, and its past no longer counts.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import connection
from django.db.models import Case, F, Q, Value, When
from django.utils import timezone

from telemetry.models import IngestDoor

logger = logging.getLogger(__name__)

BEAT_SECONDS = 5.0
#: A door whose last beat is older than this was deaf in between.
DEAF_SECONDS = 15.0
#: Rows of doors that closed are kept for so long.
KEPT = timedelta(days=1)

#: Something to do at each beat; it may use the database and gets the time.
Chore = Callable[[datetime], None]


def beat(*, process: UUID, now: datetime) -> None:
    """Say that the door of `process` is open at `now`; after a break it starts anew.

    So it does when the clock was set back: it cannot have been open since a time to come.
    """
    was_deaf = Q(beat_at__lt=now - timedelta(seconds=DEAF_SECONDS)) | Q(started_at__gt=now)
    is_deaf = When(was_deaf, then=Value(now))
    door = IngestDoor.objects.filter(process=process)
    if not door.update(started_at=Case(is_deaf, default=F("started_at")), beat_at=now):
        IngestDoor.objects.create(process=process, started_at=now, beat_at=now)
        IngestDoor.objects.filter(beat_at__lt=now - KEPT).delete()


class Door:
    """Beats for this process from a thread of its own, and does the chores that go with it.

    `is_taking` tells whether what arrives gets into the database; while it does not, the door
    does not beat, for nobody behind it is heard.
    """

    def __init__(
        self,
        *,
        is_taking: Callable[[], bool],
        chores: Sequence[Chore] = (),
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        self.process = uuid4()
        self._is_taking = is_taking
        self._chores = chores
        self._beat_seconds = beat_seconds
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest-door", daemon=True)

    def start(self) -> None:
        """Start the thread; the first beat is at once."""
        self._thread.start()

    def stop(self, *, patience_seconds: float) -> None:
        """End the thread; the last beat stays as the time at which the door closed."""
        self._is_stopping.set()
        self._thread.join(patience_seconds)

    def _run(self) -> None:
        try:
            while True:
                self._round()
                if self._is_stopping.wait(self._beat_seconds):
                    return
        finally:
            connection.close()

    def _round(self) -> None:
        now = timezone.now()
        try:
            if self._is_taking():
                beat(process=self.process, now=now)
            for chore in self._chores:
                chore(now)
        except Exception:
            # A worker's outer loop. Most likely the database is away, and the missing beats say
            # exactly that; whatever it is, the next round tries again.
            logger.exception("door.round_failed")
            connection.close()
