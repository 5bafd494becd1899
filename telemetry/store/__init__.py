"""Every hand-written SQL statement of telemetry, each with its reason."""

from __future__ import annotations

from telemetry.store.findings import rewrite_findings
from telemetry.store.ledger import (
    LedgerKey,
    LedgerLine,
    advance_nodes,
    enter_ledger,
    forget_older_reports,
    known_lines,
    note_boots,
    series_set_ids,
)
from telemetry.store.partitions import drop_old_partitions, ensure_partitions
from telemetry.store.windows import (
    WINDOW_LATE,
    Points,
    copy_windows,
    latest_windows,
    read_points,
    read_windows,
)
from telemetry.store.wire import WindowBlock, WindowRecord

__all__ = [
    "WINDOW_LATE",
    "LedgerKey",
    "LedgerLine",
    "Points",
    "WindowBlock",
    "WindowRecord",
    "advance_nodes",
    "copy_windows",
    "drop_old_partitions",
    "ensure_partitions",
    "enter_ledger",
    "forget_older_reports",
    "known_lines",
    "latest_windows",
    "note_boots",
    "read_points",
    "read_windows",
    "rewrite_findings",
    "series_set_ids",
]
