"""PostgreSQL and Redis from wheels: started, stopped, killed, side by side."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from fleet.embedded import EmbeddedError, EmbeddedServices

# Starts the services of a folder, says so, and waits to be killed.
HOLDER = """
import pathlib, sys, time
from fleet.embedded import EmbeddedServices
services = EmbeddedServices(pathlib.Path(sys.argv[1]), is_durable=False)
services.start()
print(services.postgres.pid, services.redis.pid, flush=True)
time.sleep(600)
"""


Make = Callable[..., EmbeddedServices]


@pytest.fixture
def make_services() -> Iterator[Make]:
    """Make services that are discarded after the test."""
    made: list[EmbeddedServices] = []

    def make(home: Path, *, is_durable: bool = False) -> EmbeddedServices:
        made.append(EmbeddedServices(home, is_durable=is_durable))
        return made[-1]

    yield make
    for services in made:
        services.discard()


def _count(services: EmbeddedServices) -> int:
    with psycopg.connect(services.database_url) as connection:
        row = connection.execute("select count(*) from kept").fetchone()
        assert row is not None
        return int(row[0])


def _ended(pid: int) -> bool:
    """Wait until a process is gone; a zombie nobody reaped counts as gone."""
    try:
        process = psutil.Process(pid)
        process.wait(30)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


def test_both_answer_and_what_is_written_outlives_a_restart(
    tmp_path: Path, make_services: Make
) -> None:
    services = make_services(tmp_path / "a")
    with services.running():
        with psycopg.connect(services.database_url) as connection:
            connection.execute("create table kept (n int)")
            connection.execute("insert into kept values (1)")
        assert redis.Redis.from_url(services.redis_url).ping()
    with services.running():
        assert _count(services) == 1


def test_nothing_listens_on_a_port(tmp_path: Path, make_services: Make) -> None:
    services = make_services(tmp_path / "a")
    with services.running():
        ours = {services.postgres.pid, services.redis.pid}
        listening = {
            connection.pid
            for connection in psutil.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert not ours & listening


def test_two_checkouts_run_side_by_side(tmp_path: Path, make_services: Make) -> None:
    one = make_services(tmp_path / "one")
    two = make_services(tmp_path / "two")
    with one.running(), two.running():
        assert one.database_url != two.database_url
        redis.Redis.from_url(one.redis_url).set("whose", "one")
        assert redis.Redis.from_url(two.redis_url).get("whose") is None


def test_a_second_start_of_the_same_folder_says_who_holds_it(
    tmp_path: Path, make_services: Make
) -> None:
    with (
        make_services(tmp_path).running(),
        pytest.raises(EmbeddedError, match=f"already runs from .* \\(process {os.getpid()}\\)"),
    ):
        make_services(tmp_path).start()


def test_a_refused_second_start_leaves_the_first_one_alone(
    tmp_path: Path, make_services: Make
) -> None:
    first, second = make_services(tmp_path), make_services(tmp_path)
    with first.running():
        with pytest.raises(EmbeddedError), second.running():
            pass
        assert redis.Redis.from_url(first.redis_url).ping()


def test_one_of_the_two_may_come_from_elsewhere(tmp_path: Path, make_services: Make) -> None:
    services = make_services(tmp_path)
    with services.running(has_postgres=False):
        assert services.postgres is None
        assert redis.Redis.from_url(services.redis_url).ping()
    assert not services.cluster.exists()


def test_mending_starts_what_was_killed_and_nothing_else(
    tmp_path: Path, make_services: Make
) -> None:
    services = make_services(tmp_path)
    with services.running():
        assert services.mend() == []
        services.redis.kill()
        assert services.mend() == ["Redis"]
        assert redis.Redis.from_url(services.redis_url).ping()


def test_the_servers_end_with_a_parent_that_was_killed_and_the_next_start_works(
    tmp_path: Path, make_services: Make
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    pids = [int(word) for word in holder.stdout.readline().split()]
    services = make_services(tmp_path)
    with psycopg.connect(services.database_url) as connection:
        connection.execute("create table kept (n int)")
        connection.execute("insert into kept values (1)")
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with services.running():
        assert _count(services) == 1
    assert all(_ended(pid) for pid in pids)


def test_a_killed_postgres_comes_back_with_everything_that_was_committed(
    tmp_path: Path, make_services: Make
) -> None:
    services = make_services(tmp_path, is_durable=True)
    with services.running():
        with psycopg.connect(services.database_url) as connection:
            connection.execute("create table kept (n int)")
            connection.execute("insert into kept values (1)")
        for child in psutil.Process(services.postgres.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        services.postgres.kill()
        services.start_postgres()
        assert _count(services) == 1


def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(
    tmp_path: Path, make_services: Make
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EmbeddedError, match="Set HEARTHWATCH_HOME to a folder of your own"):
        make_services(tmp_path / "file" / "home").start()


def test_a_long_path_does_not_break_the_sockets(tmp_path: Path, make_services: Make) -> None:
    services = make_services(tmp_path / ("deep" * 20) / ("deeper" * 20))
    with services.running():
        assert redis.Redis.from_url(services.redis_url).ping()


def test_an_unfinished_cluster_is_made_anew(tmp_path: Path, make_services: Make) -> None:
    services = make_services(tmp_path)
    partial = services.cluster.with_suffix(".partial")
    partial.mkdir(parents=True)
    (partial / "half").write_text("of a cluster")
    with services.running():
        assert not partial.exists()
