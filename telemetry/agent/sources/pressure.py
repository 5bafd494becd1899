"""The kernel's own measure of waiting: /proc/pressure, as a share of time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from telemetry.agent.source import Sample, SourceUnavailableError

#: File, line in it, metric.
_WANTED = (
    ("cpu", "some", "mdc.psi.cpu.some"),
    ("io", "full", "mdc.psi.io.full"),
    ("memory", "full", "mdc.psi.memory.full"),
)


class PressureSource:
    """The share of time in which tasks waited, from the counters' growth between two calls."""

    name = "pressure"

    def __init__(
        self,
        *,
        root: Path = Path("/proc/pressure"),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raise `SourceUnavailableError` when the kernel was built without it."""
        self._root = root
        self._monotonic = monotonic
        self._before: dict[str, tuple[float, int]] = {}
        if not (root / "cpu").exists():
            raise SourceUnavailableError(f"this kernel has no {root}")

    def sample(self, now: float) -> Iterator[Sample]:
        """Yield shares from 0 to 1; nothing at the first call."""
        for file, line, metric in _WANTED:
            total = self._total_microseconds(file, line)
            if total is None:
                continue
            at = self._monotonic()
            before = self._before.get(metric)
            self._before[metric] = (at, total)
            if before is not None and at > before[0]:
                share = (total - before[1]) / 1e6 / (at - before[0])
                yield Sample(metric, "1", "", min(max(share, 0.0), 1.0))

    def _total_microseconds(self, file: str, line: str) -> int | None:
        try:
            text = (self._root / file).read_text(encoding="ascii")
        except OSError:
            # Switched off by `psi=0`: the file is there and cannot be read.
            return None
        found = re.search(rf"^{line} .*\btotal=(\d+)", text, re.MULTILINE)
        return int(found[1]) if found else None
