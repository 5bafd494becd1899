"""What goes wrong in the demo, and when: one round of it takes twenty minutes, then it repeats."""

from __future__ import annotations

from dataclasses import dataclass

ROUND_SECONDS = 1200


@dataclass(frozen=True, slots=True)
class Incident:
    """One trouble at one site, from `start` to `end` seconds into a round."""

    name: str
    site: str
    start: int
    end: int
    #: Numbers of the nodes it concerns, from 1; empty means the room.
    nodes: tuple[int, ...] = ()


COOLING_FAILURE = "cooling_failure"
BAD_ROLLOUT = "bad_rollout"
SITE_DARK = "site_dark"
REBOOT = "reboot"
THROTTLING = "throttling"
ON_BATTERY = "on_battery"
DRIFT = "drift"
#: A file on this very machine is changed; the real agent reports it.
REAL_DRIFT = "real_drift"

SCRIPT = (
    Incident(COOLING_FAILURE, "osaka-3", 10, 420),
    Incident(REAL_DRIFT, "this-machine", 30, 900),
    Incident(BAD_ROLLOUT, "lyon-clinic", 50, 620, (1, 2)),
    Incident(SITE_DARK, "leeds-2", 80, 330),
    Incident(REBOOT, "austin-retail-4", 140, 141, (2,)),
    Incident(THROTTLING, "toronto-pod", 180, 480, (4,)),
    Incident(ON_BATTERY, "busan-1", 240, 460),
    Incident(DRIFT, "porto-depot", 300, 960, (1, 3)),
)


def incidents_at(seconds: float) -> list[Incident]:
    """Return what is going on `seconds` after the start."""
    within = seconds % ROUND_SECONDS
    return [incident for incident in SCRIPT if incident.start <= within < incident.end]
