"""Empty the database after a test that commits: two milliseconds where Django's flush takes 300.

PostgreSQL's TRUNCATE makes every table and index anew, 500 files of them; nearly all of the tables
are empty and the others hold a few rows. What Django makes after a migration (content types and
permissions) stays, so that it need not be made again.
"""

from __future__ import annotations

from typing import Any

from django.db import OperationalError, connection
from django.test import TransactionTestCase
from psycopg.errors import DeadlockDetected

#: Each ends with a deadlock, of which somebody else's transaction goes on.
_TRIES = 5
_KEPT = ("django_migrations", "django_content_type", "auth_permission")
#: Tables that Django did not make.
_OTHERS = ("telemetry_window",)
#: From here on the dead rows of a table are swept out at once, so that they slow no later test.
_LARGE_BYTES = 1_000_000

# In the role of a replica no trigger fires: the ones that keep a log from shrinking, and those of
# foreign keys, so that the order does not matter.
_EMPTY = """
DO $$
DECLARE name text; is_used boolean;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOREACH name IN ARRAY string_to_array(%s, ',') LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %%I)', name) INTO is_used;
        IF is_used THEN EXECUTE format('DELETE FROM %%I', name); END IF;
    END LOOP;
END $$
"""
_LARGE = "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND pg_relation_size(oid) > %s"


def empty_database() -> None:
    """Delete every row that a test may have committed."""
    made = connection.introspection.django_table_names(only_existing=True, include_views=False)
    tables = [*(name for name in made if name not in _KEPT), *_OTHERS]
    with connection.cursor() as cursor:
        _delete_all(cursor, tables)
        cursor.execute(_LARGE, [tables, _LARGE_BYTES])
        for (name,) in cursor.fetchall():
            cursor.execute(f'VACUUM "{name}"')


def _delete_all(cursor: Any, tables: list[str]) -> None:
    """Delete the rows; a server that still writes for a closed browser may be in the way."""
    for is_last in (*[False] * _TRIES, True):
        try:
            cursor.execute(_EMPTY % f"'{','.join(tables)}'")
            return
        except OperationalError as exc:
            if is_last or not isinstance(exc.__cause__, DeadlockDetected):
                raise


def use_it() -> None:
    """Have Django's tests that commit end with it."""

    def teardown(case: Any) -> None:
        empty_database()

    TransactionTestCase._fixture_teardown = teardown
