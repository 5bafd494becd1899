"""Where the browser of the tests is, and how it is started."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def find_chromium() -> str:
    """Return the path of a Chromium, or fail the tests with a sentence: no browser, no proof."""
    given = os.environ.get("PLAYWRIGHT_CHROMIUM")
    found = given or next(filter(None, map(shutil.which, NAMES)), None)
    if not found or not Path(found).exists():
        pytest.fail(
            "No Chromium was found, so the screens are not tested. Install one (Debian: apt "
            "install chromium) or set PLAYWRIGHT_CHROMIUM to its program.",
            pytrace=False,
        )
    return found
