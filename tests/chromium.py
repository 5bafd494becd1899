"""Where the browser of the tests is, and how it is started."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
#: What Playwright turns off by itself; a second list, as ours is, takes the place of the first.
PLAYWRIGHTS = (
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
)
#: What each window would load unseen, which costs more than the window itself: two pages of the
#: address bar, and a process in wait for another site.
UNSEEN = (
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    "SpareRendererForSitePerProcess",
)
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    # A camera that shows a test picture, to pages that may use one.
    "--use-fake-device-for-media-stream",
    f"--disable-features={','.join((*PLAYWRIGHTS, *UNSEEN))}",
]


def chromium_path() -> str | None:
    """Return the path of a Chromium, None where there is none."""
    given = os.environ.get("PLAYWRIGHT_CHROMIUM")
    found = given or next(filter(None, map(shutil.which, NAMES)), None)
    return found if found and Path(found).exists() else None


def find_chromium() -> str:
    """Return the path of a Chromium, or fail the tests with a sentence: no browser, no proof."""
    found = chromium_path()
    if found is None:
        pytest.fail(
            "No Chromium was found, so the screens are not tested. Install one (Debian: apt "
            "install chromium) or set PLAYWRIGHT_CHROMIUM to its program.",
            pytrace=False,
        )
    return found
