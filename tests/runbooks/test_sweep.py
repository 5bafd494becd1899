"""The sweep: everything that is due, with PostgreSQL alone."""

from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection

from fleet.management.commands.sweep import (
    Cycle,
    Stage,
    asking_stages,
    deciding_stages,
    run_stages,
)
from fleet.models import EngineModule
from fleet.services.engine import EngineMismatch
from runbooks.heartbeats.services import create_heartbeat
from runbooks.models import Alert, EngineBeat, Page, Suppression
from runbooks.suppression.matchers import parse_matchers
from runbooks.suppression.silences import create_silence
from runbooks.tasks import (
    apply_suppressions,
    audit_promises,
    check_heartbeats,
    deliver_pages,
    escalate_due,
    expire_external,
    follow_receipts,
    settle_alerts,
    take_in_findings,
    take_in_replies,
    tell_authors,
)
from telemetry.models import DetectorState
from tests.factories import make_user
from tests.processes import ROOT, wait_until
from tests.receiver import Receiver
from tests.runbooks.world import make_finding, site_paging
from tests.telemetry.connections import in_another_connection

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("library")]

KILL_OTHERS = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@contextmanager
def sweeping() -> Iterator[subprocess.Popen[str]]:
    """Run the real command every second, with a broker that nobody listens at."""
    database = urlsplit(os.environ["DATABASE_URL"])
    name = connection.settings_dict["NAME"]
    process = subprocess.Popen(
        [sys.executable, "manage.py", "sweep"],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": database._replace(path=f"/{name}").geturl(),
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "HEARTHWATCH_SWEEP_SECONDS": "1",
            "PYTHONUNBUFFERED": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def make_fresh_finding(receiver: Receiver) -> None:
    """Make a finding of this moment; its site is just evaluated, so no detector ends it."""
    now = datetime.now(UTC)
    site = site_paging(receiver)
    DetectorState.objects.create(site=site, evaluated_at=now)
    make_finding(site=site, began_at=now)


def test_one_sweep_takes_a_finding_all_the_way_to_its_page(receiver: Receiver) -> None:
    make_fresh_finding(receiver)
    call_command("sweep", "--once", stdout=io.StringIO())
    assert len(receiver.requests) == 1
    assert Page.objects.get().state == Page.State.SENT


def test_every_lane_says_that_it_has_gone_round() -> None:
    call_command("sweep", "--once", stdout=io.StringIO())
    beats = EngineBeat.objects.values_list("part", flat=True)
    assert set(beats) == {"sweep.detect", "sweep.decide", "sweep.deliver", "sweep.ask"}


def test_the_deciding_lane_takes_its_stages_in_the_order_that_pages_nobody_needlessly() -> None:
    assert [stage.name for stage in deciding_stages()] == [
        "mend clock",
        "check heartbeats",
        "expire external",
        "follow",
        "take in",
        "suppress",
        "warn of endings",
        "take in replies",
        "end answers",
        "settle",
        "fail over",
        "fail over failing",
        "follow up",
        "escalate",
        "verify steps",
        "end waits",
        "watch auditor",
        "beat of sweep.decide",
    ]


def test_the_asking_lane_says_that_it_goes_round_after_each_wait_for_receivers() -> None:
    names = [stage.name for stage in asking_stages()]
    assert [name for name in names if name.split()[0] in {"ask", "tell", "beat"}] == [
        "ask receivers",
        "beat of sweep.ask",
        "tell people",
        "beat of sweep.ask",
    ]


def test_one_sweep_takes_a_missing_heartbeat_all_the_way_to_its_page(receiver: Receiver) -> None:
    create_heartbeat(
        site=site_paging(receiver),
        node=None,
        name="backup",
        period_seconds=60,
        grace_seconds=0,
        by=None,
        now=datetime.now(UTC) - timedelta(hours=2),
    )
    call_command("sweep", "--once", stdout=io.StringIO())
    assert "backup has never been heard of" in receiver.requests[0].json["data"]["alert"]["summary"]


def test_what_is_silenced_is_not_paged_even_once(receiver: Receiver) -> None:
    now = datetime.now(UTC)
    make_fresh_finding(receiver)
    create_silence(
        matchers=parse_matchers('kind=~".+"'),
        starts_at=now,
        ends_at=now + timedelta(hours=1),
        reason="A drill.",
        by=make_user("admin"),
        now=now,
    )
    call_command("sweep", "--once", stdout=io.StringIO())
    assert receiver.requests == []
    assert Suppression.objects.get().alert == Alert.objects.get()


def test_a_sweep_over_nothing_does_nothing() -> None:
    call_command("sweep", "--once", stdout=io.StringIO())
    assert not Alert.objects.exists()


def test_one_broken_stage_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    ran = []

    def break_down(now: datetime) -> None:
        raise RuntimeError("a fault of ours")

    cycle = run_stages([Stage("broken", break_down), Stage("fine", ran.append)])
    assert cycle.failed == ["broken"]
    assert len(ran) == 1
    assert "a fault of ours" in caplog.text


@pytest.mark.parametrize(("done", "has_more"), [(199, False), (200, True), (None, False)])
def test_a_stage_that_did_all_it_may_has_more_to_do(done: int | None, has_more: bool) -> None:
    assert run_stages([Stage("take in", lambda now: done, most=200)]).has_more is has_more


def test_a_connection_that_the_database_closed_is_replaced_in_the_next_cycle(
    caplog: pytest.LogCaptureFixture,
) -> None:
    look = Stage("look", lambda now: Alert.objects.count())

    def lose_the_connection_between_two_cycles() -> list[Cycle]:
        answers = [run_stages([look])]
        with connection.cursor() as cursor, pytest.raises(OperationalError):
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return [*answers, run_stages([look]), run_stages([look])]

    cycles = in_another_connection(lose_the_connection_between_two_cycles)
    assert [cycle.failed for cycle in cycles] == [[], [], []]
    assert caplog.records == []


def test_a_database_that_is_gone_is_logged_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def ask(now: datetime) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    assert run_stages([Stage("ask", ask)]).failed == ["ask"]
    record = caplog.records[0]
    assert (record.getMessage(), record.exc_info) == ("sweep.database_unavailable", None)
    assert record.levelno == logging.ERROR


@pytest.mark.chaos
def test_the_real_sweep_pages_without_a_broker_and_ends_cleanly_when_told(
    receiver: Receiver,
) -> None:
    make_fresh_finding(receiver)
    with sweeping() as process:
        receiver.wait_for(1)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert "The sweep has ended" in said
    wait_until(lambda: Page.objects.get().state == Page.State.SENT)


@pytest.fixture
def newer_escalation() -> Iterator[Callable[[], None]]:
    """Raise the version of escalation as a migration does; it is put back afterwards."""
    row = EngineModule.objects.filter(name="escalation")
    yield lambda: row.update(version=2) and None
    row.update(version=1)


@pytest.mark.chaos
def test_the_real_sweep_of_an_old_program_ends_when_a_migration_raises_a_version(
    receiver: Receiver, newer_escalation: Callable[[], None]
) -> None:
    make_fresh_finding(receiver)
    with sweeping() as process:
        receiver.wait_for(1)
        newer_escalation()
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "The sweep has stopped. engine_outdated: This program's engine is version 1" in said
    assert "engine.refused" in said
    assert "Traceback" not in said


@pytest.mark.chaos
def test_the_real_sweep_of_an_old_program_does_not_begin_on_newer_rows(
    receiver: Receiver, newer_escalation: Callable[[], None]
) -> None:
    newer_escalation()
    make_fresh_finding(receiver)
    with sweeping() as process:
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "the database's is 2: upgrade this program." in said
    assert not Alert.objects.exists()


def test_a_worker_of_an_old_program_refuses_and_says_so(
    caplog: pytest.LogCaptureFixture, newer_escalation: Callable[[], None]
) -> None:
    newer_escalation()
    with pytest.raises(EngineMismatch):
        escalate_due()
    assert [record.getMessage() for record in caplog.records] == ["engine.refused"]
    assert EngineMismatch in escalate_due.throws


@pytest.mark.chaos
def test_the_real_sweep_outlives_the_loss_of_its_database_connections(
    receiver: Receiver,
) -> None:
    make_fresh_finding(receiver)
    with sweeping() as process:
        receiver.wait_for(1)
        with connection.cursor() as cursor:
            cursor.execute(KILL_OTHERS)
        make_fresh_finding(receiver)
        receiver.wait_for(2)
        assert process.poll() is None


def test_the_jobs_do_the_same_and_say_what_they_did(receiver: Receiver) -> None:
    make_fresh_finding(receiver)
    jobs = [
        *(check_heartbeats, expire_external, take_in_findings, apply_suppressions),
        *(take_in_replies, settle_alerts, escalate_due, deliver_pages, follow_receipts),
        *(tell_authors, audit_promises),
    ]
    assert [job() for job in jobs] == [
        "found 0 heartbeats late",
        "expired 0 external alerts",
        "took in 1 findings",
        "changed 0 suppressed alerts, warned of 0 endings",
        "took in 0 replies",
        "ended 0 acknowledgements, settled 0 alerts, 0 alerts follow their findings",
        "advanced 1 escalations",
        "delivered 1 pages, 0 attempts failed, 0 were not wanted any more",
        "failed over 0 pages, asked about 0",
        "announced 0 things, tried to tell 0 people",
        "found 0 broken promises",
    ]
    assert len(receiver.requests) == 1
