"""What a source of readings looks like; a simulator brings its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from telemetry.protocol import ReportedItem


class Sample(NamedTuple):
    """One reading: metric name, UCUM unit, the device inside the node ("" = the node), value."""

    metric: str
    unit: str
    device: str
    value: float


class Boot(NamedTuple):
    """Which boot of the node this is, and for how long it has run, in seconds."""

    boot_id: str
    uptime_seconds: float


class SourceUnavailableError(Exception):
    """This machine has nothing for that source; the text says what is missing."""


class Source(Protocol):
    """One thing that can be asked for readings."""

    name: str

    def sample(self, now: float) -> Iterable[Sample]:
        """Return the readings at `now`, in seconds since 1970; none is a fine answer."""


@runtime_checkable
class Reports(Protocol):
    """A source that also knows models or configuration files of the node."""

    def report(self, now: float) -> Iterable[ReportedItem]:
        """Return everything this source reports, always the whole list."""


@runtime_checkable
class Boots(Protocol):
    """A source that also knows which boot of the node this is."""

    def boot(self, now: float) -> Boot:
        """Return the boot at `now`."""


@dataclass(frozen=True, slots=True)
class MeasuredNode:
    """One node and the sources that speak for it."""

    name: str
    sources: Sequence[Source]


def is_slow(source: Source) -> bool:
    """Say whether the source waits for disks or the network and so belongs in a thread."""
    return bool(getattr(source, "is_slow", False))
