"""What is wrong with a screen of the tablet: light and dark, narrow and wide."""

from __future__ import annotations

from typing import Any, Literal

from playwright.sync_api import Page

from tests.browser.screens import RULES, against, script

SIZES = ((1920, 1080), (1024, 768), (768, 1024), (390, 844))
#: 1024 px at 200 % zoom.
ZOOMED = (512, 384)
#: The rules that another colour scheme can break; all others are asked once.
COLOURS: dict[str, Any] = {"runOnly": ["color-contrast", "link-in-text-block"]}


def faults_of(page: Page) -> list[str]:
    """Return what axe has against the screen, light and dark, and what is wider than it."""
    return _complaints(page, "light", RULES) + _complaints(page, "dark", COLOURS) + _too_wide(page)


def faults_with_gloves_and_without(page: Page) -> list[str]:
    """Return the faults of a screen and its small targets, as they are and in gloves mode."""
    faults = faults_of(page) + page.evaluate(script("small_targets"), 48)
    page.evaluate("document.documentElement.dataset.gloves = 'on'")
    faults += _complaints(page, "light", RULES) + _too_wide(page)
    faults += page.evaluate(script("small_targets"), 64)
    page.evaluate("document.documentElement.dataset.gloves = 'off'")
    return faults


def _complaints(page: Page, scheme: Literal["light", "dark"], options: dict[str, Any]) -> list[str]:
    page.emulate_media(color_scheme=scheme)
    return [f"{scheme}: {fault}" for fault in against(page, options)]


def _too_wide(page: Page) -> list[str]:
    faults = []
    for width, height in (*SIZES, ZOOMED):
        page.set_viewport_size({"width": width, "height": height})
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults.append(f"{width}: wider than the screen")
    page.set_viewport_size({"width": 1024, "height": 768})
    return faults
