"""What the tests of the tablet share: a run with every kind of step, a server that may die."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from fleet.models import Site
from runbooks.library.document import RunbookStep, StepOption
from runbooks.library.stored import document_to_json
from runbooks.models import Run, Runbook, RunbookMedia, RunbookVersion
from tests.browser.line import Line
from tests.browser.screens import script
from tests.factories import make_site, make_user
from tests.pure.run_steps import make_document, make_step
from tests.runbooks.run_world import make_run

ROOT = Path(__file__).resolve().parent.parent.parent

#: One step of each kind, in the words of a real job.
EVERY_KIND = (
    make_step(
        "arrive",
        title="Stand in front of rack **A2** and find node-3",
        body="Left aisle, second door. Sign the book at the entrance.",
        is_mandatory=True,
    ),
    make_step(
        "filter",
        "reading",
        title="Take the filter out of the air handler and hold it to the light",
        body="Left side of the rack, grey door, two quarter-turn locks. The fans keep running.",
        expect="Pressure drop on the gauge",
        otherwise="The filter is blocked: go on with step 5, change it.",
        warning="Keep sleeves and lanyard away from the fans.",
        unit="Pa",
        maximum=125.0,
        is_mandatory=True,
        picture="handler.png",
        picture_alt="Filter on the left, fans on the right",
    ),
    make_step(
        "lamp",
        "check",
        title="Look at the lamp of the pump",
        expect="It is green and does not blink.",
        otherwise="Call the owner before you touch the pump.",
    ),
    make_step(
        "kind",
        "branch",
        title="Which air handler is it?",
        options=(StepOption("Stulz", "change"), StepOption("Vertiv", "label")),
    ),
    make_step("change", title="Change the filter"),
    make_step(
        "fans",
        "choice",
        title="How do the fans sound?",
        options=(StepOption("Even", ""), StepOption("Rattling", ""), StepOption("Still", "")),
    ),
    make_step("label", "scan", title="Scan the label of node-3", code="HW-0003"),
    make_step("picture", "photo", title="Photograph the filter"),
    make_step("agree", "confirm", title="The aisle door is closed"),
    make_step(
        "restart",
        title="Restart node-3 with the button at its front",
        warning="Everything that runs on node-3 stops; jobs without a checkpoint are lost.",
        is_destructive=True,
    ),
    make_step("allow", "approval", title="Ask whether the pump may stop", approver="engineer"),
    make_step("cool", "wait", title="Let the room settle", wait_seconds=600),
    make_step(
        "steady",
        "verify",
        title="The inlet of node-3 is cool again",
        metric="hw.temperature",
        unit="Cel",
        maximum=35.0,
    ),
    make_step("call", "escalate", title="Tell the owner how it went"),
    make_step("next", "link", title="Go on with the model check", runbook="book-none"),
)


def drawing(size: int | None = None) -> RunbookMedia:
    """Keep one picture, as runbooks have them; `size` is what is said of it."""
    data = (ROOT / "static/icons/tablet-192.png").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    media, _ = RunbookMedia.objects.get_or_create(
        sha256=digest,
        defaults={
            "content_type": "image/png",
            "name": "handler.png",
            "size": len(data) if size is None else size,
            "data": data,
            "added_at": datetime.now(UTC),
        },
    )
    return media


class RunWorld:
    """Osaka-3 with an operator, a technician and runs."""

    def __init__(self) -> None:
        self.site: Site = make_site(name="Osaka-3", slug="osaka-3")
        self.lead = make_user("operator", self.site, first_name="Aiko", last_name="Sato")
        self.hands = make_user("remote_hands", self.site, first_name="Kim", last_name="Tan")

    def run(self, *steps: RunbookStep, title: str = "Thermal alarm") -> Run:
        version = self.edition(*(steps or EVERY_KIND), title=title)
        return make_run(site=self.site, version=version, by=self.lead, now=datetime.now(UTC))

    def edition(self, *steps: RunbookStep, title: str, of: Run | None = None) -> RunbookVersion:
        if of is None:
            slug = f"job-{Runbook.objects.count() + 1}"
            runbook = Runbook.objects.create(slug=slug, title=title, category="thermal")
        else:
            runbook = of.runbook_version.runbook
        media = (("handler.png", drawing().sha256),)
        document = make_document(*steps, slug=runbook.slug, title=title, media=media)
        number = runbook.versions.count() + 1
        return RunbookVersion.objects.create(
            runbook=runbook,
            number=number,
            content_hash=hashlib.sha256(f"{runbook.slug} {number}".encode()).hexdigest(),
            source="",
            document=document_to_json(document),
            published_at=datetime.now(UTC),
        )


class TabletServer:
    """The real server as its own process, behind a line that may be bad; it can be killed."""

    def __init__(self) -> None:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        listening.close()
        self.line = Line(self.port)
        self.url = f"http://127.0.0.1:{self.line.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on its port; whoever connects first waits for it."""
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        listening.listen(128)
        name = connection.settings_dict["NAME"]
        environment = os.environ | {
            "DATABASE_URL": urlsplit(settings.DATABASE_URL)._replace(path=f"/{name}").geturl(),
            "HEARTHWATCH_BASE_URL": self.url,
        }
        command = [sys.executable, "-m", "uvicorn", "fleet.asgi:application"]
        command += ["--fd", str(listening.fileno()), "--log-level", "warning"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, pass_fds=[listening.fileno()]
        )
        listening.close()

    def be_well(self) -> None:
        """Run, behind a line that loses nothing."""
        self.line.mend()
        if self._process is None:
            self.start()

    def kill(self) -> None:
        """Kill it as a power cut does; its port refuses from then on."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def end(self) -> None:
        if self._process is not None:
            self.kill()
        self.line.close()


class Tablets:
    """Tablets of one test; each is a browser of its own, and what must never be is noted."""

    def __init__(self, chromium: Browser, server: TabletServer) -> None:
        self._chromium, self._server = chromium, server
        self._contexts: list[BrowserContext] = []
        self.wrongs: list[str] = []

    def new(
        self,
        user: Any = None,
        *,
        scripts: Sequence[str] = (),
        installs: bool = True,
        **choices: Any,
    ) -> Tablet:
        """Take a new tablet into the hands of somebody who is logged in, or of nobody.

        One that keeps its network through the test need not install the program.
        """
        plain: dict[str, Any] = {
            "viewport": {"width": 1024, "height": 768},
            "reduced_motion": "reduce",
            "service_workers": "allow" if installs else "block",
        }
        context = self._chromium.new_context(base_url=self._server.url, **(plain | choices))
        self._contexts.append(context)
        for before in scripts:
            context.add_init_script(before)
        if user is not None:
            context.add_cookies([session_cookie(user, self._server.url)])
        return Tablet(context, self.wrongs, installs=installs)

    def close(self) -> None:
        for context in self._contexts:
            context.close()


class Tablet:
    """One tablet: a page that can be closed and opened again, and what a hand does on it."""

    def __init__(self, context: BrowserContext, wrongs: list[str], *, installs: bool) -> None:
        self.context, self._wrongs, self._installs = context, wrongs, installs
        self.page = self._new_page()

    def _new_page(self) -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self._wrongs.append(f"script: {error}"))
        page.on("console", lambda said: self._note(said.text))
        return page

    def _note(self, text: str) -> None:
        if "Content Security Policy" in text:
            self._wrongs.append(text)

    def open(self, path: str) -> Page:
        self.page.goto(path)
        return self.page

    def reopen(self, path: str) -> Page:
        """Close the tab and open another."""
        self.page.close()
        self.page = self._new_page()
        return self.open(path)

    def carry(self, run: Run) -> Page:
        """Open the run and wait until it is all here: program, pack and key."""
        page = self.open(f"/runs/{run.pk}/")
        if self._installs:
            page.evaluate(script("worker_controls"))
        expect(page.locator("#main-act")).to_be_visible()
        page.locator("#banners[aria-busy=false]").wait_for(state="attached")
        expect(page.locator("#banners")).not_to_contain_text("no key")
        return page

    def go_to(self, number: int) -> None:
        self.page.locator("#rail button").nth(number - 1).click()
        self.at(number)

    def at(self, number: int) -> None:
        # Looked at with every frame, where an expectation looks twice a second.
        self.page.locator(".stepno", has_text=f"Step {number} of").wait_for()

    def press_main(self) -> None:
        # The buttons rest for a moment after a press; a click would try again much later.
        self.page.locator("#acts:not([inert])").wait_for()
        self._enter(self.page.locator("#main-act"))

    def enter(self, label: str) -> None:
        """Press what enters something, and wait until the disk has it."""
        self._enter(self.page.get_by_role("button", name=label, exact=True))

    def _enter(self, button: Locator) -> None:
        before = self.page.evaluate(script("until_entered"), None)
        button.click()
        self.page.evaluate(script("until_entered"), before)

    def press(self, label: str) -> None:
        self.page.get_by_role("button", name=label, exact=True).click()

    def give_reason(self, button: str, reason: str) -> None:
        self.press(button)
        self.page.locator("#sheet-words").fill(reason)
        self.enter("Save")

    def take_photo(self, name: str = "tablet-192.png") -> None:
        with self.page.expect_file_chooser() as chooser:
            self.press("Take the photo")
        chooser.value.set_files(ROOT / "static/icons" / name)
        # Made small and kept first: until then the large button takes a photo once more.
        self.page.locator(".photos li").first.wait_for()

    def send_now(self) -> None:
        self.page.locator("#sync").click()
        self.press("Send now")

    def waits(self, count: int) -> None:
        expect(self.page.locator("#sync-words")).to_have_text(f"Saved here, {count} waiting")

    def has_sent_all(self) -> None:
        # The words are those of before until the screen has counted what is on the disk.
        self.page.evaluate(script("until_sent"), None)
        sent = re.compile(r"^All sent \d\d:\d\d UTC")
        expect(self.page.locator("#sync-words")).to_have_text(sent, timeout=90_000)


def session_cookie(user: Any, url: str) -> dict[str, Any]:
    """Return the cookie of somebody who is logged in."""
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value, "url": url}
