"""The measurements themselves; run by `python -m bench`, which brings the services."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import django

django.setup()

import psutil
import redis
from django.db import connection

from bench.load import NODES_PER_GATEWAY, SERIES, offer_load
from bench.pager import measure_first_page, measure_many, measure_one_person, measure_storm
from bench.peers import measure_alertmanager
from bench.queue import measure_acknowledging
from bench.report import percentile, write_results
from bench.tablet import measure_tablet
from fleet.models import Node
from fleet.services.tokens import create_agent_token
from runbooks.library.services import publish_builtin_library
from tests.factories import make_site
from tests.processes import Processes

GATEWAYS = 4
SECONDS = 12.0


def now() -> datetime:
    """Return the present instant."""
    return datetime.now(UTC)


def make_gateways() -> list[str]:
    """Make one site with 256 nodes for each gateway; return their tokens."""
    tokens = []
    for _ in range(GATEWAYS):
        site = make_site()
        Node.objects.bulk_create(
            # Not watched: this measures ingest alone.
            Node(site=site, name=f"n{number}", is_watched=False)
            for number in range(NODES_PER_GATEWAY)
        )
        tokens.append(create_agent_token(site=site, label="bench", now=now())[1])
    return tokens


def measure_ingest(processes: Processes) -> list[tuple[str, str, str]]:
    """Return windows a second at full load, and the ack's wait at half of it."""
    url = processes.url.replace("http", "ws") + "/ws/ingest/"
    tokens = make_gateways()
    how = f"{GATEWAYS} gateways, {NODES_PER_GATEWAY} windows a batch, {len(SERIES)} series each"
    asyncio.run(offer_load(url, tokens, seconds=3))
    tally, seconds = asyncio.run(offer_load(url, tokens, seconds=SECONDS))
    rate = tally.windows / seconds
    half, half_seconds = asyncio.run(
        offer_load(url, tokens, seconds=SECONDS, batches_per_second=rate / NODES_PER_GATEWAY / 2)
    )
    memory = psutil.Process(processes.children["web"].pid).memory_info().rss / 2**20
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from telemetry_window")
        stored = cursor.fetchone()[0]
    return [
        ("node summaries ingested, ack after COMMIT", f"{rate:,.0f}/s", how),
        (
            "ack at full load",
            f"p50 {percentile(tally.waits_ms, 0.5):.0f} ms, "
            f"p99 {percentile(tally.waits_ms, 0.99):.0f} ms",
            "credit of 32 batches a gateway always used up",
        ),
        (
            f"ack at half load ({half.windows / half_seconds:,.0f}/s)",
            f"p50 {percentile(half.waits_ms, 0.5):.0f} ms, "
            f"p99 {percentile(half.waits_ms, 0.99):.0f} ms",
            how,
        ),
        ("memory of the web process after that", f"{memory:.0f} MiB", f"{stored:,} rows stored"),
    ]


def main() -> None:
    """Measure everything and write the report."""
    folder = Path(os.environ["BENCH_FOLDER"])
    processes = Processes(
        folder, database_url=os.environ["DATABASE_URL"], redis_url=os.environ["REDIS_URL"]
    )
    # The sweep's shipped period, not the tests'.
    processes.env["HEARTHWATCH_SWEEP_SECONDS"] = "5"
    publish_builtin_library(now=now())
    try:
        processes.start("web")
        rows = measure_ingest(processes)
        for name in ("beat", "sweep"):
            processes.start(name)
        # As docs/operations.md says, a child for each core; the tests' worker is one process.
        processes.run("worker", [sys.executable, "-m", "celery", "-A", "fleet", "worker"])
        time.sleep(5)
        rows.append(measure_first_page(title="all processes up"))
        rows += measure_many()
        rows += measure_storm()
        rows += measure_one_person()
        rows += measure_acknowledging(processes.url)
        rows += measure_tablet(processes)
        processes.kill("worker")
        processes.kill("beat")
        redis.Redis.from_url(os.environ["REDIS_URL"]).shutdown(nosave=True)
        rows.append(measure_first_page(title="Redis and workers gone, sweep alone"))
        rows += measure_alertmanager(folder)
    finally:
        processes.stop_all()
    write_results(rows)


if __name__ == "__main__":
    main()
