"""The windows' table: by day, and never walked from end to end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from fleet.models import Node
from telemetry import store
from telemetry.models import SeriesSet
from telemetry.store.windows import LATEST_WINDOWS, READ_POINTS, READ_WINDOWS
from tests.factories import NOON, make_node
from tests.telemetry.blocks import after, make_block, make_set, store_blocks
from tests.telemetry.connections import in_another_connection


def rows_in(table: str) -> int:
    """Return how many rows a table has itself."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ONLY {table}")
        return int(cursor.fetchone()[0])


def plan(query: str, values: dict[str, Any]) -> str:
    """Return PostgreSQL's plan as JSON text."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {query}", values)
        return json.dumps(cursor.fetchone()[0])


@pytest.fixture
def filled_day(db: None) -> str:
    """A day's partition with 20,000 windows of 100 nodes, analysed."""
    (name,) = store.ensure_partitions(now=NOON, days_ahead=-1)
    starts = [-86_400.0 + 300 * (row // 100) for row in range(20_000)]
    store_blocks(make_block([make_node().pk, *range(2, 101)] * 200, starts, set_id=make_set().pk))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE telemetry_window")
    return name


@pytest.mark.parametrize("query", [READ_WINDOWS, READ_POINTS, LATEST_WINDOWS])
def test_no_question_walks_a_filled_partition(filled_day: str, query: str) -> None:
    values = {
        "node_ids": [Node.objects.get().pk, 7],
        "node_id": 7,
        "since": after(-80_000),
        "until": after(-70_000),
        "sets": [SeriesSet.objects.get().pk],
        "places": [1],
        "width": 60.0,
    }
    walked = [
        node
        for node in nodes_of(json.loads(plan(query, values))[0]["Plan"])
        if node.get("Relation Name") == filled_day
    ]
    assert walked
    assert {node["Node Type"] for node in walked} <= {
        "Index Scan",
        "Bitmap Heap Scan",
        "Index Only Scan",
    }


def nodes_of(plan_node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a plan's node and everything below it."""
    yield plan_node
    for child in plan_node.get("Plans", []):
        yield from nodes_of(child)


@pytest.mark.django_db
def test_days_are_made_ahead_once() -> None:
    made = store.ensure_partitions(now=NOON, days_ahead=1)
    assert made == [
        "telemetry_window_20291231",
        "telemetry_window_20300101",
        "telemetry_window_20300102",
    ]
    assert store.ensure_partitions(now=NOON, days_ahead=1) == []
    assert store.ensure_partitions(now=NOON + timedelta(days=1), days_ahead=1) == [
        "telemetry_window_20300103"
    ]


@pytest.mark.django_db
def test_windows_that_came_before_their_partition_move_into_it() -> None:
    store_blocks(make_block([1, 1, 1], [0, 10, 5 * 86_400]))
    assert rows_in("telemetry_window_default") == 3
    store.ensure_partitions(now=NOON, days_ahead=1)
    assert rows_in("telemetry_window_20300101") == 2
    assert rows_in("telemetry_window_default") == 1
    assert len(store.read_windows(node_ids=[1], since=NOON)) == 3


@pytest.mark.django_db
def test_a_partition_is_found_by_the_same_index() -> None:
    store.ensure_partitions(now=NOON, days_ahead=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhparent::regclass::text FROM pg_inherits JOIN pg_index ON indexrelid = "
            "inhrelid WHERE indrelid = 'telemetry_window_20300101'::regclass"
        )
        assert cursor.fetchall() == [("windows_by_node_and_start",)]


@pytest.mark.django_db
def test_old_days_are_dropped_and_strays_of_them_forgotten() -> None:
    for day in range(4):
        store.ensure_partitions(now=NOON + timedelta(days=day), days_ahead=0)
    store_blocks(make_block([1, 1, 1], [-9 * 86_400, 0, 3 * 86_400]))
    dropped = store.drop_old_partitions(now=NOON + timedelta(days=3), keep_days=3)
    assert dropped == ["telemetry_window_20291231"]
    records = store.read_windows(node_ids=[1], since=after(-10 * 86_400))
    assert [record.start for record in records] == [NOON, after(3 * 86_400)]


@pytest.mark.django_db(transaction=True)
def test_a_table_that_is_in_use_is_left_for_later() -> None:
    def make() -> list[str]:
        return store.ensure_partitions(now=NOON, days_ahead=0)

    with transaction.atomic():
        store_blocks(make_block([1], [0]))
        with pytest.raises(OperationalError, match="lock timeout"):
            in_another_connection(make)
        transaction.set_rollback(True)
    with transaction.atomic():
        assert len(make()) == 2
        transaction.set_rollback(True)
