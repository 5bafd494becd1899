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
from playwright.sync_api import Page, Route, WebSocketRoute

T = TypeVar("T")
SIZES = ((1920, 1080), (1024, 768), (390, 844))
#: Axe is asked at both ends: a screen between them is made of the parts of one or the other.
ENDS = (SIZES[0], SIZES[-1])
RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}

#: Of what is well axe tells all, too, element by element; nobody reads that, and it takes longest.
VIOLATIONS = {"resultTypes": ["violations"]}
AXE = Axe().axe_script

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


def without_news(page: Page) -> None:
    """Let pages be opened and acted upon, and nothing they show be fetched anew."""

    def answer(route: Route) -> None:
        request = route.request
        is_news = request.method == "GET" and "hx-request" in request.headers
        route.abort() if is_news else route.fallback()

    page.route("**/*", answer)


def against(page: Page, rules: dict[str, Any]) -> list[str]:
    """Return what axe has against the page as it stands: each broken rule and its first element."""
    if not page.evaluate("'axe' in globalThis"):
        page.evaluate(AXE)
    ask = "async (options) => (await axe.run(options)).violations"
    found = page.evaluate(ask, rules | VIOLATIONS)
    return [f"{one['id']} {one['nodes'][0]['target']}" for one in found]


def faults_at_every_size(page: Page) -> list[str]:
    """Return what axe has against the page, and the sizes at which it is wider than the screen."""
    faults = []
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        if (width, height) in ENDS:
            faults += [f"{width}: {fault}" for fault in against(page, RULES)]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults.append(f"{width}: wider than the screen")
    return faults


class Line:
    """The live line in the test's own hands; with `greets` it says hello to whoever connects."""

    def __init__(self) -> None:
        self.ends: list[WebSocketRoute] = []
        self.greets = True
        #: What is done while a browser waits to be greeted: its page is made, its line not open.
        self.meanwhile: Callable[[], object] = bool

    def take(self, page: Page) -> None:
        page.clock.install()
        page.route_web_socket(re.compile("/ws/live/"), self._connected)

    def say(self, event: str, **more: object) -> None:
        at = datetime.now(UTC).isoformat()
        self.ends[-1].send(json.dumps({"event": event, "at": at, "newest": at, **more}))

    def _connected(self, end: WebSocketRoute) -> None:
        self.ends.append(end)
        self.meanwhile()
        if self.greets:
            self.say("hello")
