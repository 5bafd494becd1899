"""When a node's state report is due: at start, on change, and every quarter of an hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from telemetry.agent.source import Boot, MeasuredNode, Reports, Source
from telemetry.protocol import HelloNode, ReportedItem, StateReport

REPORT_SECONDS = 900.0


@dataclass(slots=True)
class _NodeState:
    """What one node last said of itself, and what was last written down."""

    awaited: set[str]
    boot: Boot = Boot("", 0.0)
    boot_at: float = 0.0
    items: dict[str, tuple[ReportedItem, ...]] = field(default_factory=dict)
    written: tuple[str, list[ReportedItem]] | None = None
    written_at: float = 0.0


class StateReports:
    """Collects what sources report and makes the frames that are due.

    The first report of a node waits until each of its reporting sources has answered once:
    a report replaces the one before it, and half a report would look like drift.
    """

    def __init__(self, nodes: Sequence[MeasuredNode]) -> None:
        self._nodes = {
            node.name: _NodeState(
                {source.name for source in node.sources if isinstance(source, Reports)}
            )
            for node in nodes
        }

    def take_items(self, node: str, source: Source, items: Sequence[ReportedItem] | None) -> None:
        """Note what a source reports; None when it failed, which keeps what it said before."""
        state = self._nodes[node]
        state.awaited.discard(source.name)
        if items is not None:
            state.items[source.name] = tuple(items)

    def take_boot(self, node: str, boot: Boot, *, monotonic: float) -> None:
        """Note which boot of the node this is."""
        state = self._nodes[node]
        state.boot, state.boot_at = boot, monotonic

    def due(self, *, now_ms: int, monotonic: float) -> list[StateReport]:
        """Return the reports that are due, and count them as made."""
        reports = []
        for name, state in self._nodes.items():
            items = [item for reported in state.items.values() for item in reported]
            says = (state.boot.boot_id, items)
            is_old = monotonic - state.written_at >= REPORT_SECONDS
            if state.awaited or (says == state.written and not is_old):
                continue
            state.written, state.written_at = says, monotonic
            reports.append(
                StateReport(
                    seq=0,
                    node=name,
                    at_ms=now_ms,
                    boot_id=state.boot.boot_id,
                    uptime_seconds=state.boot.uptime_seconds + (monotonic - state.boot_at),
                    items=items,
                )
            )
        return reports

    def hello_nodes(self, *, monotonic: float) -> list[HelloNode]:
        """Return what the hello says of each node."""
        return [
            HelloNode(
                name=name,
                boot_id=state.boot.boot_id,
                uptime_seconds=state.boot.uptime_seconds
                and state.boot.uptime_seconds + (monotonic - state.boot_at),
            )
            for name, state in self._nodes.items()
        ]
