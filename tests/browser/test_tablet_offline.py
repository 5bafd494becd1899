"""A run with the network down: nothing is lost, nothing is twice, and everybody is told."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import expect

from runbooks.models import Run, RunEntry, RunPhoto
from runbooks.runs.services import abandon_run
from tests.browser.screens import elsewhere
from tests.browser.tablet_world import RunWorld, Tablet, Tablets, TabletServer
from tests.pure.run_steps import make_step

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NO_SYNC = "delete globalThis.SyncManager;"
#: A tablet whose clock is ten minutes ahead.
WRONG_CLOCK = """{
  const Right = Date;
  globalThis.Date = class extends Right {
    constructor(...given) { given.length ? super(...given) : super(Right.now() + 600000); }
    static now() { return Right.now() + 600000; }
  };
}"""
PHOTOS, UNABLE = (10, 20, 30), (15, 25)


def long_job(length: int) -> list[Any]:
    """Steps of which the third is a reading, and up to three are photos."""
    kinds = {3: "reading", **dict.fromkeys(PHOTOS, "photo")}
    steps = []
    for number in range(1, length + 1):
        kind = kinds.get(number, "instruction")
        facts = {"unit": "Cel"} if kind == "reading" else {}
        steps.append(make_step(f"s{number}", kind, title=f"Do part {number}", **facts))
    return steps


def do_step(tablet: Tablet, number: int) -> None:
    tablet.at(number)
    if number in UNABLE:
        tablet.give_reason("Cannot do", "The door is locked.")
        return
    if number == 3:
        tablet.page.locator("#reading").fill("21,5")
    if number in PHOTOS:
        tablet.take_photo("tablet-192.png" if number == 10 else "tablet-512.png")
        expect(tablet.page.locator("#main-act")).to_have_text("Done")
    tablet.press_main()


@pytest.mark.parametrize(
    ("scripts", "length", "photos"),
    [((), 45, 2), ((NO_SYNC,), 20, 2)],
    ids=["background-sync", "no-background-sync"],
)
def test_a_whole_job_without_network_arrives_once_and_in_order(
    tablets: Tablets,
    tablet_server: TabletServer,
    run_world: RunWorld,
    scripts: tuple[str, ...],
    length: int,
    photos: int,
) -> None:
    job = long_job(length)
    run = elsewhere(run_world.run, *job)
    first = tablets.new(run_world.hands, scripts=scripts)
    second = tablets.new(run_world.lead, scripts=[NO_SYNC, WRONG_CLOCK])
    first.carry(run)
    second.carry(run)

    tablet_server.kill()
    first.page.reload()
    expect(first.page.get_by_role("heading", level=1)).to_have_text("Do part 1")
    first.open("/tablet/").get_by_role("link", name=re.compile("Osaka-3")).click()
    for number in range(1, length + 1):
        do_step(first, number)
    first.waits(length + photos)
    first.reopen("/tablet/")
    first.waits(length + photos)

    second.go_to(3)
    second.page.locator("#reading").fill("30")
    second.press_main()
    for number in (4, 5, 6):
        second.at(number)
        second.give_reason("Cannot do", "Not here.")
    second.waits(4)
    second.page.close()

    elsewhere(run_world.edition, *job, title="Thermal alarm", of=run)
    elsewhere(abandon_run, run=run, by=run_world.lead, reason="Sold.", now=datetime.now(UTC))
    tablet_server.line.loses, tablet_server.line.drops = 1, 0.3
    tablet_server.start()
    first.page.locator("#sync").click()
    first.has_sent_all()
    second.page = second.context.new_page()
    second.open(f"/runs/{run.pk}/")
    second.has_sent_all()

    assert tablet_server.line.lost > 0
    assert_all_is_there(run, length)
    assert_the_screen_tells(second)


def assert_all_is_there(run: Run, length: int) -> None:
    entries = elsewhere(lambda: list(RunEntry.objects.filter(run=run, counter__isnull=False)))
    by_device = Counter(entry.device_id for entry in entries)
    assert sorted(by_device.values()) == [4, length]
    for device in by_device:
        counters = [entry.counter for entry in entries if entry.device_id == device]
        assert counters == list(range(1, len(counters) + 1))
    assert all(entry.is_after_end for entry in entries)
    assert {entry.runbook_version_id for entry in entries} == {run.runbook_version_id}
    skews = {
        device: [e.skew_seconds for e in entries if e.device_id == device] for device in by_device
    }
    [wrong] = [skew for skew in skews.values() if len(skew) == 4]
    assert all(abs((seconds or 0) - 600) < 60 for seconds in wrong)
    photos = {sha for entry in entries for sha in entry.evidence}
    kept = elsewhere(lambda: set(RunPhoto.objects.filter(run=run).values_list("sha256", flat=True)))
    assert len(photos) == 2
    assert photos == kept


def assert_the_screen_tells(tablet: Tablet) -> None:
    banners = tablet.page.locator("#banners")
    expect(banners).to_contain_text("Your entries are still kept")
    expect(banners).to_contain_text("10 min ahead of the server's")
    expect(banners).to_contain_text("Version 2 is out")
    for number in (3, 4, 5, 6):
        tablet.go_to(number)
        expect(tablet.page.locator(".sides .said")).to_have_count(2)
