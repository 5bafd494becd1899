"""What is wrong with a screen of the tablet: light and dark, narrow and wide."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.screens import RULES

SIZES = ((1920, 1080), (1024, 768), (768, 1024), (390, 844))
#: 1024 px at 200 % zoom.
ZOOMED = (512, 384)
#: The rules that another colour scheme can break; all others are asked once.
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}
VIOLATIONS = {"resultTypes": ["violations"]}


def faults_of(page: Page) -> list[str]:
    """Return what axe has against the screen, light and dark, and what is wider than it."""
    faults = []
    if not page.evaluate("'axe' in globalThis"):
        page.evaluate(Axe().axe_script)
    for scheme, options in (("light", RULES), ("dark", COLOURS)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found = page.evaluate("options => axe.run(options)", options | VIOLATIONS)
        faults += [
            f"{scheme}: {one['id']} {one['nodes'][0]['target']}" for one in found["violations"]
        ]
    for width, height in (*SIZES, ZOOMED):
        page.set_viewport_size({"width": width, "height": height})
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults.append(f"{width}: wider than the screen")
    page.set_viewport_size({"width": 1024, "height": 768})
    return faults
