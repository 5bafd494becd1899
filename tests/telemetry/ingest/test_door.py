"""The sign on the door says since when this process has been listening."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection

from telemetry.ingest.door import Door, beat
from telemetry.models import IngestDoor
from telemetry.selectors import listening_since
from tests.factories import NOON
from tests.processes import wait_until


def after(seconds: float) -> datetime:
    """Return the time so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


@pytest.fixture
def process(db: None) -> UUID:
    """A process whose door opened at noon."""
    process = uuid4()
    beat(process=process, now=NOON)
    return process


def test_a_beating_door_has_been_open_since_its_start(process: UUID) -> None:
    for seconds in (5, 10, 15):
        beat(process=process, now=after(seconds))
    door = IngestDoor.objects.get()
    assert (door.started_at, door.beat_at) == (NOON, after(15))
    assert listening_since(now=after(16)) == NOON


def test_a_door_that_missed_its_beats_starts_anew(process: UUID) -> None:
    beat(process=process, now=after(16))
    assert IngestDoor.objects.get().started_at == after(16)
    assert listening_since(now=after(17)) == after(16)


def test_a_door_whose_clock_was_set_back_has_not_been_open_since_a_time_to_come(
    process: UUID,
) -> None:
    beat(process=process, now=after(-3600))
    assert listening_since(now=after(-3600)) == after(-3600)


def test_a_second_door_that_overlaps_carries_the_time_on(process: UUID) -> None:
    second = uuid4()
    beat(process=second, now=after(4))
    beat(process=process, now=after(5))
    for seconds in range(9, 60, 5):
        beat(process=second, now=after(seconds))
    assert listening_since(now=after(60)) == NOON


def test_a_new_process_after_the_end_of_the_last_one_starts_anew(process: UUID) -> None:
    beat(process=uuid4(), now=after(20))
    assert listening_since(now=after(21)) == after(20)


def test_doors_that_closed_a_day_ago_are_forgotten(process: UUID) -> None:
    new = uuid4()
    beat(process=new, now=NOON + timedelta(days=1, seconds=1))
    assert list(IngestDoor.objects.values_list("process", flat=True)) == [new]


@pytest.mark.django_db(transaction=True)
def test_a_door_behind_which_nothing_is_taken_does_not_beat() -> None:
    rounds: list[datetime] = []
    door = Door(is_taking=lambda: False, chores=[rounds.append], beat_seconds=0.01)
    door.start()
    wait_until(lambda: len(rounds) >= 2)
    door.stop(patience_seconds=20)
    assert IngestDoor.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_an_open_door_beats_at_once_and_again() -> None:
    door = Door(is_taking=lambda: True, beat_seconds=0.01)
    door.start()
    wait_until(lambda: IngestDoor.objects.filter(process=door.process).exists())
    first = IngestDoor.objects.get(process=door.process).beat_at
    wait_until(lambda: IngestDoor.objects.get(process=door.process).beat_at > first)
    door.stop(patience_seconds=20)


@pytest.mark.django_db(transaction=True)
def test_a_door_survives_a_failing_database() -> None:
    rounds: list[datetime] = []

    def fail(now: datetime) -> None:
        rounds.append(now)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")

    door = Door(is_taking=lambda: True, chores=[fail], beat_seconds=0.01)
    door.start()
    wait_until(lambda: len(rounds) >= 3)
    door.stop(patience_seconds=20)
    assert IngestDoor.objects.get().process == door.process
