"""The envelope detector's memory as one short text, for a column of JSON.

Spelled out in JSON, the memory of 100 nodes is 400 kB, and reading and writing it took most of an
evaluation; packed it is a tenth of that. Nobody reads it but the detector.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telemetry.detectors.envelope import EnvelopeState
from telemetry.detectors.envelope_state import REMEMBERED

#: A quiet series that was not read for so long is forgotten, in seconds.
FORGET_AFTER_SECONDS = 86_400.0

#: The arrays in the order in which they are packed: some have one row, some one a remembered
#: reading, some one a limit.
_SINGLE = ("severity", "last_start", "count")
_PER_READING = ("recent_at", "recent_value")
_PER_LIMIT = ("is_firing", "clock", "since", "worst")


def pack(state: EnvelopeState) -> dict[str, Any]:
    """Return the state as `{"series": [[node, device], ...], "limits": [...], "rows": text}`."""
    # Every number of the state fits into a float64 without loss.
    rows = np.vstack(
        [getattr(state, name) for name in (*_SINGLE, *_PER_READING, *_PER_LIMIT)],
        dtype=np.dtype("<f8"),
    )
    text = base64.b64encode(zlib.compress(rows.tobytes(), 1)).decode()
    return {"series": [list(one) for one in state.series], "limits": list(state.keys), "rows": text}


def unpack(document: Mapping[str, Any], *, names: Collection[str], now: float) -> EnvelopeState:
    """Return the packed state, `{}` being the one before the first reading.

    Series of nodes that are not in `names` are left out, and quiet ones that nobody read for a
    day before `now` (epoch seconds).
    """
    series = [(node, device) for node, device in document.get("series", [])]
    limits = document.get("limits", [])
    if not series:
        return EnvelopeState.blank([], limits)
    data = zlib.decompress(base64.b64decode(document["rows"]))
    rows = np.frombuffer(data, "<f8").reshape(-1, len(series))
    # A quiet series that was never read has no last start; NaN is not older than anything.
    is_old = rows[1] <= now - FORGET_AFTER_SECONDS
    is_known = np.array([node in names for node, _ in series], np.bool_)
    kept = is_known & ~(is_old & (rows[0] == 0))
    state = EnvelopeState.blank([series[column] for column in np.flatnonzero(kept)], limits)
    _fill(state, rows[:, kept])
    return state


def _fill(state: EnvelopeState, rows: NDArray[np.float64]) -> None:
    heights = dict.fromkeys(_SINGLE, 1)
    heights |= dict.fromkeys(_PER_READING, REMEMBERED)
    heights |= {name: len(state.keys) for name in _PER_LIMIT}
    first = 0
    for name, height in heights.items():
        array = getattr(state, name)
        array[...] = rows[first : first + height].reshape(array.shape)
        first += height
