"""The metric catalogue: name, unit (UCUM), kind, and the bounds a believable value lies in.

Names follow OpenTelemetry's `system.*` and `hw.*` where they exist, our own start with `mdc.`.
An agent may send metrics that are not listed here; they are stored and shown, not judged.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that can be measured."""

    name: str
    unit: str
    label: str
    low: float
    high: float
    #: What the unit looks like beside a number; ratios are shown as per cent.
    shown_unit: str
    scale: float = 1.0
    decimals: int = 1


_ALL = (
    Metric("hw.temperature", "Cel", "Temperature", -40, 150, "°C"),
    Metric("hw.fan.speed", "rpm", "Fan speed", 0, 60_000, "rpm", decimals=0),
    Metric("hw.power", "W", "Power", 0, 20_000, "W", decimals=0),
    Metric("hw.battery.charge", "1", "Battery charge", 0, 1, "%", 100, 0),
    Metric("mdc.ups.on_battery", "1", "Running on battery", 0, 1, "%", 100, 0),
    Metric("mdc.ups.runtime", "s", "Battery time left", 0, 1e6, "min", 1 / 60, 0),
    Metric("mdc.env.humidity", "%", "Relative humidity", 0, 100, "%", decimals=0),
    Metric("system.cpu.utilization", "1", "CPU in use", 0, 1, "%", 100, 0),
    Metric("system.memory.utilization", "1", "Memory in use", 0, 1, "%", 100, 0),
    Metric("system.memory.available", "By", "Memory available", 0, 1e14, "GiB", 1 / 2**30),
    Metric("system.filesystem.utilization", "1", "Disk in use", 0, 1, "%", 100, 0),
    Metric("system.uptime", "s", "Uptime", 0, 1e10, "h", 1 / 3600),
    Metric("system.cpu.load_1m", "1", "Load, 1 min", 0, 1e5, "", decimals=2),
    Metric("system.network.receive", "By/s", "Network in", 0, 1e12, "kB/s", 1e-3),
    Metric("system.network.transmit", "By/s", "Network out", 0, 1e12, "kB/s", 1e-3),
    Metric("mdc.psi.cpu.some", "1", "CPU pressure", 0, 1, "%", 100),
    Metric("mdc.psi.io.full", "1", "Disk pressure", 0, 1, "%", 100),
    Metric("mdc.psi.memory.full", "1", "Memory pressure", 0, 1, "%", 100),
    Metric("mdc.cpu.throttled_ratio", "1", "CPU throttled", 0, 1, "%", 100),
    Metric("mdc.gpu.throttled_ratio", "1", "GPU throttled", 0, 1, "%", 100),
    Metric("hw.gpu.utilization", "1", "GPU in use", 0, 1, "%", 100, 0),
    Metric("hw.gpu.memory.utilization", "1", "GPU memory in use", 0, 1, "%", 100, 0),
    Metric("mdc.model.latency", "ms", "Model latency", 0, 1e6, "ms", decimals=0),
    Metric("mdc.model.responding", "1", "Model responding", 0, 1, "%", 100, 0),
)

CATALOGUE: dict[str, Metric] = {metric.name: metric for metric in _ALL}


def describe(name: str, unit: str) -> Metric:
    """Return the catalogue's entry, or one made from what the agent announced."""
    return CATALOGUE.get(name) or Metric(name, unit, name, -3e38, 3e38, unit)


def spell_unit(unit: str) -> str:
    """Return a unit as people read it: `°C` for `Cel`; most are written as they are read."""
    return {"Cel": "°C"}.get(unit, unit)


def spell(value: float, metric: Metric) -> str:
    """Return a value of the metric's unit as people read it: `38.4 °C`, `2,000 rpm`, `61 %`."""
    # Adding 0.0 turns a negative zero into a plain one.
    shown = round(value * metric.scale, metric.decimals) + 0.0
    return f"{shown:,.{metric.decimals}f} {metric.shown_unit}".rstrip()
