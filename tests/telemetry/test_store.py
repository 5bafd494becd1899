"""Windows in and out of PostgreSQL: exact, and thinned for charts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.db import DatabaseError
from hypothesis import given
from hypothesis import strategies as st

from fleet.models import Node
from telemetry import store
from telemetry.models import SeriesSet
from telemetry.store import WindowBlock, WindowRecord
from telemetry.store.wire import pack_blocks, parse_rows
from tests.factories import NOON, make_node
from tests.telemetry.blocks import SERIES, after, make_block, make_set, store_blocks

COUNTS = st.integers(0, 2**31 - 1)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
TIMES = st.integers(0, 4_000_000_000_000)


@st.composite
def blocks(draw: Any) -> WindowBlock:
    """Draw a block of up to three windows of up to three series."""
    rows, width = draw(st.integers(1, 3)), draw(st.integers(1, 3))

    def column(values: Any, kind: Any) -> Any:
        return np.array(draw(st.lists(values, min_size=rows, max_size=rows)), kind)

    def matrix(values: Any, kind: Any) -> Any:
        row = st.lists(values, min_size=width, max_size=width)
        return np.array(draw(st.lists(row, min_size=rows, max_size=rows)), kind)

    return WindowBlock(
        series_set_id=draw(st.integers(1, 2**62)),
        node_ids=column(st.integers(1, 2**62), np.int64),
        start_ms=column(TIMES, np.int64),
        seconds=column(st.floats(0.125, 3600, width=32), np.float32),
        flags=column(st.integers(0, 2**15 - 1), np.int16),
        received_ms=column(TIMES, np.int64),
        n=matrix(COUNTS, np.int32),
        min=matrix(FLOATS, np.float32),
        max=matrix(FLOATS, np.float32),
        sum=matrix(FLOATS, np.float32),
        last=matrix(FLOATS, np.float32),
    )


def as_rows(block: WindowBlock) -> list[tuple[Any, ...]]:
    """Return the block's windows as plain values, in the order in which they are read."""
    rows = []
    for row in range(len(block)):
        start, received = (
            datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(column[row]))
            for column in (block.start_ms, block.received_ms)
        )
        head = (int(block.node_ids[row]), block.series_set_id, start, float(block.seconds[row]))
        columns = [block.n, block.min, block.max, block.sum, block.last]
        arrays = [column[row].tolist() for column in columns]
        rows.append((*head, int(block.flags[row]), received, *arrays))
    return sorted(rows, key=lambda one: (one[0], one[2]))


def plain(record: WindowRecord) -> tuple[Any, ...]:
    """Return a record as plain values."""
    head = (record.node_id, record.series_set_id, record.start, record.seconds, record.flags)
    columns = [record.n, record.min, record.max, record.sum, record.last]
    return (*head, record.received_at, *[column.tolist() for column in columns])


def copied_rows(data: bytes, size: int) -> list[bytes]:
    """Cut a COPY stream into its rows, as libpq hands them out."""
    body = data[19:-2]
    return [body[place : place + size] for place in range(0, len(body), size)]


@given(blocks())
def test_what_is_packed_is_parsed_again(block: WindowBlock) -> None:
    data = b"".join(pack_blocks([block]))
    rows = copied_rows(data, 184 + 40 * block.n.shape[1])
    assert sorted(map(plain, parse_rows(rows)), key=str) == sorted(as_rows(block), key=str)


@pytest.mark.django_db
def test_postgresql_reads_and_writes_the_same_format() -> None:
    block = make_block([3, 5, 3], [10, 0, 0])
    wide = make_block([4], [0], set_id=2, width=300)
    store_blocks(block, wide)
    records = store.read_windows(node_ids=[3, 4, 5], since=NOON)
    assert [plain(record) for record in records] == sorted(as_rows(block) + as_rows(wide))
    assert records[0].n.dtype == np.int32
    assert records[0].min.dtype == np.float32


@pytest.mark.django_db
def test_a_block_larger_than_what_is_packed_at_once_is_stored_whole() -> None:
    store_blocks(make_block(range(1, 2501), [0] * 2500))
    assert len(store.read_windows(node_ids=range(1, 2501), since=NOON)) == 2500


@pytest.mark.django_db
def test_windows_are_read_from_the_first_time_up_to_the_second() -> None:
    store_blocks(make_block([1] * 4, [-10, 0, 10, 20]))
    records = store.read_windows(node_ids=[1], since=NOON, until=after(20))
    assert [record.start for record in records] == [NOON, after(10)]


@pytest.mark.django_db
def test_reading_nothing_gives_nothing() -> None:
    assert store.read_windows(node_ids=[], since=NOON) == []
    assert store.read_windows(node_ids=[1], since=NOON) == []
    assert store.latest_windows(node_ids=[1]) == {}


@pytest.mark.django_db
def test_what_postgresql_refuses_inside_a_copy_comes_as_django_error() -> None:
    block = make_block([1], [0])
    block.start_ms = np.array([2**55], np.int64)
    with pytest.raises(DatabaseError):
        store_blocks(block)


@pytest.mark.django_db
def test_the_latest_window_of_each_node_is_found() -> None:
    quiet, busy, silent = (make_node() for _ in range(3))
    Node.objects.filter(pk=busy.pk).update(last_window_end=after(7200))
    store_blocks(
        make_block([quiet.pk, quiet.pk], [-900_000, -800_000]),
        make_block([busy.pk] * 3, [0, 7190, 3600]),
    )
    latest = store.latest_windows(node_ids=[quiet.pk, busy.pk, silent.pk])
    starts = {node_id: record.start for node_id, record in latest.items()}
    assert starts == {quiet.pk: after(-800_000), busy.pk: after(7190)}


def points(max_points: int = 360, until: float = 100, device: str = "inlet") -> store.Points:
    """Read the temperature of node 1 from noon on."""
    return store.read_points(
        node_id=1,
        metric="hw.temperature",
        device=device,
        since=NOON,
        until=after(until),
        max_points=max_points,
    )


@pytest.mark.django_db
def test_a_chart_has_one_point_a_window_where_there_is_room() -> None:
    store_blocks(make_block([1] * 3, [0, 10, 50], set_id=make_set().pk, first=20))
    chart = points()
    assert (chart.start - NOON.timestamp()).tolist() == [0, 10, 50]
    assert chart.mean.tolist() == [20, 21, 22]
    assert chart.min.tolist() == [19, 20, 21]
    assert chart.max.tolist() == [21, 22, 23]


@pytest.mark.django_db
def test_a_thinned_chart_keeps_every_extreme() -> None:
    starts = [float(second) for second in range(0, 100, 10)]
    store_blocks(make_block([1] * 10, starts, set_id=make_set().pk))
    chart = points(max_points=2)
    assert (chart.start - NOON.timestamp()).tolist() == [0, 50]
    assert chart.mean.tolist() == [2, 7]
    assert chart.min.tolist() == [-1, 4]
    assert chart.max.tolist() == [5, 10]


@pytest.mark.django_db
def test_a_chart_goes_on_where_the_agent_changed_its_set() -> None:
    old, new = make_set(), make_set([["hw.power", "W", ""], *SERIES[:1]], word="b")
    other = make_set([["hw.temperature", "Cel", "outlet"]], word="c")
    store_blocks(
        make_block([1], [0], set_id=old.pk, first=20),
        make_block([1], [10], set_id=new.pk, first=30),
        make_block([1], [20], set_id=other.pk, width=1, first=40),
    )
    assert points().mean.tolist() == [20, 30]


@pytest.mark.django_db
def test_a_window_without_samples_is_no_point() -> None:
    block = make_block([1, 1], [0, 10], set_id=make_set().pk)
    block.n[0, 0] = 0
    store_blocks(block)
    assert (points().start - NOON.timestamp()).tolist() == [10]


@pytest.mark.django_db
def test_a_series_nobody_sent_has_no_points() -> None:
    store_blocks(make_block([1], [0], set_id=make_set().pk))
    chart = points(device="ghost")
    assert [len(column) for column in (chart.start, chart.mean, chart.min, chart.max)] == [0] * 4


@pytest.mark.django_db
def test_a_set_that_is_known_keeps_its_number() -> None:
    known = make_set(word="a")
    ids = store.series_set_ids({"a" * 64: SERIES, "b" * 64: SERIES[:1]})
    assert ids["a" * 64] == known.pk
    assert SeriesSet.objects.get(pk=ids["b" * 64]).series == SERIES[:1]
