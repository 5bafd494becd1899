"""Blocks of windows, written straight into the table, for tests of the store itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from django.db import connection, transaction

from telemetry import store
from telemetry.models import SeriesSet
from telemetry.store import WindowBlock
from tests.factories import NOON

NOON_MS = round(NOON.timestamp() * 1000)
SERIES = [["hw.temperature", "Cel", "inlet"], ["hw.power", "W", ""]]


def make_set(series: Sequence[Sequence[str]] = SERIES, word: str = "a") -> SeriesSet:
    """Make one announced set."""
    return SeriesSet.objects.create(hash=word * 64, series=[list(one) for one in series])


def make_block(
    node_ids: Sequence[int],
    starts: Sequence[float],
    *,
    set_id: int = 1,
    width: int = 2,
    first: float = 0.0,
) -> WindowBlock:
    """Make windows of 10 s that start so many seconds after noon; row `i` is about `first + i`."""
    count = len(node_ids)
    values = (first + np.arange(count, dtype=np.float32))[:, None] + np.zeros(width, np.float32)
    return WindowBlock(
        series_set_id=set_id,
        node_ids=np.array(node_ids, np.int64),
        start_ms=np.array([NOON_MS + round(start * 1000) for start in starts], np.int64),
        seconds=np.full(count, 10, np.float32),
        flags=np.zeros(count, np.int16),
        received_ms=np.full(count, NOON_MS, np.int64),
        n=np.full((count, width), 2, np.int32),
        min=values - 1,
        max=values + 1,
        sum=values * 2,
        last=values,
    )


def store_blocks(*blocks: WindowBlock) -> None:
    """Write the blocks in one transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        store.copy_windows(cursor, blocks)


def after(seconds: float) -> datetime:
    """Return the time so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)
