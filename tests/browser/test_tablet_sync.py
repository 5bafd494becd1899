"""The outbox under a line that loses answers: each entry arrives once, in its device's order."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from runbooks.models import Run, RunEntry, RunPhoto, RunQuarantine
from runbooks.runs.sheet import written_at
from runbooks.runs.tokens import revoke_device
from tests.browser.screens import elsewhere, script
from tests.browser.tablet_world import RunWorld, Tablet, Tablets, TabletServer
from tests.pure.run_steps import make_step
from tests.pure.run_vectors import cases

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ROUNDS, RUNS = 200, 2


def counters_of(run: Run) -> list[int | None]:
    rows = RunEntry.objects.filter(run=run, counter__isnull=False).order_by("pk")
    return list(rows.values_list("counter", flat=True))


def take_back_the_key(tablet: Tablet, run: Run) -> None:
    """Revoke the key of a tablet that cannot log in for another."""
    device = tablet.page.evaluate(
        "import('/static/js/run/outbox.js').then(({ deviceName }) => deviceName())"
    )
    tablet.context.clear_cookies()
    elsewhere(revoke_device, run=run, device_id=device, now=datetime.now(UTC))


def blank(tablet: Tablet, runs: list[Run]) -> Page:
    """A page that sends nothing by itself, with keys to the runs."""
    page = tablet.open("/static/js/run/db.js")
    page.evaluate(script("take_keys"), [run.pk for run in runs])
    return page


def test_200_random_rounds_lose_nothing_and_double_nothing(
    tablets: Tablets, tablet_server: TabletServer, run_world: RunWorld
) -> None:
    runs = [elsewhere(run_world.run) for _ in range(RUNS)]
    page = blank(tablets.new(run_world.hands, installs=False), runs)
    ids = [run.pk for run in runs]
    written: list[Any] = []
    tablet_server.line.drops, tablet_server.line.cuts = 0.3, 0.2
    written += page.evaluate(script("rounds_of_entries"), [ids, ROUNDS // 2, 1])
    tablet_server.kill()
    written += page.evaluate(script("rounds_of_entries"), [ids, ROUNDS // 4, 2])
    tablet_server.start()
    written += page.evaluate(script("rounds_of_entries"), [ids, ROUNDS // 4, 3])
    assert page.evaluate(script("drain"))

    assert tablet_server.line.lost > 20
    for run in runs:
        mine = [count for run_id, count in written if run_id == run.pk]
        assert elsewhere(counters_of, run) == mine
    assert elsewhere(RunQuarantine.objects.count) == 0


def test_five_hundred_entries_go_in_batches_of_a_hundred(
    tablets: Tablets, tablet_server: TabletServer, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run)
    page = blank(tablets.new(run_world.hands, installs=False), [run])
    sizes: list[int] = []
    page.on(
        "request",
        lambda one: (
            one.url.endswith("/entries")
            and sizes.append(len(json.loads(one.post_data or "")["entries"]))
        ),
    )
    page.evaluate(script("many_entries"), [run.pk, 500])
    assert page.evaluate(script("drain"))
    assert sizes == [100] * 5
    assert elsewhere(counters_of, run) == list(range(1, 501))


def test_each_batch_says_all_that_the_tablet_holds_of_whichever_run(
    tablets: Tablets, run_world: RunWorld
) -> None:
    runs = [elsewhere(run_world.run) for _ in range(2)]
    page = blank(tablets.new(run_world.hands, installs=False), runs)
    said: list[int] = []
    page.on(
        "request",
        lambda one: (
            said.append(one.post_data_json["waiting"]) if one.url.endswith("/entries") else None
        ),
    )
    for run, count in zip(runs, (3, 2), strict=True):
        page.evaluate(script("many_entries"), [run.pk, count])
    assert page.evaluate(script("drain"))
    assert said == [5, 2]


def test_a_clock_that_is_set_right_before_sending_leaves_no_entry_or_timer_wrong(
    tablets: Tablets, run_world: RunWorld
) -> None:
    steps = (make_step("cool", "wait", title="Let it settle", wait_seconds=600), make_step("look"))
    run = elsewhere(run_world.run, *steps)
    tablet = tablets.new(run_world.hands, installs=False, scripts=[script("slow_clock")])
    page = tablet.carry(run)
    tablet.context.set_offline(True)
    tablet.press_main()
    shown = page.locator(".waiting [data-until]")
    before = shown.get_attribute("data-until") or ""
    expect(page.locator("#banners")).to_contain_text("This tablet's clock is 10 min behind")
    tablet.context.route("**/entries", lambda route: route.abort())
    page.evaluate("slow = 0")
    tablet.context.set_offline(False)
    page.evaluate(
        "run => import('/static/js/run/pack.js').then(({ fetchPack }) => fetchPack(run))", run.pk
    )
    tablet.send_now()
    expect(page.locator("#banners")).not_to_contain_text("clock")
    expect(shown).to_have_attribute("data-until", before)

    tablet.context.unroute("**/entries")
    tablet.send_now()
    tablet.has_sent_all()
    entry = elsewhere(RunEntry.objects.get, kind="timer_started")
    assert round(entry.skew_seconds or 0, -1) == -600
    assert entry.received_at - written_at(entry) < timedelta(minutes=5)
    expect(shown).to_have_attribute("data-until", before)


def test_an_entry_changed_on_its_way_is_flagged_and_kept(
    tablets: Tablets, tablet_server: TabletServer, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run)
    tablet = tablets.new(run_world.hands, installs=False)
    tablet.carry(run)
    tablet_server.line.edit_request = lambda path, body: body.replace(b"arrive", b"filter")
    tablet.press_main()
    expect(tablet.page.locator("#banners")).to_contain_text("1 entry was flagged by the server")
    tablet.has_sent_all()
    assert elsewhere(RunQuarantine.objects.get).code == "entry_tampered"


def test_what_a_revoked_key_still_brings_is_kept_for_the_desk(
    tablets: Tablets, tablet_server: TabletServer, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run)
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    take_back_the_key(tablet, run)
    tablet.press_main()
    tablet.has_sent_all()
    expect(page.locator("#banners")).to_contain_text("flagged by the server and kept for the desk")
    page.locator("#sync").click()
    expect(page.locator("#sheet")).to_contain_text("Flagged by the server, kept for the desk")
    assert elsewhere(RunQuarantine.objects.get).code == "token_revoked"


def test_a_photo_of_a_revoked_key_reaches_the_desk_with_its_entry(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run, make_step("picture", "photo", title="Photograph the filter"))
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    take_back_the_key(tablet, run)
    tablet.take_photo()
    tablet.press_main()
    expect(page.locator("#banners")).to_contain_text("flagged by the server and kept for the desk")
    tablet.has_sent_all()
    assert elsewhere(RunPhoto.objects.get).run == run

    desk = tablets.new(run_world.lead, installs=False)
    aside = desk.open("/runs/quarantine/").get_by_role("img", name="Photo 1 by Kim Tan")
    expect(aside).to_have_js_property("naturalWidth", 192)
    desk.page.get_by_role("button", name="Take it in").click()
    expect(desk.page.get_by_role("heading", level=1)).to_have_text("Nothing is kept aside")
    logged = desk.open(f"/runs/{run.pk}/watch/").locator(".runlog").get_by_role("img")
    expect(logged).to_have_js_property("naturalWidth", 192)


def test_a_photo_that_the_server_has_leaves_the_tablet_and_may_be_taken_again(
    tablets: Tablets, run_world: RunWorld
) -> None:
    steps = (make_step("before", "photo", title="Photograph the filter before"),)
    steps += (make_step("after", "photo", title="Photograph the filter after"),)
    run = elsewhere(run_world.run, *steps)
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    tablet.take_photo()
    page.evaluate(script("until_photos"), [run.pk, [["draft", True]]])
    tablet.press_main()
    page.evaluate(script("until_photos"), [run.pk, [["sent", False]]])
    tablet.take_photo()
    expect(page.locator(".photos img")).to_have_js_property("naturalWidth", 192)
    tablet.press_main()
    page.evaluate(script("until_photos"), [run.pk, [["sent", False]]])
    assert elsewhere(RunPhoto.objects.count) == 1


def test_a_photo_too_large_for_what_stands_before_the_server_is_sent_again(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run, make_step("picture", "photo", title="Photograph the filter"))
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    tablet.context.route("**/photos/*", lambda route: route.fulfill(status=413, body="<html>"))
    tablet.take_photo()
    tablet.press_main()
    tablet.waits(1)
    tablet.context.unroute("**/photos/*")
    tablet.send_now()
    page.evaluate(script("until_photos"), [run.pk, [["sent", False]]])
    assert elsewhere(RunPhoto.objects.get).run == run


def test_a_photo_that_the_server_never_takes_is_said_to_be_only_here(
    tablets: Tablets, run_world: RunWorld
) -> None:
    run = elsewhere(run_world.run, make_step("picture", "photo", title="Photograph the filter"))
    tablet = tablets.new(run_world.hands, installs=False)
    page = tablet.carry(run)
    refusal = {"code": "photo_type", "message": "This is no image."}
    tablet.context.route("**/photos/*", lambda route: route.fulfill(status=415, json=refusal))
    tablet.take_photo()
    tablet.press_main()
    expect(page.locator("#banners")).to_contain_text(
        "The server does not take a photo: it is on this tablet alone."
    )
    expect(page.locator("#main")).to_contain_text("All entries are on the server, not all photos.")
    page.locator("#sync").click()
    expect(page.locator("#sheet")).not_to_contain_text("Everything")
    expect(page.locator("#sheet")).to_contain_text("This is no image.")
    expect(page.locator("#sheet")).to_contain_text("The run was heard of last at")


def test_the_tablet_and_the_server_agree_where_a_run_stands(
    tablets: Tablets, run_world: RunWorld
) -> None:
    page = tablets.new(run_world.hands, installs=False).open("/static/js/run/db.js")
    found = page.evaluate(script("progress"), cases())
    assert found == [case["expect"] for case in cases()]
