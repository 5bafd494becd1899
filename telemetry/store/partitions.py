"""Daily partitions of the windows: made ahead, dropped when they are too old."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection, transaction

_PREFIX = "telemetry_window_"

PARTITIONS = """
    SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'telemetry_window'::regclass
"""

# One maintainer at a time: two would both find the same day missing.
ONE_MAINTAINER = "SELECT pg_advisory_xact_lock(hashtext('telemetry_window'))"

# Everybody who writes or reads queues behind a waiting lock, so we give up soon and come back.
SOON_OR_NOT = "SET LOCAL lock_timeout = '3s'"

# Writers wait for the length of the move, readers do not: otherwise a window could enter the
# default partition between the DELETE and the ATTACH, and the ATTACH would be refused.
NO_WRITERS = "LOCK TABLE telemetry_window IN SHARE ROW EXCLUSIVE MODE"

# Made aside and attached, so that rows of that day can be moved in first; CREATE .. PARTITION OF
# is refused while the default partition holds rows of the new range.
MAKE = 'CREATE TABLE "{name}" (LIKE telemetry_window INCLUDING DEFAULTS INCLUDING INDEXES)'
MOVE = """
    WITH moved AS (
        DELETE FROM telemetry_window_default WHERE start >= '{first}' AND start < '{last}'
        RETURNING *
    ) INSERT INTO "{name}" SELECT * FROM moved
"""
ATTACH = """
    ALTER TABLE telemetry_window ATTACH PARTITION "{name}" FOR VALUES FROM ('{first}') TO ('{last}')
"""

# What came for days without a partition is small, so a DELETE is cheap enough there.
FORGET_STRAYS = "DELETE FROM telemetry_window_default WHERE start < %s"


def ensure_partitions(*, now: datetime, days_ahead: int = 3) -> list[str]:
    """Make the missing daily partitions from yesterday to `days_ahead` days after `now`.

    Windows of those days that wait in the default partition move along. Returns the names of the
    partitions that were made. Raises `OperationalError` when the table stays locked for 3 s;
    nothing has changed then, and the next call tries again.
    """
    today = now.astimezone(UTC).date()
    wanted = [today + timedelta(days=ahead) for ahead in range(-1, days_ahead + 1)]
    if not _missing(wanted):
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(ONE_MAINTAINER)
        cursor.execute(SOON_OR_NOT)
        cursor.execute(NO_WRITERS)
        return [_make(cursor, day) for day in _missing(wanted)]


def drop_old_partitions(*, now: datetime, keep_days: int) -> list[str]:
    """Drop the days that ended more than `keep_days` before `now`; return the dropped names."""
    oldest = now.astimezone(UTC).date() - timedelta(days=keep_days)
    names = [name for name, day in _present().items() if day < oldest]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SOON_OR_NOT)
        for name in sorted(names):
            cursor.execute(f'DROP TABLE "{name}"')
        cursor.execute(FORGET_STRAYS, [_midnight(oldest)])
    return sorted(names)


def _make(cursor: Any, day: date) -> str:
    name = _name(day)
    words = {
        "name": name,
        "first": _midnight(day).isoformat(),
        "last": _midnight(day + timedelta(days=1)).isoformat(),
    }
    for statement in (MAKE, MOVE, ATTACH):
        cursor.execute(statement.format(**words))
    return name


def _missing(wanted: Iterable[date]) -> list[date]:
    present = set(_present().values())
    return [day for day in wanted if day not in present]


def _present() -> dict[str, date]:
    with connection.cursor() as cursor:
        cursor.execute(PARTITIONS)
        names = [name for (name,) in cursor.fetchall()]
    return {name: _day(name) for name in names if name.removeprefix(_PREFIX).isdigit()}


def _name(day: date) -> str:
    return f"{_PREFIX}{day:%Y%m%d}"


def _day(name: str) -> date:
    return datetime.strptime(name.removeprefix(_PREFIX), "%Y%m%d").replace(tzinfo=UTC).date()


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
