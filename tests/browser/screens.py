"""What the browser tests share: sizes, axe, work done elsewhere, the live line in one's hands."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from axe_playwright_python.sync_playwright import Axe
from django.db import connections
from playwright.sync_api import Page, WebSocketRoute

T = TypeVar("T")
SIZES = ((1920, 1080), (1024, 768), (390, 844))
RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}

SCRIPTS = Path(__file__).parent / "scripts"


def script(name: str) -> str:
    """Return a function that is run in a page."""
    return (SCRIPTS / f"{name}.js").read_text(encoding="utf-8")


def elsewhere(work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Return what `work` returns, done in another thread: what it publishes goes out from there."""

    def run() -> T:
        try:
            return work(*args, **kwargs)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(run).result()


def settle(page: Page) -> Page:
    """Wait until the live line is open, so that what happens next is heard."""
    page.wait_for_selector("html[data-line=open]", state="attached")
    return page


def faults_at_every_size(page: Page) -> list[str]:
    """Return what axe has against the page, and where it is wider than the screen."""
    faults = []
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        found = Axe().run(page, options=RULES)
        faults += [
            f"{width}: {one['id']} {one['nodes'][0]['target']}"
            for one in found.response["violations"]
        ]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults.append(f"{width}: wider than the screen")
    return faults


class Line:
    """The live line in the test's own hands; with `greets` it says hello to whoever connects."""

    def __init__(self) -> None:
        self.ends: list[WebSocketRoute] = []
        self.greets = True

    def take(self, page: Page) -> None:
        page.clock.install()
        page.route_web_socket(re.compile("/ws/live/"), self._connected)

    def say(self, event: str, **more: object) -> None:
        at = datetime.now(UTC).isoformat()
        self.ends[-1].send(json.dumps({"event": event, "at": at, "newest": at, **more}))

    def _connected(self, end: WebSocketRoute) -> None:
        self.ends.append(end)
        if self.greets:
            self.say("hello")
