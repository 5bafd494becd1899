"""The clocks the agent reads, behind an interface: simulators bring their own."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time, steady time, and waiting."""

    def time(self) -> float:
        """Return the wall clock in seconds since 1970; it may step."""

    def monotonic(self) -> float:
        """Return seconds that never step; only differences mean anything."""

    async def sleep(self, seconds: float) -> None:
        """Wait for this long."""


class SystemClock:
    """The clocks of this machine."""

    def time(self) -> float:
        """Return the wall clock in seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never step."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for this long."""
        await asyncio.sleep(seconds)
