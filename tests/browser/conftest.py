"""A real Chromium against the real server: uvicorn as its own process, on the test database."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from fleet.models import Site
from runbooks.models import Alert
from tests.browser.screens import elsewhere
from tests.browser.tablet_world import RunWorld, Tablets, TabletServer
from tests.chromium import FLAGS, find_chromium
from tests.factories import make_user
from tests.noc.fleet_world import make_fleet, make_incidents

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent
#: The base64url of 32 bytes: a key of the tests alone.
VAPID_PRIVATE_KEY = "A" * 42 + "E"
OpenPage = Callable[..., Page]
#: What a page is waited for: a failure takes as long, a machine that is busy fails nothing.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep this folder in one worker: its tests share one browser and one server."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser for this folder; gone before asynchronous tests elsewhere need the loop."""
    program = find_chromium()
    # The browser's driver keeps an event loop in this thread; Django would take us for async code.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def server(django_db_setup: None) -> Iterator[str]:
    """The address of a running server; it is waited for by whoever connects first."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    port = listening.getsockname()[1]
    database = urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}")
    environment = os.environ | {
        "DATABASE_URL": database.geturl(),
        "HEARTHWATCH_BASE_URL": f"http://127.0.0.1:{port}",
        "HEARTHWATCH_DEMO": "true",
        "HEARTHWATCH_VAPID_PRIVATE_KEY": VAPID_PRIVATE_KEY,
        "HEARTHWATCH_VAPID_SUBJECT": "mailto:ops@hearthwatch.example",
    }
    command = [sys.executable, "-m", "uvicorn", "fleet.asgi:application"]
    command += ["--fd", str(listening.fileno()), "--log-level", "warning"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=[listening.fileno()])
    listening.close()
    yield f"http://127.0.0.1:{port}"
    # Killed, not asked: a browser's open line may hold a graceful end for longer than we wait.
    process.kill()
    process.wait()


@pytest.fixture(scope="package")
def tablet_server(django_db_setup: None) -> Iterator[TabletServer]:
    """A server that may be killed, behind a line that may be bad."""
    server = TabletServer()
    yield server
    server.end()


@pytest.fixture
def tablets(
    chromium: Browser, tablet_server: TabletServer, transactional_db: None
) -> Iterator[Tablets]:
    """Tablets, one browser context each, on a server that runs and a line that is good."""
    tablet_server.be_well()
    made = Tablets(chromium, tablet_server)
    yield made
    made.close()
    assert made.wrongs == []


@pytest.fixture
def run_world(transactional_db: None) -> RunWorld:
    """Osaka-3, somebody at the desk, somebody at the rack."""
    return elsewhere(RunWorld)


@pytest.fixture
def open_page(chromium: Browser, server: str, transactional_db: None) -> Iterator[OpenPage]:
    """A function that opens a page for a user (None: nobody) and fails on what must never be."""
    contexts: list[BrowserContext] = []
    wrongs: list[str] = []

    def open_it(
        user: Any,
        path: str = "/",
        *,
        width: int = 1024,
        height: int = 768,
        dark: bool = False,
        scripts: bool = True,
        before: Callable[[Page], object] = bool,
    ) -> Page:
        context = chromium.new_context(
            base_url=server,
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            java_script_enabled=scripts,
        )
        contexts.append(context)
        if user is not None:
            client = Client()
            client.force_login(user)
            value = client.cookies[settings.SESSION_COOKIE_NAME].value
            context.add_cookies(
                [{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": server}]
            )
        page = context.new_page()
        page.on("pageerror", lambda error: wrongs.append(f"script: {error}"))
        page.on("console", lambda said: _note_violation(said.text, wrongs))
        page.on("request", lambda request: _note_stranger(request.url, server, wrongs))
        before(page)
        page.goto(path)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert wrongs == []


@pytest.fixture
def sites(transactional_db: None) -> dict[str, Site]:
    """A fleet that is well."""
    return elsewhere(make_fleet, now=datetime.now(UTC))


@pytest.fixture
def alerts(sites: dict[str, Site]) -> dict[str, Alert]:
    """The same fleet with its incidents."""
    return elsewhere(make_incidents, sites, now=datetime.now(UTC))


@pytest.fixture
def operator(transactional_db: None) -> Any:
    """Somebody who may answer everywhere."""
    return elsewhere(make_user, "operator", first_name="Aiko", last_name="Sato")


def _note_violation(text: str, wrongs: list[str]) -> None:
    if "Content Security Policy" in text or "Content-Security-Policy" in text:
        wrongs.append(text)


def _note_stranger(url: str, server: str, wrongs: list[str]) -> None:
    is_ours = url.startswith((server, server.replace("http", "ws"), "data:", "blob:"))
    if not is_ours:
        wrongs.append(f"request to another host: {url}")
