"""What this process has one of: the committer, the hints, the door, and the greeter's thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import Error, connection

from telemetry import store
from telemetry.ingest.committer import Committer, Hints
from telemetry.ingest.connections import Connections
from telemetry.ingest.door import DEAF_SECONDS, Door

#: How long the end of the process waits for what is queued.
STOP_SECONDS = 8.0
#: Connections that may wait for the greeter; the next ones are sent away for a while.
MAX_WAITING = 2000
PARTITIONS_CHECKED = timedelta(hours=1)

P = ParamSpec("P")
T = TypeVar("T")


class IngestProcess:
    """The parts that all connections of this process share."""

    def __init__(self) -> None:
        self.hints = Hints()
        self.connections = Connections()
        self.committer = Committer(
            limit_bytes=settings.HEARTHWATCH_INGEST_QUEUE_MB << 20,
            linger_seconds=settings.HEARTHWATCH_GROUP_COMMIT_MILLISECONDS / 1000,
            on_commit=self.hints.add,
        )
        self.door = Door(
            is_taking=self.is_taking,
            chores=[
                self.connections.check_tokens,
                self.connections.refresh_nodes,
                self._ensure_partitions,
            ],
        )
        self.waiting = 0
        # One thread, so that its database connection can be closed at the end; a hello takes
        # 2 ms, so a whole fleet is greeted in seconds.
        self._greeter = ThreadPoolExecutor(1, thread_name_prefix="ingest-greeter")
        self._partitions_at: datetime | None = None

    def start(self) -> None:
        """Start all threads."""
        self.committer.start()
        self.hints.start()
        self.door.start()

    def stop(self) -> None:
        """Commit what is queued and end all threads."""
        self.committer.stop(patience_seconds=STOP_SECONDS)
        self.hints.stop(patience_seconds=STOP_SECONDS)
        self.door.stop(patience_seconds=STOP_SECONDS)
        self._greeter.submit(_close_connection)
        self._greeter.shutdown()

    def is_taking(self) -> bool:
        """Tell whether what arrives gets into the database in time."""
        return self.committer.stalled_seconds() < DEAF_SECONDS

    @property
    def is_crowded(self) -> bool:
        """Tell whether too many connections wait to be let in already."""
        return self.waiting >= MAX_WAITING

    async def in_database(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return `function(...)`, run in the greeter's thread, which may use the database."""
        self.waiting += 1
        try:
            loop = asyncio.get_running_loop()
            call = partial(_with_fresh_connection, function, *args, **kwargs)
            return await loop.run_in_executor(self._greeter, call)
        finally:
            self.waiting -= 1

    def _ensure_partitions(self, now: datetime) -> None:
        if self._partitions_at is None or now - self._partitions_at >= PARTITIONS_CHECKED:
            store.ensure_partitions(now=now)
            self._partitions_at = now


_running: IngestProcess | None = None
_lock = threading.Lock()


def ingest_process() -> IngestProcess:
    """Return this process's ingest, started at the first call."""
    global _running
    with _lock:
        if _running is None:
            _running = IngestProcess()
            _running.start()
        return _running


def stop_ingest_process() -> None:
    """Stop this process's ingest if it runs; what is queued is committed first."""
    global _running
    with _lock:
        if _running is not None:
            _running.stop()
            _running = None


async def lifespan(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Open the door when the server starts, before any agent comes, and close it at the end."""
    while (await receive())["type"] != "lifespan.shutdown":
        ingest_process()
        await send({"type": "lifespan.startup.complete"})
    await asyncio.to_thread(stop_ingest_process)
    await send({"type": "lifespan.shutdown.complete"})


def _with_fresh_connection(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return function(*args, **kwargs)
    except Error:
        # It may be broken; the next call opens another one.
        connection.close()
        raise


def _close_connection() -> None:
    # `connection` means the thread it is looked up in, hence a function and not its method.
    connection.close()
