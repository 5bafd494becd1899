"""The demo's fleet: the real agent's code, one gateway a site, reading simulated rooms."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from fleet.management.demo import world
from fleet.management.demo.director import Director
from fleet.management.demo.files import DemoFiles
from fleet.management.demo.history import UPTIME_SECONDS
from fleet.management.demo.incidents import incidents_at
from fleet.management.demo.line import Line
from fleet.management.demo.node import SimulatedNode
from fleet.management.demo.room import Room
from telemetry.agent.config import AgentConfig, SpoolConfig
from telemetry.agent.runner import AgentRunner
from telemetry.agent.source import MeasuredNode

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 10


class Command(BaseCommand):
    help = "Run the demo's sites against this server, with incidents. Ctrl-C ends it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-incidents", action="store_true", help="a fleet that stays well")

    def handle(self, *args: Any, no_incidents: bool, **options: Any) -> None:
        files = DemoFiles(settings.HEARTHWATCH_HOME)
        tokens = files.read_tokens()
        missing = [site.slug for site in world.SITES if site.slug not in tokens]
        if missing:
            raise CommandError(f"No token for {', '.join(missing)}: run `manage.py seed_demo`.")
        asyncio.run(_Fleet(files, tokens, has_incidents=not no_incidents).run())


class _Fleet:
    """All sites of the demo in one process."""

    def __init__(self, files: DemoFiles, tokens: dict[str, str], *, has_incidents: bool) -> None:
        self.files = files
        self.tokens = tokens
        self.has_incidents = has_incidents
        self.stopping = asyncio.Event()
        base = settings.HEARTHWATCH_BASE_URL.replace("http", "ws", 1)
        self.lines = {site.slug: Line(f"{base}/ws/ingest/") for site in world.SITES}
        self.rooms = {
            site.slug: Room(site.inlet, seed=number) for number, site in enumerate(world.SITES)
        }
        booted = time.time() - UPTIME_SECONDS
        self.nodes = {
            site.slug: [
                SimulatedNode(site, number, self.rooms[site.slug], booted_at=booted)
                for number in range(1, site.nodes + 1)
            ]
            for site in world.SITES
        }

    async def run(self) -> None:
        """Run every gateway until a signal comes."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stopping.set)
        runners = [await self._gateway(site) for site in world.SITES]
        tasks = [asyncio.create_task(runner.run()) for runner in runners]
        directing = asyncio.create_task(self._direct())
        stopping = asyncio.create_task(self.stopping.wait())
        # A gateway that ends by itself has failed: say why, and let whoever watches start anew.
        await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in (directing, stopping):
            task.cancel()
        for runner in runners:
            runner.stop()
        try:
            await asyncio.gather(*tasks)
        finally:
            for line in self.lines.values():
                await line.close()

    async def _gateway(self, site: world.DemoSite) -> AgentRunner:
        spool = self.files.folder / "spools" / f"{site.slug}.sqlite3"
        spool.parent.mkdir(exist_ok=True)
        config = AgentConfig(
            server=await self.lines[site.slug].open(),
            token=self.tokens[site.slug],
            node="node-1",
            spool=SpoolConfig(path=spool, max_mb=64, max_days=2),
            window_seconds=WINDOW_SECONDS,
            sample_seconds=2.0,
            reconnect_spread_seconds=2.0,
        )
        nodes = [MeasuredNode(node.node, [node]) for node in self.nodes[site.slug]]
        return AgentRunner(config, nodes=nodes)

    async def _direct(self) -> None:
        """Follow the script from now on, a second at a time."""
        director = Director(
            self.rooms,
            self.nodes,
            edge_conf=self.files.edge_conf,
            set_line=lambda slug, is_whole: self.lines[slug].set_whole(is_whole),
        )
        began = time.monotonic()
        while self.has_incidents:
            current = incidents_at(time.monotonic() - began)
            for told in director.direct(current, time.time()):
                logger.info("demo.incident", extra={"what": told})
            await asyncio.sleep(1)
