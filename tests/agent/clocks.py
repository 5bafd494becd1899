"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

#: 2030-01-01 12:00 UTC.
NOON = 1_893_499_200.0
#: Turns of the event loop that are enough for a woken task to fall asleep again.
_TURNS = 20


class FakeClock:
    """Wall clock and steady clock under the control of a test."""

    def __init__(self, wall: float = NOON) -> None:
        self._wall = wall
        self._steady = 1000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self._changed = asyncio.Event()

    def time(self) -> float:
        return self._wall

    def monotonic(self) -> float:
        return self._steady

    async def sleep(self, seconds: float) -> None:
        sleeper = (self._steady + seconds, asyncio.get_running_loop().create_future())
        self._sleepers.append(sleeper)
        self._changed.set()
        try:
            await sleeper[1]
        finally:
            # Woken sleepers are gone already.
            with contextlib.suppress(ValueError):
                self._sleepers.remove(sleeper)

    def step(self, seconds: float) -> None:
        """Set the wall clock by this much; no time passes."""
        self._wall += seconds

    @property
    def naps(self) -> list[float]:
        """How long the sleepers still sleep."""
        return sorted(round(due - self._steady, 3) for due, _ in self._sleepers)

    async def until(self, condition: Callable[[list[float]], bool]) -> None:
        """Wait until the list of naps is as the condition wants it."""
        async with asyncio.timeout(20):
            while not condition(self.naps):
                self._changed.clear()
                await self._changed.wait()

    async def advance(self, seconds: float) -> None:
        """Let time pass, waking every sleeper at its moment."""
        target = self._steady + seconds
        await _let_others_run()
        while True:
            due = [sleeper for sleeper in self._sleepers if sleeper[0] <= target + 1e-6]
            if not due:
                break
            first = min(due, key=lambda sleeper: sleeper[0])
            self._move_to(max(first[0], self._steady))
            self._sleepers.remove(first)
            first[1].set_result(None)
            await _let_others_run()
        self._move_to(target)

    def _move_to(self, steady: float) -> None:
        self._wall += steady - self._steady
        self._steady = steady


async def _let_others_run() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)
