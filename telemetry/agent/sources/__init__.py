"""The sources of one machine, as the configuration asks for them."""

from __future__ import annotations

import logging
from collections.abc import Callable

from telemetry.agent.config import AgentConfig
from telemetry.agent.source import Source, SourceUnavailableError
from telemetry.agent.sources.files import FilesSource
from telemetry.agent.sources.gpu import GpuSource
from telemetry.agent.sources.host import HostSource
from telemetry.agent.sources.hwmon import HwmonSource
from telemetry.agent.sources.models import ModelsSource
from telemetry.agent.sources.pressure import PressureSource

logger = logging.getLogger(__name__)

_FACTORIES: dict[str, Callable[[], Source]] = {
    "host": HostSource,
    "hwmon": HwmonSource,
    "pressure": PressureSource,
    "gpu": GpuSource,
}


def build_sources(config: AgentConfig) -> list[Source]:
    """Return the sources that this machine has; one that is missing is logged and left out."""
    sources: list[Source] = []
    for name, factory in _FACTORIES.items():
        if name not in config.sources:
            continue
        try:
            sources.append(factory())
        except SourceUnavailableError as exc:
            logger.info("source.unavailable", extra={"source": name, "why": str(exc)})
    if config.files:
        sources.append(FilesSource(config.files))
    if config.models:
        sources.append(ModelsSource(config.models))
    return sources
