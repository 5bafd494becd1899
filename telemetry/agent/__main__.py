"""`python -m telemetry.agent --config agent.toml`: run the agent, run it once, or look at it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from telemetry.agent.config import AgentConfig, ConfigError, load_config
from telemetry.agent.journal import log_to_stderr
from telemetry.agent.measuring import ask
from telemetry.agent.runner import AgentRunner
from telemetry.agent.source import Source
from telemetry.agent.sources import build_sources
from telemetry.agent.spool_file import SpoolError
from telemetry.metrics import describe

logger = logging.getLogger(__name__)

#: Rates need two readings.
_BETWEEN_READINGS_SECONDS = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return 0, 1 when it failed, 2 when the settings are wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m telemetry.agent", description="Measure this machine and report to a server."
    )
    parser.add_argument("--config", type=Path, required=True, help="the agent's TOML file")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--once", action="store_true", help="measure once, send, and end")
    mode.add_argument("--check", action="store_true", help="print what would be measured, and end")
    options = parser.parse_args(arguments)
    log_to_stderr()
    try:
        config = load_config(options.config)
        if config.is_token_exposed:
            logger.warning("uplink.unencrypted", extra={"why": "use wss:// for the server"})
        sources = build_sources(config)
        if options.check:
            return _check(config, sources)
        if not sources:
            raise ConfigError("No source is switched on or found; see [sources] in the settings.")
        runner = AgentRunner(config, sources=sources)
        if options.once:
            return 0 if asyncio.run(runner.run_once()) else 1
        asyncio.run(_run(runner))
    except (ConfigError, SpoolError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    return 0


async def _run(runner: AgentRunner) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, runner.stop)
    await runner.run()


def _check(config: AgentConfig, sources: Sequence[Source]) -> int:
    """Print every reading and every reported item, source by source."""
    for source in sources:
        _try(source)
    time.sleep(_BETWEEN_READINGS_SECONDS)
    lines = [f"node {config.node}, server {config.server}"]
    for source in sources:
        lines += ["", source.name, *_try(source)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _try(source: Source) -> list[str]:
    try:
        answer = ask(source, time.time())
    except Exception as exc:  # shown to the person who asked
        return [f"  does not answer: {type(exc).__name__}: {exc}"]
    lines = []
    for sample in answer.samples:
        metric = describe(sample.metric, sample.unit)
        value = f"{sample.value * metric.scale:.{metric.decimals}f} {metric.shown_unit}"
        lines.append(f"  {sample.metric:32} {sample.device:24} {value}")
    for item in answer.items or []:
        said = " ".join(part for part in (item.version, item.digest, item.detail) if part)
        lines.append(f"  {item.kind} {item.name}: {item.state} {said}".rstrip())
    return lines


if __name__ == "__main__":
    sys.exit(main())
