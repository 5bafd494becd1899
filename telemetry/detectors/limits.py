"""The default rules: which reading, beyond which limit, for how long, is worth a person.

Temperatures follow ASHRAE TC 9.9, thermal guidelines, 5th edition (2021): dry-bulb air at the
inlet. Leaving the recommended range for a while is allowed, so it warns; leaving the allowable
range of the class pages. They hold for inlet air alone, never for a chip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from telemetry.detectors.detection import HIGH, LOW, URGENT
from telemetry.detectors.envelope_state import Bools, Floats

ANY_DEVICE = "*"


@dataclass(frozen=True, slots=True)
class Limit:
    """One bound on one metric; a lower and an upper bound are two limits.

    Values are in `unit`, holds in seconds of event time. `label` opens the sentence for people,
    `basis` says where the number comes from. `is_state` marks a metric that is a yes or no.
    """

    kind: str
    metric: str
    unit: str
    device: str
    direction: Literal["above", "below"]
    set_at: float
    clear_at: float
    hold_seconds: float
    clear_hold_seconds: float
    severity: int
    label: str
    statistic: Literal["max", "min", "mean", "last"]
    basis: str = ""
    is_state: bool = False

    def __post_init__(self) -> None:
        is_inside = self.clear_at <= self.set_at if self.is_upper else self.clear_at >= self.set_at
        if not is_inside:
            raise ValueError(
                f"{self.label}: clear_at {self.clear_at} lies beyond set_at {self.set_at}; "
                "a finding could never end. Move it inside."
            )

    @property
    def is_upper(self) -> bool:
        """Whether the limit is passed from below."""
        return self.direction == "above"

    @property
    def key(self) -> str:
        """What the state remembers the limit by; a moved bound keeps its memory."""
        return f"{self.direction}/{self.device}/{self.severity}"

    def passed_by(self, value: Floats) -> Bools:
        """Return where `value` lies beyond the limit; NaN does not."""
        passed: Bools = value > self.set_at if self.is_upper else value < self.set_at
        return passed

    def cleared_by(self, value: Floats) -> Bools:
        """Return where `value` lies inside the deadband; NaN does not."""
        cleared: Bools = value <= self.clear_at if self.is_upper else value >= self.clear_at
        return cleared


#: What a site with an unknown class is judged by.
ASSUMED_CLASS: Final = "A2"

RECOMMENDED: Final[tuple[float, float]] = (18.0, 27.0)
#: Allowable inlet air by class, lowest and highest, in Cel.
ALLOWABLE: Final[dict[str, tuple[float, float]]] = {
    "A1": (15.0, 32.0),
    "A2": (10.0, 35.0),
    "A3": (5.0, 40.0),
    "A4": (5.0, 45.0),
}

#: How far inside a temperature limit the air must be before the finding ends, in Cel.
_DEADBAND: Final = 1.0

_OTHERS: Final = (
    Limit(
        kind="thermal.throttle",
        metric="mdc.cpu.throttled_ratio",
        unit="1",
        device="*",
        direction="above",
        set_at=0.2,
        clear_at=0.1,
        hold_seconds=60,
        clear_hold_seconds=60,
        severity=HIGH,
        label="CPU throttled",
        statistic="mean",
    ),
    Limit(
        kind="thermal.throttle",
        metric="mdc.gpu.throttled_ratio",
        unit="1",
        device="*",
        direction="above",
        set_at=0.2,
        clear_at=0.1,
        hold_seconds=60,
        clear_hold_seconds=60,
        severity=HIGH,
        label="GPU throttled",
        statistic="mean",
    ),
    Limit(
        kind="disk.full",
        metric="system.filesystem.utilization",
        unit="1",
        device="*",
        direction="above",
        set_at=0.95,
        clear_at=0.93,
        hold_seconds=300,
        clear_hold_seconds=300,
        severity=HIGH,
        label="Disk in use",
        statistic="last",
    ),
    Limit(
        kind="memory.pressure",
        metric="mdc.psi.memory.full",
        unit="1",
        device="*",
        direction="above",
        set_at=0.25,
        clear_at=0.15,
        hold_seconds=300,
        clear_hold_seconds=300,
        severity=HIGH,
        label="Memory pressure",
        statistic="mean",
    ),
    Limit(
        kind="power.battery",
        metric="mdc.ups.on_battery",
        unit="1",
        device="*",
        direction="above",
        set_at=0.5,
        clear_at=0.5,
        hold_seconds=0,
        # Mains that comes and goes is one finding, not one a second.
        clear_hold_seconds=60,
        severity=HIGH,
        label="UPS on battery",
        statistic="last",
        is_state=True,
    ),
)


def default_limits(ashrae_class: str, *, hold_scale: float = 1.0) -> tuple[Limit, ...]:
    """Return the default rules for a site of that ASHRAE class; an unknown class counts as A2.

    `hold_scale` multiplies every hold, so that a demonstration need not wait a quarter of an
    hour; raises ValueError when it is negative.
    """
    if not hold_scale >= 0:
        raise ValueError(f"hold_scale is {hold_scale}; use 1.0, or a smaller number above 0.")
    limits = _inlet_limits(ashrae_class.strip().upper()) + _OTHERS
    return tuple(
        replace(
            limit,
            hold_seconds=limit.hold_seconds * hold_scale,
            clear_hold_seconds=limit.clear_hold_seconds * hold_scale,
        )
        for limit in limits
    )


def group_limits(limits: Sequence[Limit]) -> tuple[tuple[Limit, ...], ...]:
    """Return the rules in groups that are judged together: one kind and one metric each."""
    groups: dict[tuple[str, str], list[Limit]] = {}
    for limit in limits:
        groups.setdefault((limit.kind, limit.metric), []).append(limit)
    return tuple(tuple(group) for group in groups.values())


def _inlet_limits(ashrae_class: str) -> tuple[Limit, ...]:
    is_known = ashrae_class in ALLOWABLE
    judged_as = ashrae_class if is_known else ASSUMED_CLASS
    allowable = f"ASHRAE {judged_as} allowable" + ("" if is_known else ", class not stated")
    low, high = ALLOWABLE[judged_as]
    return (
        _inlet_limit("above", high, hold=120, severity=URGENT, basis=allowable),
        _inlet_limit("below", low, hold=120, severity=URGENT, basis=allowable),
        _inlet_limit("above", RECOMMENDED[1], hold=900, severity=LOW, basis="ASHRAE recommended"),
        _inlet_limit("below", RECOMMENDED[0], hold=900, severity=LOW, basis="ASHRAE recommended"),
    )


def _inlet_limit(direction: str, set_at: float, *, hold: float, severity: int, basis: str) -> Limit:
    is_upper = direction == "above"
    return Limit(
        kind="thermal.envelope",
        metric="hw.temperature",
        unit="Cel",
        device="inlet",
        direction="above" if is_upper else "below",
        set_at=set_at,
        clear_at=set_at - _DEADBAND if is_upper else set_at + _DEADBAND,
        hold_seconds=hold,
        clear_hold_seconds=120,
        severity=severity,
        label="Inlet air",
        statistic="mean",
        basis=basis,
    )
