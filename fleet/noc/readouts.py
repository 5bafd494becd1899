"""The words and the table that say what a chart shows, for whoever does not see it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleet.noc.charts import Frame, Trace
from telemetry.metrics import Metric, spell

#: Rows of the table that stands for the picture.
TABLE_ROWS = 24


@dataclass(frozen=True, slots=True)
class Readout:
    """What one trace says in words: newest, least and most, with unit.

    `newest_at` is when the newest was read, in epoch seconds.
    """

    label: str
    stroke: int
    newest: str
    newest_at: float
    least: str
    most: str


def read_out(trace: Trace, metric: Metric, *, stroke: int = 0) -> Readout | None:
    """Return the words for one trace, or None when it holds no reading."""
    read = np.flatnonzero(~np.isnan(trace.mean))
    if not len(read):
        return None
    return Readout(
        label=trace.label,
        stroke=stroke,
        newest=spell(float(trace.mean[read[-1]]), metric),
        newest_at=float(trace.start[read[-1]]),
        least=spell(float(np.nanmin(trace.low)), metric),
        most=spell(float(np.nanmax(trace.high)), metric),
    )


def table_of(trace: Trace, frame: Frame) -> list[tuple[float, str, str, str]]:
    """Return at most TABLE_ROWS rows `(epoch seconds, least, mean, most)`, oldest first.

    A span without a reading is a row of dashes, so that a gap can be read too.
    """
    edges = np.linspace(frame.since, frame.until, TABLE_ROWS + 1)
    slots = np.clip(np.searchsorted(edges, trace.start, side="right") - 1, 0, TABLE_ROWS - 1)
    rows = []
    for slot in range(TABLE_ROWS):
        inside = (slots == slot) & ~np.isnan(trace.mean)
        if inside.any():
            cells = (trace.low[inside].min(), trace.mean[inside].mean(), trace.high[inside].max())
            least, mean, most = (spell(float(cell), frame.metric) for cell in cells)
        else:
            least = mean = most = "—"
        rows.append((float(edges[slot]), least, mean, most))
    return rows
