"""The engine's versions: an old program stops, and a migration waits for its cycles."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from fleet.models import EngineModule
from fleet.services.engine import (
    VERSIONS,
    EngineMismatch,
    Module,
    engine_faults,
    engine_transaction,
    require_engine,
)
from tests.processes import wait_until
from tests.telemetry.connections import in_another_connection

pytestmark = pytest.mark.django_db(transaction=True)

WAITING = """
    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock'
    AND NOT granted AND classid = hashtext('fleet_enginemodule')::bigint & 4294967295
"""


@pytest.fixture(autouse=True)
def _versions_are_put_back(transactional_db: None) -> Iterator[None]:
    """Undo what a test did to the versions: nothing empties this table."""
    yield
    for name, version in VERSIONS.items():
        EngineModule.objects.update_or_create(name=name, defaults={"version": version})


def raise_version(module: Module, to: int = 2) -> None:
    EngineModule.objects.filter(name=module).update(version=to)


def is_a_migration_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return bool(cursor.fetchone()[0])


def work(module: Module = Module.ESCALATION) -> str:
    with engine_transaction(module=module):
        return "worked"


def test_the_program_and_its_migrations_have_the_same_versions() -> None:
    assert dict(EngineModule.objects.values_list("name", "version")) == dict(VERSIONS)
    assert set(VERSIONS) == set(Module)
    require_engine()


def test_an_old_program_does_not_work_on_newer_rows(caplog: pytest.LogCaptureFixture) -> None:
    raise_version(Module.ESCALATION)
    with pytest.raises(EngineMismatch) as caught:
        work()
    assert caught.value.code == "engine_outdated"
    assert caught.value.sentence == (
        "This program's engine is version 1 of escalation, the database's is 2: upgrade this "
        "program."
    )
    (record,) = caplog.records
    assert (record.getMessage(), record.levelno) == ("engine.refused", logging.ERROR)


def test_the_other_modules_are_told_apart() -> None:
    raise_version(Module.ESCALATION)
    assert work(Module.DELIVERY) == "worked"
    assert [fault.module for fault in engine_faults()] == ["escalation"]


def test_a_new_program_waits_for_its_migrations() -> None:
    EngineModule.objects.filter(name=Module.DELIVERY).delete()
    (fault,) = engine_faults()
    assert fault.code == "engine_unknown"
    assert "manage.py migrate" in fault.sentence
    assert EngineMismatch("delivery", ours=2, theirs=1).code == "engine_ahead"


def test_cycles_of_one_module_go_on_side_by_side() -> None:
    with engine_transaction(module=Module.ESCALATION):
        assert in_another_connection(work) == "worked"


def test_a_migration_waits_for_the_cycle_under_way_and_stops_those_that_come_after() -> None:
    def migrate() -> None:
        in_another_connection(lambda: raise_version(Module.ESCALATION))

    with ThreadPoolExecutor(max_workers=2) as pool:
        with engine_transaction(module=Module.ESCALATION):
            migration = pool.submit(migrate)
            wait_until(is_a_migration_waiting, what="the migration waits for the cycle")
            # Queued behind the migration, so that a stream of cycles cannot keep it waiting.
            late = pool.submit(in_another_connection, work)
            assert EngineModule.objects.get(name=Module.ESCALATION).version == 1
        migration.result(timeout=20)
        with pytest.raises(EngineMismatch):
            late.result(timeout=20)


def test_a_migration_that_fails_stops_nobody() -> None:
    def fail() -> None:
        with transaction.atomic():
            raise_version(Module.ESCALATION)
            transaction.set_rollback(True)

    in_another_connection(fail)
    assert work() == "worked"


def test_whoever_hangs_in_a_cycle_is_ended_by_the_database_and_holds_up_nobody() -> None:
    def hang() -> None:
        with engine_transaction(module=Module.ESCALATION, longest_idle=timedelta(milliseconds=50)):
            in_another_connection(lambda: raise_version(Module.ESCALATION))
            EngineModule.objects.count()

    with pytest.raises(DatabaseError):
        hang()
    connection.close()
    assert EngineModule.objects.get(name=Module.ESCALATION).version == 2


def test_the_limit_is_a_minute_and_holds_in_the_transactions_of_the_engine_alone() -> None:
    def limit() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW idle_in_transaction_session_timeout")
            return str(cursor.fetchone()[0])

    with engine_transaction(module=Module.DELIVERY):
        inside = limit()
    assert (inside, limit()) == ("1min", "0")
