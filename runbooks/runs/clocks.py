"""How far a device's clock was ahead when it wrote an entry. Pure.

A clock that is put right between writing and sending, as it is when a tablet finds a network, says
nothing by then of how wrong it was. So an entry carries what the device knew as it wrote.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from runbooks.runs.checks import Draft

#: Less between the two is no clock that was set, and the newer word counts.
LEAST: Final = timedelta(minutes=2)
#: An entry is written after its run began; one that a tablet began by its own clock only about.
SLACK: Final = timedelta(days=1)


def skew_when_written(
    draft: Draft, *, sent_skew: float | None, began_at: datetime, received_at: datetime
) -> float | None:
    """Return the seconds a device's clock was ahead of the server's when it wrote an entry.

    `sent_skew` is how far it was ahead when it sent. What it knew as it wrote counts where that
    differs and can be: a clock may also have gone wrong after the device last heard of the server.
    """
    if draft.client_at is None or draft.offset is None:
        return sent_skew
    known = -draft.offset
    if sent_skew is not None and abs(known - sent_skew) <= LEAST.total_seconds():
        return sent_skew
    written_at = draft.client_at + timedelta(seconds=draft.offset)
    can_be = began_at - SLACK <= written_at <= received_at + LEAST
    return known if can_be or sent_skew is None else sent_skew
