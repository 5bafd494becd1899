"""kill -9 of each part in mid-flow: no acknowledged window and no page is lost."""

from __future__ import annotations

import contextlib
import os
from collections import Counter

import psutil
import pytest
import redis
from django.db import OperationalError, connections

from telemetry.models import LedgerEntry
from tests.flows.world import FlowWorld
from tests.processes import wait_until
from tests.services import SERVICES

pytestmark = pytest.mark.chaos

TROUBLES = 6
KILLED_AFTER = 3


def kill_and_start(world: FlowWorld, victim: str) -> None:
    """Kill one part as a crash would and start it again."""
    if victim == "redis":
        SERVICES.redis.kill()
        SERVICES.start_redis()
    elif victim == "redis flushed":
        redis.Redis.from_url(os.environ["REDIS_URL"]).flushall()
    elif victim == "postgres":
        backends = psutil.Process(SERVICES.postgres.pid).children()
        SERVICES.postgres.kill()
        for backend in backends:
            with contextlib.suppress(psutil.NoSuchProcess):
                backend.kill()
        SERVICES.start_postgres()
        connections.close_all()
    elif victim == "agent":
        world.processes.kill("agent")
        world.processes.start_agent(world.agent_toml)
    else:
        world.processes.kill(victim)
        world.processes.start(victim)


def report(world: FlowWorld, number: int) -> None:
    """Write one finding, once more where the connection had died with PostgreSQL."""
    try:
        world.report_trouble(number)
    except OperationalError:
        connections.close_all()
        world.report_trouble(number)


@pytest.mark.parametrize(
    "victim", ["web", "worker", "sweep", "agent", "redis", "redis flushed", "postgres"]
)
def test_a_killed_part_loses_nothing_and_the_flow_finishes(world: FlowWorld, victim: str) -> None:
    for name in ("web", "worker", "beat", "sweep"):
        world.processes.start(name)
    world.start_agent()

    for number in range(TROUBLES):
        report(world, number)
        if number == KILLED_AFTER:
            kill_and_start(world, victim)
    expected = {f"Trouble number {number}" for number in range(TROUBLES)}
    wait_until(
        lambda: world.paged_troubles() >= expected, within=60, what="every trouble was paged"
    )

    # The same page may come twice where its sender died before it wrote the answer down.
    ids = Counter(page.headers["webhook-id"] for page in world.pages_to("kenji"))
    assert sum(ids.values()) - len(ids) <= 1
    assert len(ids) == TROUBLES

    before = world.windows()
    wait_until(lambda: world.windows() >= before + 2, within=60, what="windows still come in")
    assert world.windows() == world.distinct_windows()
    ledger = LedgerEntry.objects.filter(lane__in=[1, 3])
    assert sum(ledger.values_list("windows", flat=True)) == world.windows()


def test_an_escalation_under_way_goes_on_when_redis_is_emptied(world: FlowWorld) -> None:
    for name in ("worker", "beat", "sweep"):
        world.processes.start(name)
    world.report_trouble(1)
    wait_until(lambda: world.pages_to("kenji"), within=60, what="the first step is taken")
    redis.Redis.from_url(os.environ["REDIS_URL"]).flushall()
    wait_until(lambda: world.pages_to("mei"), within=60, what="the next step is taken in its turn")
    assert len(world.pages_to("kenji")) == len(world.pages_to("mei")) == 1


@pytest.mark.parametrize("victim", ["web", "postgres"])
def test_a_server_that_was_killed_leaves_no_hole_in_the_telemetry(
    world: FlowWorld, victim: str
) -> None:
    world.processes.start("web")
    world.start_agent()
    kill_and_start(world, victim)
    before = world.windows()
    wait_until(lambda: world.windows() >= before + 3, within=60, what="windows come in again")
    wait_until(
        lambda: world.windows() == world.seconds_covered(),
        within=60,
        what="the windows of the outage are filled in",
    )
    assert world.windows() == world.distinct_windows()
