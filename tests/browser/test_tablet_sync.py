"""The outbox under a line that loses answers: each entry arrives once, in its device's order."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from runbooks.models import Run, RunEntry, RunQuarantine
from runbooks.runs.tokens import revoke_device
from tests.browser.screens import elsewhere, script
from tests.browser.tablet_world import RunWorld, Tablet, Tablets, TabletServer
from tests.pure.run_vectors import cases

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ROUNDS, RUNS = 200, 2


def counters_of(run: Run) -> list[int | None]:
    rows = RunEntry.objects.filter(run=run, counter__isnull=False).order_by("pk")
    return list(rows.values_list("counter", flat=True))


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
    device = page.evaluate(
        "import('/static/js/run/outbox.js').then(({ deviceName }) => deviceName())"
    )
    tablet.context.clear_cookies()
    elsewhere(revoke_device, run=run, device_id=device, now=datetime.now(UTC))
    tablet.press_main()
    tablet.has_sent_all()
    expect(page.locator("#banners")).to_contain_text("flagged by the server and kept for the desk")
    page.locator("#sync").click()
    expect(page.locator("#sheet")).to_contain_text("Flagged by the server, kept for the desk")
    assert elsewhere(RunQuarantine.objects.get).code == "token_revoked"


def test_the_tablet_and_the_server_agree_where_a_run_stands(
    tablets: Tablets, run_world: RunWorld
) -> None:
    page = tablets.new(run_world.hands, installs=False).open("/static/js/run/db.js")
    found = page.evaluate(script("progress"), cases())
    assert found == [case["expect"] for case in cases()]
