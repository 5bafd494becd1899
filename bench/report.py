"""Figures to `bench/RESULTS.md`, with the date and the machine."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import psutil


class Figure(NamedTuple):
    """One line of the report: what was measured, the figure, how."""

    what: str
    figure: str
    how: str


RESULTS = Path(__file__).parent / "RESULTS.md"


def percentile(values: list[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def spread(times: list[float]) -> str:
    """Return the middle and the slow end of times in milliseconds."""
    return f"p50 {percentile(times, 0.5):.0f} ms, p95 {percentile(times, 0.95):.0f} ms"


def machine() -> str:
    """Return the machine in one line."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}"
    )


def write_results(rows: list[tuple[str, str, str]]) -> None:
    """Write the table: what was measured, the figure, how."""
    lines = [
        "# Results",
        "",
        "Written by `make bench`. Server, PostgreSQL 18 (fsync on), Redis and the load generator",
        "share the machine.",
        "",
        f"- Date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"- Machine: {machine()}",
        "",
        "| what | figure | how |",
        "|---|---|---|",
        *(f"| {what} | {figure} | {how} |" for what, figure, how in rows),
        "",
    ]
    RESULTS.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))
