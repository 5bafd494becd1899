"""How the tablet feels: opened without the server, from a tap to "saved" and to "all sent".

A real headless Chromium with a profile on the disk, so that the program, the pack and the entries
are kept as on a tablet. Each figure is taken twice: as the machine is, and with the page's
processor slowed four times, which is nearer to a tablet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, Playwright, expect, sync_playwright

from bench.report import Figure, spread
from runbooks.models import Run, RunEntry
from tests.browser.screens import script
from tests.browser.tablet_world import session_cookie
from tests.chromium import FLAGS, chromium_path
from tests.factories import make_site, make_user
from tests.processes import Processes
from tests.pure.run_steps import make_step
from tests.runbooks.run_world import make_run

STARTS, TAPS = 12, 30
SLOWED = {1: "", 4: ", processor slowed 4 times"}
SCRIPTS = Path(__file__).parent / "scripts"


def measure_tablet(processes: Processes) -> list[Figure]:
    """Return how long a cold start offline takes, a tap to "saved", and a tap to "all sent"."""
    program = chromium_path()
    if program is None:
        return [Figure("tablet", "not measured", "chromium is not installed")]
    run = _run()
    cookie = session_cookie(make_user("remote_hands", run.site), processes.url)
    with sync_playwright() as playwright:
        tablet = _Tablet(playwright, program, processes, run)
        tablet.install(cookie)
        taps = {slowed: tablet.tap(slowed) for slowed in SLOWED}
        processes.kill("web")
        try:
            starts = {slowed: tablet.start(slowed) for slowed in SLOWED}
        finally:
            processes.start("web")
    arrived = RunEntry.objects.filter(run=run, kind=RunEntry.Kind.STEP_DONE).count()
    if arrived != TAPS * len(SLOWED):
        raise SystemExit(f"Only {arrived} of {TAPS * len(SLOWED)} taps are on the server.")
    return [
        *(_start_figure(slowed, times) for slowed, times in starts.items()),
        *(figure for slowed, times in taps.items() for figure in _tap_figures(slowed, times)),
    ]


class _Tablet:
    """One tablet: a profile on the disk that a new browser opens each time."""

    def __init__(
        self, playwright: Playwright, program: str, processes: Processes, run: Run
    ) -> None:
        self._playwright, self._program = playwright, program
        self._profile = processes.folder / "tablet-profile"
        self._address = f"{processes.url}/runs/{run.pk}/"

    def install(self, cookie: dict[str, Any]) -> None:
        """Open the run once with network, and close it when all of it is on the disk."""
        with self._opened() as context:
            context.add_cookies([cookie])
            page = context.new_page()
            page.goto(self._address)
            page.evaluate(script("worker_controls"))
            expect(page.locator("#banners")).not_to_contain_text("no key", timeout=15_000)

    def start(self, slowed: int) -> list[float]:
        """Return the milliseconds from the address to a step on the screen, a new browser each."""
        times = []
        for _ in range(STARTS):
            with self._opened() as context:
                page = _slow(context, slowed)
                page.add_init_script(_script("until_shown"))
                page.goto(self._address)
                times.append(float(page.evaluate("shown")))
        return times

    def tap(self, slowed: int) -> list[tuple[float, float]]:
        """Return for each tap the milliseconds to "saved" and to "all sent"."""
        with self._opened() as context:
            page = _slow(context, slowed)
            page.goto(self._address)
            page.locator("#main-act").wait_for()
            taps = page.evaluate(_script("taps"), TAPS)
        return [(saved, sent) for saved, sent in taps]

    @contextmanager
    def _opened(self) -> Iterator[BrowserContext]:
        context = self._playwright.chromium.launch_persistent_context(
            self._profile,
            executable_path=self._program,
            args=FLAGS,
            viewport={"width": 1024, "height": 768},
        )
        yield context
        context.close()


def _slow(context: BrowserContext, slowed: int) -> Page:
    page = context.new_page()
    line = context.new_cdp_session(page)
    line.send("Emulation.setCPUThrottlingRate", {"rate": slowed})
    return page


def _run() -> Run:
    """Start a run with a step for each tap and one that stays open."""
    site = make_site()
    total = TAPS * len(SLOWED) + 1
    steps = [make_step(f"s{number}", title=f"Do part {number}") for number in range(1, total + 1)]
    return make_run(*steps, site=site, now=datetime.now(UTC))


def _script(name: str) -> str:
    return (SCRIPTS / f"{name}.js").read_text(encoding="utf-8")


def _start_figure(slowed: int, times: list[float]) -> Figure:
    return Figure(
        f"tablet: cold start offline{SLOWED[slowed]}",
        spread(times),
        f"{STARTS} starts of a new browser, server killed; from the address to a step on the "
        "screen, the browser's own start not counted",
    )


def _tap_figures(slowed: int, times: list[tuple[float, float]]) -> list[Figure]:
    words, how = SLOWED[slowed], f"{TAPS} taps at {TAPS} steps, one after the other"
    return [
        Figure(
            f"tablet: tap to saved{words}",
            spread([saved for saved, _ in times]),
            f"{how}; in IndexedDB with strict durability, and the word on the screen",
        ),
        Figure(
            f"tablet: tap to server{words}",
            spread([sent for _, sent in times]),
            f"{how}; until the screen says that all is sent",
        ),
    ]
