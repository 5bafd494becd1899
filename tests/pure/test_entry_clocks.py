"""Which clock an entry is read by: what the device knew as it wrote, or what it said as it sent."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from runbooks.runs.checks import Draft
from runbooks.runs.clocks import skew_when_written
from tests.factories import NOON

BEGAN, SENT = NOON - timedelta(hours=2), NOON + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("at", "offset", "sent_skew", "skew"),
    [
        # Older tablets say nothing.
        (NOON, None, 7.0, 7.0),
        # Slow by ten minutes, and put right before it sent; then the same the other way round.
        (NOON - timedelta(minutes=10), 600, 0.0, -600),
        (NOON + timedelta(minutes=10), -600, 0.0, 600),
        # The two agree, as far as clocks do.
        (NOON - timedelta(minutes=10), 600, -481.0, -481.0),
        (NOON - timedelta(minutes=10), 600, -479.0, -600),
        # Its clock went wrong after it had heard of the server last.
        (datetime.fromisoformat("1970-01-01T00:00:00+00:00"), 0, -1.9e9, -1.9e9),
        (NOON + timedelta(hours=3), 0, 10_800.0, 10_800.0),
        # Before the run, as far as a tablet that began it can be wrong about that.
        (BEGAN - timedelta(hours=1), -3600, 0.0, 3600),
        (BEGAN, -172_800, 0.0, 0.0),
        # Kept aside before skews were.
        (NOON, 600, None, -600),
        (datetime.fromisoformat("2199-12-31T00:00:00+00:00"), 1e10, 0.0, 0.0),
        (datetime.fromisoformat("1969-01-01T00:00:00+00:00"), -1e10, 0.0, 0.0),
    ],
)
def test_what_the_device_knew_counts_where_it_differs_and_can_be(
    at: datetime, offset: float | None, sent_skew: float | None, skew: float
) -> None:
    draft = Draft("step_done", client_at=at, offset=offset)
    found = skew_when_written(draft, sent_skew=sent_skew, began_at=BEGAN, received_at=SENT)
    assert found == skew
