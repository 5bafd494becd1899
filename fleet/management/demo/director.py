"""Brings the script's incidents over rooms, nodes and lines, and takes them back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fleet.management.demo import incidents as script
from fleet.management.demo.files import EDGE_CONF, EDGE_CONF_CHANGED
from fleet.management.demo.incidents import Incident
from fleet.management.demo.node import SimulatedNode
from fleet.management.demo.room import Room


class Director:
    """Applies what the script says for an instant; calling it twice changes nothing."""

    def __init__(
        self,
        rooms: Mapping[str, Room],
        nodes: Mapping[str, Sequence[SimulatedNode]],
        *,
        edge_conf: Path,
        set_line: Callable[[str, bool], None],
    ) -> None:
        self.rooms = rooms
        self.nodes = nodes
        self.edge_conf = edge_conf
        self.set_line = set_line
        self.going_on: set[Incident] = set()

    def direct(self, current: Sequence[Incident], now: float) -> list[str]:
        """Start what is new and end what is over; return a line for the log for each."""
        begun = [incident for incident in current if incident not in self.going_on]
        ended = [incident for incident in self.going_on if incident not in current]
        for incident in ended:
            self._apply(incident, now, is_on=False)
        for incident in begun:
            self._apply(incident, now, is_on=True)
        self.going_on = set(current)
        return [f"{incident.name} at {incident.site} begins" for incident in begun] + [
            f"{incident.name} at {incident.site} is over" for incident in ended
        ]

    def _apply(self, incident: Incident, now: float, *, is_on: bool) -> None:
        if incident.name == script.SITE_DARK:
            self.set_line(incident.site, not is_on)
        elif incident.name == script.REAL_DRIFT:
            self.edge_conf.write_text(EDGE_CONF_CHANGED if is_on else EDGE_CONF)
        elif incident.name in (script.COOLING_FAILURE, script.ON_BATTERY, script.THROTTLING):
            self._trouble_room(incident, is_on=is_on)
        else:
            self._trouble_nodes(incident, now, is_on=is_on)

    def _trouble_room(self, incident: Incident, *, is_on: bool) -> None:
        trouble = self.rooms[incident.site].trouble
        if incident.name == script.COOLING_FAILURE:
            trouble.extra_heat = 17.0 if is_on else 0.0
        elif incident.name == script.ON_BATTERY:
            trouble.on_battery = is_on
        else:
            names = {f"node-{number}" for number in incident.nodes}
            trouble.throttled_nodes = names if is_on else set()

    def _trouble_nodes(self, incident: Incident, now: float, *, is_on: bool) -> None:
        for node in self.nodes[incident.site]:
            if node.number not in incident.nodes:
                continue
            if incident.name == script.REBOOT and is_on:
                node.reboot(now)
            elif incident.name == script.BAD_ROLLOUT:
                node.trouble.has_bad_model = is_on
            elif incident.name == script.DRIFT:
                node.trouble.has_changed_sshd = is_on
