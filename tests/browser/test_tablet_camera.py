"""Scanning with the tablet's camera: a real stream of Chromium's test camera, and a label in view.

The reader of barcodes stands in for the browser's own, which Chromium has on few systems only.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from runbooks.models import Run, RunEntry
from tests.browser.screens import elsewhere, script
from tests.browser.tablet_faults import faults_of
from tests.browser.tablet_world import RunWorld, Tablet, Tablets
from tests.pure.run_steps import make_step

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

CAMERA = "What the camera sees"


def scan_run(world: RunWorld) -> Run:
    return elsewhere(
        world.run,
        make_step("label", "scan", title="Scan the label of node-3", code="HW-0003"),
        make_step("after", title="Go on"),
    )


def hold(page: Page, *labels: str) -> None:
    """Hold these labels before the camera."""
    page.evaluate("labels => { globalThis.labels = labels; }", list(labels))


def is_camera(page: Page, state: str) -> None:
    expect(page.locator("html")).to_have_attribute("data-camera", state)


def scanner(
    tablets: Tablets, world: RunWorld, *, permissions: tuple[str, ...], more: tuple[str, ...] = ()
) -> Tablet:
    return tablets.new(
        world.hands,
        installs=False,
        scripts=[script(name) for name in ("label_reader", "camera_told", *more)],
        permissions=list(permissions),
    )


def test_a_label_that_the_camera_sees_is_read_judged_and_entered(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = scan_run(run_world)
    tablet = scanner(tablets, run_world, permissions=("camera",))
    page = tablet.carry(run)
    tablet.press("Use the camera")
    expect(page.get_by_label(CAMERA)).to_have_js_property("readyState", 4)
    expect(page.locator("#code")).to_have_value("")
    assert faults_of(page) + page.evaluate(script("small_targets"), 48) == []

    hold(page, "HW-0004")
    expect(page.locator("#code")).to_have_value("HW-0004")
    expect(page.locator("#scan-out")).to_have_text(
        "Another code: HW-0003 is expected. See that you are at the right place."
    )
    expect(page.get_by_label(CAMERA)).to_have_count(0)
    is_camera(page, "off")
    tablet.press_main()
    expect(page.locator(".sides")).to_contain_text("HW-0004, another code")

    tablet.press("Enter it again")
    hold(page, "HW-0003")
    tablet.press("Use the camera")
    expect(page.locator("#scan-out")).to_have_text("The right code.")
    tablet.press_main()
    tablet.at(2)
    tablet.has_sent_all()
    is_camera(page, "off")
    entries = elsewhere(lambda: list(RunEntry.objects.filter(step_id="label").order_by("pk")))
    assert [entry.input for entry in entries] == [
        {"code": "HW-0004", "is_match": False},
        {"code": "HW-0003", "is_match": True},
    ]


def test_a_code_with_separators_is_shown_judged_and_kept_with_their_pictures(
    tablets: Tablets, run_world: RunWorld
) -> None:
    label = make_step("label", "scan", title="Scan the label", code="0109521101530001␝21AB")
    run = elsewhere(run_world.run, label)
    tablet = scanner(tablets, run_world, permissions=("camera",))
    page = tablet.carry(run)
    hold(page, "0109521101530001\x1d21AB")
    tablet.press("Use the camera")
    expect(page.locator("#scan-out")).to_have_text("The right code.")
    expect(page.locator("#code")).to_have_value("0109521101530001␝21AB")
    tablet.press_main()
    tablet.has_sent_all()
    entry = elsewhere(RunEntry.objects.get, step_id="label")
    assert entry.input == {"code": "0109521101530001␝21AB", "is_match": True}


def test_the_camera_is_off_once_it_is_stopped_or_the_step_is_left(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = scan_run(run_world)
    tablet = scanner(tablets, run_world, permissions=("camera",))
    page = tablet.carry(run)
    tablet.press("Use the camera")
    expect(page.get_by_label(CAMERA)).to_be_visible()
    tablet.press("Stop the camera")
    expect(page.get_by_label(CAMERA)).to_have_count(0)
    is_camera(page, "off")
    tablet.press("Use the camera")
    expect(page.get_by_label(CAMERA)).to_have_js_property("readyState", 4)
    is_camera(page, "on")
    tablet.go_to(2)
    is_camera(page, "off")


def test_a_camera_that_is_started_again_at_once_stays_on(
    tablets: Tablets, run_world: RunWorld
) -> None:
    tablet = scanner(tablets, run_world, permissions=("camera",), more=("slow_camera",))
    page = tablet.carry(scan_run(run_world))
    tablet.press("Use the camera")
    expect(page.get_by_label(CAMERA)).to_have_js_property("readyState", 4)
    tablet.press("Stop the camera")
    tablet.press("Use the camera")
    expect(page.get_by_label(CAMERA)).to_have_js_property("readyState", 4)
    expect(page.get_by_role("button", name="Stop the camera")).to_be_visible()


def test_where_the_camera_is_refused_the_code_is_written(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = scan_run(run_world)
    tablet = scanner(tablets, run_world, permissions=())
    page = tablet.carry(run)
    tablet.press("Use the camera")
    expect(page.locator("#fault")).to_have_text(
        "This tablet may not use its camera. Allow it in the browser's settings, or write the code."
    )
    expect(page.get_by_role("button", name="Use the camera")).to_be_visible()
    assert faults_of(page) == []
    page.get_by_label("Code on the label").fill("HW-0003")
    # A hand scanner ends with Enter.
    page.get_by_label("Code on the label").press("Enter")
    tablet.at(2)


def test_a_tablet_whose_browser_reads_no_codes_offers_no_camera(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = scan_run(run_world)
    tablet = tablets.new(
        run_world.hands, installs=False, scripts=["delete globalThis.BarcodeDetector;"]
    )
    page = tablet.carry(run)
    expect(page.get_by_role("button", name="Use the camera")).to_have_count(0)
    tablet.press_main()
    expect(page.locator("#fault")).to_have_text("Scan the code or write it, then press Done.")
    expect(page.get_by_label("Code on the label")).to_be_focused()
