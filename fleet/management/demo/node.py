"""One simulated node as the agent sees it: readings, boots, models and configuration."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from fleet.management.demo import world
from fleet.management.demo.room import Room, read_node
from telemetry.agent.source import Boot, Sample
from telemetry.protocol import ReportedItem


@dataclass(slots=True)
class NodeTrouble:
    """What is wrong with one node right now; the director sets it."""

    has_bad_model: bool = False
    has_changed_sshd: bool = False


@dataclass(slots=True)
class SimulatedNode:
    """A source of the real agent that reads a simulated room instead of this machine."""

    site: world.DemoSite
    number: int
    room: Room
    booted_at: float
    boot_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    trouble: NodeTrouble = field(default_factory=NodeTrouble)
    name: str = "simulated"

    @property
    def node(self) -> str:
        """The node's name in the inventory."""
        return f"node-{self.number}"

    def sample(self, now: float) -> Iterable[Sample]:
        """Return every reading at `now`."""
        uptime = now - self.booted_at
        readings = read_node(
            self.room, node=self.node, index=self.number - 1, now=now, uptime=uptime
        )
        return [Sample(item.metric, item.unit, item.device, item.value) for item in readings]

    def boot(self, now: float) -> Boot:
        """Return the present boot."""
        return Boot(self.boot_id, now - self.booted_at)

    def reboot(self, now: float) -> None:
        """Start anew, as after a power cut."""
        self.booted_at = now
        self.boot_id = str(uuid.uuid4())

    def report(self, now: float) -> Iterable[ReportedItem]:
        """Return the models and configuration files of this node."""
        items = [self._model(*model) for model in self.site.models]
        sshd = world.SSHD_CHANGED if self.trouble.has_changed_sshd else world.SSHD
        for name, digest in (sshd, world.CHRONY, world.RUNTIME):
            items.append(ReportedItem(kind="config", name=name, digest=digest))
        return items

    def _model(self, name: str, version: str, digest: str) -> ReportedItem:
        if self.trouble.has_bad_model and name == world.TRIAGE_BAD[0]:
            name, version, digest = world.TRIAGE_BAD
        return ReportedItem(kind="model", name=name, version=version, digest=digest)
