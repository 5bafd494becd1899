"""Watching the database connection, and working on a second one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from django.db import connection

T = TypeVar("T")


class Statements:
    """Counts the statements of this connection, but for COPY, BEGIN and COMMIT."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, execute: Callable[..., T], *statement: Any) -> T:
        self.count += 1
        return execute(*statement)

    def watched(self) -> AbstractContextManager[None]:
        """Return a context in which statements are counted, from 0."""
        self.count = 0
        return connection.execute_wrapper(self)


def in_another_connection(work: Callable[[], T]) -> T:
    """Return what `work` returns; it fails after 20 s when it waits for a lock that we hold."""

    def run() -> T:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '20s'")
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(run).result()
