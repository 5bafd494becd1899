"""A detection: what a detector says of one problem when it begins, changes or ends.

Detectors are functions `(input, state) -> (new state, detections)`. They change neither argument,
read no clock and keep nothing, so the same input on the same state gives the same answer, and a
caller that stores the new state with the findings can go on after a crash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Json: TypeAlias = "None | bool | int | float | str | Sequence[Json] | Mapping[str, Json]"

#: Severities, ordered on purpose: a lower number is more urgent.
URGENT = 1
HIGH = 2
LOW = 3

#: A sentence names this many nodes at most; the evidence names them all.
_NAMED_NODES = 3


@dataclass(frozen=True, slots=True)
class Detection:
    """One answer of a detector about one problem.

    `fingerprint` names the problem within its site and stays the same while it lasts. `severity`
    is 1 (urgent), 2 (high) or 3 (low). `at` is event time in epoch seconds. `node` is the node's
    name, or None when the whole site is meant. `summary` is one sentence with value, unit, limit.
    """

    kind: str
    fingerprint: str
    is_firing: bool
    severity: int
    at: float
    node: str | None
    summary: str
    evidence: dict[str, Json]


def spell_seconds(seconds: float) -> str:
    """Return a duration as people say it: `62 s`, `12 min`, `3 h 5 min`, `4 days`."""
    whole = round(max(seconds, 0.0))
    if whole < 120:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


def spell_nodes(names: Sequence[str]) -> str:
    """Return node names for a sentence: `a`, `a and b`, `a, b, c and 4 more`."""
    if len(names) > _NAMED_NODES:
        return f"{', '.join(names[:_NAMED_NODES])} and {len(names) - _NAMED_NODES} more"
    if len(names) > 1:
        return f"{', '.join(names[:-1])} and {names[-1]}"
    return "".join(names)
