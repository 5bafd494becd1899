"""Fixtures and profiles that more than one folder uses."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

import pytest
from channels.layers import channel_layers
from django.conf import settings as django_settings
from django.db import connection
from hypothesis import settings

from tests.emptying import use_it
from tests.services import IS_EMBEDDED

# Two shared cores: a slow example is no failure. The same examples come each time, but for those
# that Hypothesis draws from constants of whatever modules are loaded by then.
settings.register_profile("hearthwatch", deadline=None, derandomize=True)
settings.load_profile("hearthwatch")

# Hashing a password well takes a quarter of a second, and every made user has one.
django_settings.PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how late pages were that had to outlive a killed engine, where such tests ran."""
    late = sorted(
        gap
        for report in terminalreporter.getreports("passed")
        for name, gaps in report.user_properties
        if name == "lateness"
        for gap in gaps
    )
    if late:
        p99 = late[len(late) * 99 // 100]
        terminalreporter.section("lateness of pages after kills")
        terminalreporter.line(
            f"{len(late)} pages: min {late[0]:.0f} s, median {median(late):.0f} s, "
            f"p99 {p99:.0f} s, max {late[-1]:.0f} s after their alert opened; "
            "engines start again after 15 s."
        )


# On servers of the caller's own the role may not be allowed to pass over triggers.
if IS_EMBEDDED:
    use_it()


@pytest.fixture(autouse=True)
def _a_channel_layer_of_its_own(request: pytest.FixtureRequest) -> None:
    """Give a test with an event loop of its own a layer that holds no locks of another's."""
    if request.node.get_closest_marker("asyncio"):
        channel_layers.backends.clear()


@pytest.fixture(autouse=True)
def _no_windows_are_left(request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[None]:
    """Empty the windows after a test that commits; Django leaves a table it did not make alone."""
    yield
    mark = request.node.get_closest_marker("django_db")
    commits = "transactional_db" in request.fixturenames or bool(
        mark and mark.kwargs.get("transaction")
    )
    if commits and not IS_EMBEDDED:
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute("TRUNCATE telemetry_window")
