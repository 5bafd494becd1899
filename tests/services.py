"""A pytest plugin: PostgreSQL and Redis of this run alone, up before Django is set up.

With pytest-xdist each worker has its own two and the process that hands out the tests has none, so
a test may stop, empty or restart them without a word to the others.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from fleet.embedded import EmbeddedServices

HOME = Path(tempfile.gettempdir()) / f"hearthwatch-test-{os.getpid()}"
SERVICES = EmbeddedServices(HOME, is_durable=False)

_GIVEN = "HEARTHWATCH_TEST_SERVICES_ARE_GIVEN"
# A worker inherits the addresses of whoever hands out its tests, and what is said here of them.
IS_EMBEDDED = os.environ.setdefault(_GIVEN, str("DATABASE_URL" in os.environ)) == "False"

if IS_EMBEDDED:
    os.environ["DATABASE_URL"] = SERVICES.database_url
    os.environ["REDIS_URL"] = SERVICES.redis_url
os.environ.setdefault("REDIS_URL", SERVICES.redis_url)
os.environ.setdefault("HEARTHWATCH_SECRET_KEY", "only-for-tests-" + "x" * 40)
os.environ.setdefault("HEARTHWATCH_STATIC_FROM_SOURCE", "true")
# The receivers of the tests stand on loopback.
os.environ.setdefault("HEARTHWATCH_PAGE_HOSTS", "127.0.0.0/8,localhost")


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Share servers of the caller's own with nobody: the tests empty that Redis."""
    return None if IS_EMBEDDED else 0


def pytest_configure(config: pytest.Config) -> None:
    """Start the services unless the caller brought servers of their own or workers run it all."""
    if IS_EMBEDDED and not config.getoption("tx", default=[]):
        SERVICES.start()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop them; a worker that has said it is finished is given little time for more."""
    _end_services()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop them, too, where no test was ever begun."""
    _end_services()


def _end_services() -> None:
    if IS_EMBEDDED:
        SERVICES.stop()
        SERVICES.discard()
