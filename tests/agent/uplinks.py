"""An uplink at work against a scripted server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from telemetry.agent.config import AgentConfig
from telemetry.agent.spool import Spool
from telemetry.agent.uplink import Uplink
from telemetry.protocol import (
    HelloNode,
)
from tests.agent.clocks import FakeClock
from tests.agent.server import ScriptedServer


@asynccontextmanager
async def talking(
    server: ScriptedServer, spool: Spool, clock: FakeClock, config: AgentConfig
) -> AsyncIterator[Uplink]:
    """An uplink at work; its jitter is always the whole ceiling."""
    async with server.running():
        uplink = Uplink(
            AgentConfig(**{**vars(config), "server": server.url}),
            clock=clock,
            describe_nodes=lambda: [HelloNode(name="edge-01", boot_id="boot-1")],
            jitter=lambda ceiling: ceiling,
        )
        task = asyncio.create_task(uplink.run(spool))
        try:
            yield uplink
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def reconnect(server: ScriptedServer, clock: FakeClock) -> None:
    """Let the agent notice the end of its connection and wait out its delay."""
    attempts = server.attempts
    # Pings nap for 10 s; the uplink's own delay in these tests is something else.
    await clock.until(lambda naps: bool(naps) and naps != [10.0])
    await clock.advance(max(clock.naps))
    await server.until(lambda known: known.attempts > attempts)
