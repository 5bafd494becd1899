"""Small worlds for the agent's tests: settings, sources that say what they are told, spools."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from telemetry.agent.config import AgentConfig, SpoolConfig
from telemetry.agent.source import Boot, Sample
from telemetry.agent.spool import Spool
from telemetry.agent.window import ClosedSpan, SetWindows, Span, pack_column
from telemetry.protocol import ReportedItem, Series, Window, series_hash
from tests.agent.clocks import NOON
from tests.agent.server import TOKEN

MINUTE_MS = 60_000
NOON_MS = round(NOON * 1000)
SERIES = [Series("hw.temperature", "Cel", "inlet"), Series("system.uptime", "s")]


def make_config(folder: Path, **overrides: Any) -> AgentConfig:
    given: dict[str, Any] = {
        "server": "ws://127.0.0.1:1/ws/ingest/",
        "token": TOKEN,
        "node": "edge-01",
        "spool": SpoolConfig(path=folder / "spool.sqlite3"),
        "window_seconds": 60,
        "sample_seconds": 10.0,
        "reconnect_spread_seconds": 5.0,
    }
    return AgentConfig(**{**given, **overrides})


def make_spool(folder: Path, *, now_ms: int = NOON_MS, **bounds: int) -> Spool:
    config = SpoolConfig(path=folder / "spool.sqlite3", **bounds)
    return Spool(config, nodes=["edge-01"], now_ms=now_ms)


def closed_minute(
    minute: int, *, nodes: Iterable[str] = ("edge-01",), series: list[Series] | None = None
) -> ClosedSpan:
    """The windows of the minute that starts `minute` minutes after noon."""
    chosen = series or SERIES
    column = pack_column([float(minute)] * len(chosen))
    start_ms = NOON_MS + minute * MINUTE_MS
    windows = [
        Window(
            node=node,
            start_ms=start_ms,
            seconds=60.0,
            n=pack_column([1.0] * len(chosen)),
            min=column,
            max=column,
            sum=column,
            last=column,
        )
        for node in nodes
    ]
    group = SetWindows(series_hash(chosen), chosen, windows)
    return ClosedSpan(Span(start_ms, start_ms + MINUTE_MS), [group])


def write_minutes(spool: Spool, minutes: Iterable[int], **kwargs: Any) -> None:
    for minute in minutes:
        spool.write_span(closed_minute(minute, **kwargs))


@dataclass
class PlainSource:
    """A source that says the same until told otherwise."""

    value: float = 21.0
    name: str = "plain"
    error: Exception | None = None

    def sample(self, now: float) -> Iterable[Sample]:
        if self.error is not None:
            raise self.error
        return [Sample("hw.temperature", "Cel", "inlet", self.value)]


@dataclass
class TalkingSource(PlainSource):
    """A source that also reports items and the boot."""

    name: str = "talking"
    boot_id: str = "boot-1"
    items: list[ReportedItem] = field(default_factory=list)

    def report(self, now: float) -> Iterable[ReportedItem]:
        return list(self.items)

    def boot(self, now: float) -> Boot:
        return Boot(self.boot_id, 100.0)
