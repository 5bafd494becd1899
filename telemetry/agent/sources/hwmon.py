"""Temperatures and fans of the machine's sensor chips, where there are any."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import psutil

from telemetry.agent.source import Sample, SourceUnavailableError

_INLET_WORDS = ("inlet", "ambient", "intake")


class _Sensor(Protocol):
    @property
    def label(self) -> str: ...
    @property
    def current(self) -> float: ...


Reader = Callable[[], Mapping[str, Sequence[_Sensor]]]


def _nothing() -> Mapping[str, Sequence[_Sensor]]:
    return {}


# psutil has these functions only where the operating system shows sensors.
_TEMPERATURES: Reader = getattr(psutil, "sensors_temperatures", _nothing)
_FANS: Reader = getattr(psutil, "sensors_fans", _nothing)


class HwmonSource:
    """What psutil finds under /sys/class/hwmon and /sys/class/thermal."""

    name = "hwmon"

    def __init__(
        self,
        *,
        temperatures: Reader = _TEMPERATURES,
        fans: Reader = _FANS,
    ) -> None:
        """Raise `SourceUnavailableError` when the machine shows no sensor, as in most VMs."""
        self._temperatures = temperatures
        self._fans = fans
        if not temperatures() and not fans():
            raise SourceUnavailableError("this machine shows no temperature sensor and no fan")

    def sample(self, now: float) -> Iterator[Sample]:
        """Yield every temperature in degrees Celsius and every fan in turns a minute."""
        for device, value in _named(self._temperatures()):
            yield Sample("hw.temperature", "Cel", device, value)
        for device, value in _named(self._fans()):
            yield Sample("hw.fan.speed", "rpm", device, value)


def _named(chips: Mapping[str, Sequence[_Sensor]]) -> Iterator[tuple[str, float]]:
    """Yield each sensor with a name of its own: "inlet", or chip and label."""
    counts: dict[str, int] = {}
    for chip, sensors in chips.items():
        for sensor in sensors:
            is_inlet = any(word in sensor.label.lower() for word in _INLET_WORDS)
            device = "inlet" if is_inlet else f"{chip} {sensor.label}".strip()
            device = "".join(letter if letter.isprintable() else "?" for letter in device)[:100]
            counts[device] = counts.get(device, 0) + 1
            yield (device if counts[device] == 1 else f"{device} {counts[device]}"), sensor.current
