"""Real processes on the tests' database; what they are killed with is real, too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection, connections

from runbooks.library.services import publish_builtin_library
from tests.emptying import empty_database
from tests.factories import NOON
from tests.flows.world import FlowWorld
from tests.flows.zygote import Zygote
from tests.processes import Processes
from tests.receiver import Receiver
from tests.runbooks.world import make_finding, make_library, site_paging
from tests.services import SERVICES


def database_url_of_test() -> str:
    """Return the URL of the very database this test writes to."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(parts._replace(path="/" + connection.settings_dict["NAME"]))


@pytest.fixture
def processes(transactional_db: None, tmp_path: Path) -> Iterator[Processes]:
    """The product's processes; whatever a test started is stopped after it."""
    made = Processes(
        tmp_path, database_url=database_url_of_test(), redis_url=os.environ["REDIS_URL"]
    )
    yield made
    made.stop_all()
    # A killed backend leaves this process with a dead connection.
    connections.close_all()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A pager outside of the product."""
    with Receiver() as made:
        yield made


@pytest.fixture
def world(processes: Processes, receiver: Receiver, tmp_path: Path) -> FlowWorld:
    """One live site with a node, an owner, a second in line, the library and a watched file."""
    publish_builtin_library(now=NOON)
    return FlowWorld.make(processes, receiver, tmp_path)


@pytest.fixture(scope="package")
def zygote(django_db_setup: None, django_db_blocker: Any) -> Iterator[Zygote]:
    """What forks engines that die where they are told to; it has no connection of its own."""
    made = Zygote(database_url=database_url_of_test())
    with django_db_blocker.unblock(), Receiver() as receiver:
        make_library()
        make_finding(site=site_paging(receiver), began_at=NOON)
        made.warm_up(now=NOON)
        empty_database()
    yield made
    made.end()


@pytest.fixture
def redis_away() -> Iterator[None]:
    """Redis is stopped for the length of the test."""
    SERVICES.redis.stop()
    yield
    SERVICES.start_redis()
