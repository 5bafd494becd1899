"""How a simulated room behaves: heat, load, fans, batteries, one node at a time.

The numbers are smooth functions of time plus seeded noise, so a demo looks alive and a test can
say what it will read.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class RoomTrouble:
    """What is wrong in one room right now; the incidents' script sets it."""

    #: Added to the inlet's target, °C; the room follows slowly.
    extra_heat: float = 0.0
    on_battery: bool = False
    throttled_nodes: set[str] = field(default_factory=set)


class Room:
    """One site's air: the inlet follows its target with a lag, as a real room does."""

    #: Share of the way to the target that the air goes in a second.
    LAG = 0.05

    def __init__(self, inlet: float, seed: int) -> None:
        self.base = inlet
        self.trouble = RoomTrouble()
        self._random = random.Random(seed)  # noqa: S311 - a simulation
        self._inlet = inlet
        self._moved_at: float | None = None
        self._battery = 1.0

    def inlet(self, now: float) -> float:
        """Return the inlet air at `now`, in °C; time only moves forward."""
        seconds = 0.0 if self._moved_at is None else max(0.0, now - self._moved_at)
        self._moved_at = now if self._moved_at is None else max(now, self._moved_at)
        target = self.base + 0.8 * math.sin(now / 900) + self.trouble.extra_heat
        self._inlet += (target - self._inlet) * (1 - (1 - self.LAG) ** seconds)
        drain = -0.0012 if self.trouble.on_battery else 0.004
        self._battery = min(1.0, max(0.05, self._battery + drain * seconds))
        return self._inlet

    @property
    def battery(self) -> float:
        """Charge of the room's UPS, 0 to 1."""
        return self._battery

    def noise(self, size: float) -> float:
        """Return a little seeded noise."""
        return self._random.gauss(0.0, size)


@dataclass(frozen=True, slots=True)
class NodeReading:
    """One sample of one node: metric, unit, device, value."""

    metric: str
    unit: str
    device: str
    value: float


def read_node(room: Room, *, node: str, index: int, now: float, uptime: float) -> list[NodeReading]:
    """Return every sample of one node at `now`."""
    inlet = room.inlet(now) + 0.3 * index + room.noise(0.08)
    # A working day with busy quarters of an hour on top.
    day = 0.18 * math.sin(now / 13_751 + index) + 0.08 * math.sin(now / 1900 + 2 * index)
    load = 0.45 + day + room.noise(0.04)
    load = min(0.98, max(0.05, load))
    is_throttled = node in room.trouble.throttled_nodes
    hot = inlet - room.base
    gpu = inlet + 28 + 18 * load + (16 if is_throttled else 0)
    # One inlet sensor a room, on the gateway: one hot room is one finding.
    air = (("hw.temperature", "Cel", "inlet", inlet),) if index == 0 else ()
    values = (
        *air,
        ("hw.temperature", "Cel", "exhaust", inlet + 9 + 4 * load),
        ("hw.temperature", "Cel", "gpu0", gpu),
        ("hw.fan.speed", "rpm", "fan1", 3200 + 260 * max(0.0, hot) + 600 * load),
        ("hw.power", "W", "psu1", 180 + 310 * load * (0.6 if is_throttled else 1)),
        ("system.cpu.utilization", "1", "", load * 0.7),
        ("system.memory.utilization", "1", "", 0.52 + 0.05 * math.sin(now / 700 + index)),
        ("system.filesystem.utilization", "1", "/", 0.41 + 0.01 * index),
        ("hw.gpu.utilization", "1", "gpu0", load),
        ("hw.gpu.memory.utilization", "1", "gpu0", 0.71),
        ("mdc.gpu.throttled_ratio", "1", "gpu0", 0.72 if is_throttled else 0.0),
        ("mdc.psi.cpu.some", "1", "", 0.02 + 0.05 * load),
        ("mdc.psi.io.full", "1", "", 0.005),
        ("mdc.psi.memory.full", "1", "", 0.0),
        ("system.network.receive", "By/s", "wan", 240_000 * load),
        ("system.network.transmit", "By/s", "wan", 90_000 * load),
        ("mdc.model.latency", "ms", "door-access", 38 + 30 * load + (90 if is_throttled else 0)),
        ("mdc.ups.on_battery", "1", "ups", 1.0 if room.trouble.on_battery else 0.0),
        ("hw.battery.charge", "1", "ups", room.battery),
        ("mdc.ups.runtime", "s", "ups", 2280 * room.battery),
        ("system.uptime", "s", "", uptime),
    )
    return [NodeReading(*value) for value in values]
