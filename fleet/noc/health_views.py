"""What load balancers and monitors ask: does the process live, and is everything it needs there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from time import perf_counter

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from redis.exceptions import RedisError

from fleet.services.engine import engine_faults
from runbooks.auditor import ABOUT_PEOPLE, SLACK_CYCLES
from runbooks.auditor import CHECKS as PROMISES

LAYER_SECONDS = 1.0


class NotReady(Exception):
    """Something that this server needs is not there; the text says what."""


@login_not_required
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer that the process lives; touches nothing else."""
    return JsonResponse({"status": "ok"})


@login_not_required
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer each check with its milliseconds; 503 when one of them fails."""
    checks = {name: _run(check) for name, check in CHECKS.items()}
    is_ready = all(check["ok"] for check in checks.values())
    body = {"status": "ok" if is_ready else "not ready", "checks": checks}
    return JsonResponse(body, status=200 if is_ready else 503)


def _run(check: Callable[[], None]) -> dict[str, object]:
    started = perf_counter()
    says = ""
    try:
        check()
    except NotReady as exc:
        says = str(exc)
    except DatabaseError:
        says = "The database does not answer. Check DATABASE_URL and the database itself."
    result: dict[str, object] = {"ok": not says, "ms": round((perf_counter() - started) * 1e3, 1)}
    return result | ({"says": says} if says else {})


def _check_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


class MigrationsApplied:
    """Whether every migration is applied; once they are, they stay so for this process."""

    def __init__(self) -> None:
        self._are_applied = False

    def __call__(self) -> None:
        if self._are_applied:
            return
        executor = MigrationExecutor(connection)
        owed = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if owed:
            raise NotReady(f"{len(owed)} migrations are not applied. Run manage.py migrate.")
        self._are_applied = True


def _check_engine() -> None:
    for fault in engine_faults():
        raise NotReady(f"{fault.code}: {fault.sentence}")


def _check_layer() -> None:
    try:
        async_to_sync(_round_trip)()
    except (OSError, RedisError, TimeoutError):
        raise NotReady(
            "Redis does not pass messages on, so screens are not live. Paging goes on by sweep."
        ) from None


async def _round_trip() -> None:
    layer = get_channel_layer()
    async with asyncio.timeout(LAYER_SECONDS):
        channel = await layer.new_channel()
        await layer.send(channel, {"type": "ready.check"})
        await layer.receive(channel)


def _check_promises() -> None:
    # Asked anew rather than read from the auditor's rows: with everything but this server dead
    # nobody writes those. People who cannot be reached are an operator's matter, shown on the
    # fleet page, and no reason to take this server away from its readers.
    late = timezone.now() - timedelta(seconds=SLACK_CYCLES * settings.HEARTHWATCH_SWEEP_SECONDS)
    for code, check in PROMISES.items():
        broken = {} if code in ABOUT_PEOPLE else check(late)
        if broken:
            raise NotReady(next(iter(broken.values())))


CHECKS: dict[str, Callable[[], None]] = {
    "database": _check_database,
    "migrations": MigrationsApplied(),
    "engine": _check_engine,
    "channel_layer": _check_layer,
    "promises": _check_promises,
}
