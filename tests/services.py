"""A pytest plugin: PostgreSQL and Redis of this run alone, up before Django is set up."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from fleet.embedded import EmbeddedServices

HOME = Path(tempfile.gettempdir()) / f"hearthwatch-test-{os.getpid()}"
SERVICES = EmbeddedServices(HOME, is_durable=False)
IS_EMBEDDED = "DATABASE_URL" not in os.environ

os.environ.setdefault("DATABASE_URL", SERVICES.database_url)
os.environ.setdefault("REDIS_URL", SERVICES.redis_url)
os.environ.setdefault("HEARTHWATCH_SECRET_KEY", "only-for-tests-" + "x" * 40)
os.environ.setdefault("HEARTHWATCH_STATIC_FROM_SOURCE", "true")
# The receivers of the tests stand on loopback.
os.environ.setdefault("HEARTHWATCH_PAGE_HOSTS", "127.0.0.0/8,localhost")


def pytest_configure(config: pytest.Config) -> None:
    """Start the services unless the caller brought servers of their own."""
    if IS_EMBEDDED:
        SERVICES.start()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop them and leave nothing behind."""
    if IS_EMBEDDED:
        SERVICES.stop()
        SERVICES.discard()
