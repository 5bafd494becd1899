"""Windows, doors and boots as the ingest door leaves them behind, for tests that begin there."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from fleet.models import Node
from telemetry.models import BootRecord, IngestDoor, SeriesSet
from telemetry.protocol import Series, series_hash
from telemetry.store import WINDOW_LATE, WindowBlock, copy_windows
from tests.factories import NOON

INLET = Series("hw.temperature", "Cel", "inlet")
CPU = Series("system.cpu.utilization", "1")
DISK = Series("system.filesystem.utilization", "1", "/")
#: No sample in the window.
NOTHING = None
#: Mean, lowest and highest of one window; a bare number stands for all three.
Value = float | tuple[float, float, float] | None


def send_window(
    node: Node,
    values: Mapping[Series, Value],
    *,
    minute: float = 0,
    seconds: float = 60,
    delay: float = 1,
    is_late: bool = False,
) -> datetime:
    """Store one window that began `minute` minutes after noon; return when it was received.

    `delay` is the seconds between its end and its receipt; a late window leaves the node alone.
    """
    start = NOON + timedelta(minutes=minute)
    end = start + timedelta(seconds=seconds)
    received_at = end + timedelta(seconds=delay)
    series_set, _ = SeriesSet.objects.get_or_create(
        hash=series_hash(list(values)), series=[list(_parts(one)) for one in values]
    )
    low, high, mean = (np.array([column], np.float32) for column in _columns(values))
    # Two samples a window, so that a sum taken for a mean is caught.
    counts = np.array([[0 if value is None else 2 for value in values.values()]], np.int32)
    block = WindowBlock(
        series_set_id=series_set.pk,
        node_ids=np.array([node.pk], np.int64),
        start_ms=_milliseconds(start),
        seconds=np.array([seconds], np.float32),
        flags=np.array([WINDOW_LATE if is_late else 0], np.int16),
        received_ms=_milliseconds(received_at),
        n=counts,
        min=low,
        max=high,
        sum=(mean * counts).astype(np.float32),
        last=mean,
    )
    with transaction.atomic(), connection.cursor() as cursor:
        copy_windows(cursor, [block])
    if not is_late:
        node.last_received_at, node.last_window_end = received_at, end
        node.save(update_fields=["last_received_at", "last_window_end"])
    return received_at


def send_inlet(node: Node, temperatures: Sequence[Value], *, minute: float = 0) -> datetime:
    """Store one window a minute with the inlet's temperature; return the last receipt."""
    for index, temperature in enumerate(temperatures):
        received_at = send_window(node, {INLET: temperature}, minute=minute + index)
    return received_at


def open_door(*, started_at: datetime, beat_at: datetime) -> IngestDoor:
    """Make one ingest process that was alive from one time to another."""
    return IngestDoor.objects.create(process=uuid.uuid4(), started_at=started_at, beat_at=beat_at)


def report_boot(node: Node, boot_id: str, *, minute: float, uptime: float = 60) -> datetime:
    """Record that the node signed on with this boot; return when."""
    at = NOON + timedelta(minutes=minute)
    BootRecord.objects.create(node=node, boot_id=boot_id, reported_at=at, uptime_seconds=uptime)
    node.boot_id = boot_id
    node.save(update_fields=["boot_id"])
    return at


def _parts(series: Series) -> tuple[str, str, str]:
    return series.metric, series.unit, series.device


def _milliseconds(at: datetime) -> NDArray[np.int64]:
    return np.array([round(at.timestamp() * 1000)], np.int64)


def _columns(values: Mapping[Series, Value]) -> tuple[Sequence[float], ...]:
    """Return lowest, highest and mean of every series."""
    triples = [
        (0.0, 0.0, 0.0)
        if value is None
        else (*value[1:], value[0])
        if isinstance(value, tuple)
        else (value, value, value)
        for value in values.values()
    ]
    return tuple(zip(*triples, strict=True))
