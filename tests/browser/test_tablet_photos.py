"""Photos on a tablet: made small, turned the right way, and no more than go with one entry."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from runbooks.models import RunEntry, RunQuarantine
from tests.browser.screens import elsewhere, script
from tests.browser.tablet_world import ROOT, RunWorld, Tablets
from tests.pure.run_steps import make_step

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MOST_BYTES = 2_000_000


def test_the_eleventh_photo_of_an_entry_is_refused_and_the_ten_arrive(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run, make_step("picture", "photo", title="Photograph the filter"))
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    page.evaluate(script("keep_photos"), [run.pk, "picture", 10])
    page = tablet.reopen(f"/runs/{run.pk}/")
    expect(page.locator(".photos li")).to_have_count(10)
    with page.expect_file_chooser() as chooser:
        tablet.press("Photo")
    chooser.value.set_files(ROOT / "static/icons/tablet-192.png")
    expect(page.locator("#alarm")).to_have_text(
        "Ten photos go with one entry; write a note for more."
    )
    expect(page.locator(".photos li")).to_have_count(10)
    tablet.press_main()
    tablet.has_sent_all()
    assert len(elsewhere(RunEntry.objects.get, kind="step_done").evidence) == 10
    assert elsewhere(RunQuarantine.objects.count) == 0


@pytest.mark.parametrize(
    ("taken", "kept"),
    [((2400, 1800), (1600, 1200)), ((1000, 2000), (800, 1600)), ((300, 200), (300, 200))],
)
def test_the_longer_side_of_a_photo_is_made_1600_pixels_and_never_longer_than_it_was(
    tablets: Tablets, run_world: RunWorld, taken: tuple[int, int], kept: tuple[int, int]
) -> None:
    page = tablets.new(run_world.hands, installs=False).open("/static/js/run/db.js")
    found = page.evaluate(script("shrink_noise"), list(taken))
    assert (found["type"], found["wide"], found["high"]) == ("image/jpeg", *kept)
    assert found["size"] <= MOST_BYTES


def test_a_photo_that_is_too_many_bytes_at_its_best_quality_is_kept_at_a_lower_one(
    tablets: Tablets, run_world: RunWorld
) -> None:
    page = tablets.new(run_world.hands, installs=False).open("/static/js/run/db.js")
    found = page.evaluate(script("shrink_noise"), [1600, 1600])
    assert (found["wide"], found["high"]) == (1600, 1600)
    assert found["size"] <= MOST_BYTES < found["best"]


def test_a_photo_taken_upright_is_kept_upright_and_without_what_the_camera_wrote_into_it(
    tablets: Tablets, run_world: RunWorld
) -> None:
    page = tablets.new(run_world.hands, installs=False).open("/static/js/run/db.js")
    found = page.evaluate(script("shrink_turned"))
    assert found == {"size": [20, 40], "top": "red", "bottom": "blue", "hasExif": False}
