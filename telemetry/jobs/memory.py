"""What is remembered of one site between two evaluations, as it stands in `DetectorState`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from fleet.models import Node
from telemetry.detectors.model import ModelState
from telemetry.detectors.overdue import OverdueState
from telemetry.detectors.reboot import RebootState

#: When an item changed to which digest: `(epoch seconds, digest)`, oldest first.
Changes = list[tuple[float, str]]

#: Raised when the shape changes; a memory of another shape is forgotten, not guessed at.
_SHAPE = 1


@dataclass(slots=True)
class Memory:
    """The detectors' states and how far each node was read; times in epoch seconds.

    `read` maps a node's id to start and end of the newest window that was judged; `envelope` maps
    kind and metric to the envelope detector's packed state; `models` maps a role ("" for all) to
    the model detector's state; `digests` maps node and item to the digest and its late changes.
    """

    read: dict[int, tuple[float, float]] = field(default_factory=dict)
    envelope: dict[str, Any] = field(default_factory=dict)
    overdue: OverdueState = field(default_factory=lambda: OverdueState(silent={}))
    reboots: RebootState = field(default_factory=dict)
    models: dict[str, ModelState] = field(default_factory=dict)
    digests: dict[str, dict[str, tuple[str, Changes]]] = field(default_factory=dict)

    @classmethod
    def from_json(cls, document: Mapping[str, Any], *, nodes: Collection[Node]) -> Memory:
        """Return what `to_json` wrote, without what belongs to nodes that are watched no more."""
        if document.get("shape") != _SHAPE:
            return cls()
        names = {node.name for node in nodes}
        ids = {str(node.pk): node.pk for node in nodes}
        return cls(
            read={ids[key]: (at[0], at[1]) for key, at in document["read"].items() if key in ids},
            envelope=document["envelope"],
            overdue=_overdue_of(document["overdue"], names),
            reboots={name: boots for name, boots in document["reboots"].items() if name in names},
            models=document["models"],
            digests={
                name: {
                    item: (digest, [(at, to) for at, to in changes])
                    for item, (digest, changes) in items.items()
                }
                for name, items in document["digests"].items()
                if name in names
            },
        )

    def to_json(self) -> dict[str, Any]:
        """Return the memory in lists, numbers and text."""
        return {
            "shape": _SHAPE,
            "read": {str(node_id): list(span) for node_id, span in self.read.items()},
            "envelope": self.envelope,
            "overdue": self.overdue,
            "reboots": self.reboots,
            "models": self.models,
            "digests": self.digests,
        }


def is_outdated(document: Mapping[str, Any]) -> bool:
    """Return whether the document was written by another version, so that it will be forgotten."""
    return bool(document) and document.get("shape") != _SHAPE


def _overdue_of(state: OverdueState, names: Collection[str]) -> OverdueState:
    silent = {name: at for name, at in state.get("silent", {}).items() if name in names}
    return {**state, "silent": silent}
