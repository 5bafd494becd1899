"""A COMMIT that waits, a database that is away: inside PostgreSQL, with no patched functions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import psycopg
from django.db import connection

_KEY = 4711
_BUILD = f"""
    CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock_shared({_KEY});
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON telemetry_ledgerentry
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_at_the_gate();
"""
_REMOVE = "DROP TRIGGER gate ON telemetry_ledgerentry; DROP FUNCTION wait_at_the_gate()"
_WAITING = f"""
    SELECT count(*) FROM pg_locks
    WHERE locktype = 'advisory' AND objid = {_KEY} AND NOT granted
"""


class CommitGate:
    """While it is shut, every transaction that entered the ledger waits inside its COMMIT."""

    def __enter__(self) -> CommitGate:
        self._execute(_BUILD)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._execute("SELECT pg_advisory_unlock_all()")
        self._execute(_REMOVE)

    def shut(self) -> None:
        """Let no COMMIT through."""
        self._execute(f"SELECT pg_advisory_lock({_KEY})")

    def open(self) -> None:
        """Let them all through."""
        self._execute(f"SELECT pg_advisory_unlock({_KEY})")

    def is_somebody_waiting(self) -> bool:
        """Tell whether a COMMIT stands in front of the gate."""
        with connection.cursor() as cursor:
            cursor.execute(_WAITING)
            return bool(cursor.fetchone()[0])

    def _execute(self, statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)


def database_url(name: str) -> str:
    """Return the URL of a database on the tests' server."""
    values = connection.settings_dict
    return f"postgresql://{values['USER']}@/{name}?host={values['HOST']}"


@contextmanager
def database_away() -> Iterator[None]:
    """Throw every other session out of the tests' database and let none in meanwhile."""
    name = connection.settings_dict["NAME"]
    allow = f"ALTER DATABASE {name} ALLOW_CONNECTIONS"
    connection.ensure_connection()
    ours = connection.connection.info.backend_pid
    with psycopg.connect(database_url("postgres"), autocommit=True) as outside:
        outside.execute(f"{allow} false")
        try:
            outside.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = %s AND pid <> %s",
                [name, ours],
            )
            yield
        finally:
            outside.execute(f"{allow} true")
