"""Runs that are begun without network: at the site, from the tablet, with nobody at the desk."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from runbooks.models import Alert, Run, RunEntry
from runbooks.runs.sheet import written_at
from runbooks.runs.standby import MOST_RUNBOOKS
from tests.browser.screens import elsewhere, script
from tests.browser.tablet_faults import faults_of
from tests.browser.tablet_world import RunWorld, Tablet, Tablets, TabletServer, session_cookie
from tests.browser.test_tablet_words import prepare
from tests.factories import make_node
from tests.pure.run_steps import make_step
from tests.runbooks.world import make_alert, make_library

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

JOB = (
    make_step("find", title="Find {{ node.name }} in the rack", is_mandatory=True),
    make_step("label", "scan", title="Scan its label", code="HW-{{ node.name }}"),
    make_step("picture", "photo", title="Photograph the rack"),
)


def ready(
    tablets: Tablets, run_world: RunWorld, user: object = None, scripts: Sequence[str] = ()
) -> Tablet:
    """A tablet that was prepared for the site where nobody began a run."""
    tablet = tablets.new(user or run_world.hands, scripts=scripts)
    page = tablet.open("/tablet/")
    prepare(page)
    expect(page.locator("#prepare-words")).to_contain_text("Ready for offline")
    page.evaluate(script("worker_controls"))
    return tablet


def begin(page: Page, title: str, node: str = "") -> None:
    page.get_by_text("Begin a run at Osaka-3").click()
    if node:
        page.get_by_label("It is about").select_option(node)
    page.get_by_role("button", name=re.compile(title)).click()
    page.locator("#main-act").wait_for()


def test_what_there_is_no_room_for_is_named_among_the_offers(
    tablets: Tablets, run_world: RunWorld
) -> None:
    titles = [f"Job {number:03}" for number in range(MOST_RUNBOOKS)] + ["Tamper", "Wet floor"]
    elsewhere(lambda: [run_world.edition(*JOB, title=title) for title in titles])
    page = ready(tablets, run_world).page
    page.get_by_text("Begin a run at Osaka-3").click()
    expect(page.locator(".offers .note")).to_have_text(
        "Begun only where there is network: Tamper, Wet floor."
    )


def do_the_job(tablet: Tablet) -> None:
    tablet.press_main()
    tablet.at(2)
    tablet.page.locator("#code").fill("HW-node-3")
    tablet.press_main()
    tablet.at(3)
    tablet.take_photo()
    expect(tablet.page.locator("#main-act")).to_have_text("Done")
    tablet.press_main()


def entries_of(run: Run) -> list[RunEntry]:
    return elsewhere(lambda: list(RunEntry.objects.filter(run=run).order_by("pk")))


@pytest.mark.parametrize("lost", [0, 2], ids=["a good line", "answers lost after COMMIT"])
def test_a_job_begun_and_done_without_network_arrives_as_one_run(
    tablets: Tablets, tablet_server: TabletServer, run_world: RunWorld, lost: int
) -> None:
    elsewhere(run_world.edition, *JOB, title="Thermal alarm")
    node = elsewhere(make_node, site=run_world.site, name="node-3")
    tablet = ready(tablets, run_world)
    tablet_server.kill()

    page = tablet.reopen("/tablet/")
    begin(page, "Thermal alarm", "node-3")
    expect(page.get_by_role("heading", level=1)).to_have_text("Find node-3 in the rack")
    expect(page.locator("#banners")).to_contain_text("Begun on this tablet alone.")
    assert faults_of(page) == []
    do_the_job(tablet)
    tablet.waits(4)
    page.reload()
    tablet.waits(4)
    page = tablet.reopen("/tablet/")
    line = page.get_by_role("link", name=re.compile("Osaka-3"))
    expect(line).to_contain_text("3 waiting · begun here, the desk does not know it yet")
    line.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("All steps are entered")

    tablet_server.line.loses = lost
    tablet_server.start()
    page.locator("#sync").click()
    tablet.press("Send now")
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    tablet.has_sent_all()
    expect(page.locator("#banners")).not_to_contain_text("Begun on this tablet alone.")
    run = elsewhere(Run.objects.get)
    assert (run.site, run.node, run.lead) == (run_world.site, node, run_world.hands)
    created, *steps = entries_of(run)
    assert [entry.step_id for entry in steps] == ["find", "label", "picture"]
    assert [entry.counter for entry in steps] == [1, 2, 3]
    assert steps[1].input == {"code": "HW-node-3", "is_match": True}
    assert elsewhere(run.photos.count) == 1
    assert created.client_at is not None
    assert steps[0].client_at is not None
    assert created.client_at <= steps[0].client_at
    assert page.evaluate(script("kept_below_zero")) == {"outbox": 0, "photos": 0}


def test_a_clock_that_is_set_right_before_the_telling_leaves_no_beginning_wrong(
    tablets: Tablets, tablet_server: TabletServer, run_world: RunWorld
) -> None:
    elsewhere(run_world.edition, make_step("look"), title="Thermal alarm")
    tablet = ready(tablets, run_world, scripts=[script("slow_clock")])
    tablet_server.kill()
    page = tablet.reopen("/tablet/")
    begin(page, "Thermal alarm")
    page.evaluate("slow = 0")
    tablet_server.start()
    tablet.send_now()
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    tablet.has_sent_all()
    created = elsewhere(RunEntry.objects.get)
    assert round(created.skew_seconds or 0, -1) == -600
    assert created.received_at - written_at(created) < timedelta(minutes=5)


def test_a_run_begun_for_an_alert_is_on_the_alert(
    tablets: Tablets, tablet_server: TabletServer, run_world: RunWorld
) -> None:
    elsewhere(make_library)
    alert: Alert = elsewhere(make_alert, site=run_world.site)
    tablet = ready(tablets, run_world)
    tablet_server.kill()
    page = tablet.reopen("/tablet/")
    begin(page, f"A-{alert.pk}")
    tablet.press_main()
    tablet.waits(1)
    tablet_server.start()
    tablet.open("/tablet/")
    tablet.has_sent_all()
    run = elsewhere(lambda: Run.objects.select_related("alert").get())
    assert run.alert == alert
    assert [entry.kind for entry in entries_of(run)] == ["created", "step_done"]


def test_what_one_person_began_is_not_sent_in_the_name_of_another(
    tablets: Tablets, tablet_server: TabletServer, run_world: RunWorld
) -> None:
    elsewhere(run_world.edition, *JOB, title="Thermal alarm")
    tablet = ready(tablets, run_world)
    tablet.context.set_offline(True)
    begin(tablet.page, "Thermal alarm")
    tablet.press_main()
    tablet.waits(1)
    hands = tablet.context.cookies()
    lead = elsewhere(session_cookie, run_world.lead, tablet_server.url)
    tablet.context.add_cookies([lead])
    tablet.context.set_offline(False)
    expect(tablet.page.locator("#banners")).to_contain_text(
        "Kim Tan began this run here. It is sent once Kim Tan logs in on this tablet."
    )
    tablet.waits(1)
    assert not elsewhere(Run.objects.exists)
    tablet.context.add_cookies(hands)
    tablet.page.reload()
    tablet.page.wait_for_url(re.compile(r"/runs/\d+/"))
    tablet.has_sent_all()
    [_, step] = entries_of(elsewhere(Run.objects.get))
    assert step.actor_id == run_world.hands.pk


def test_what_a_window_writes_that_has_not_heard_of_the_number_arrives_as_well(
    tablets: Tablets, run_world: RunWorld
) -> None:
    elsewhere(run_world.edition, *JOB, title="Thermal alarm")
    tablet = ready(tablets, run_world)
    begin(tablet.page, "Thermal alarm")
    tablet.page.wait_for_url(re.compile(r"/runs/\d+/"))
    tablet.has_sent_all()
    tablet.page.evaluate(script("write_below_zero"), -1)
    tablet.send_now()
    tablet.page.evaluate(script("until_sent"))
    run = elsewhere(Run.objects.get)
    assert [entry.step_id for entry in entries_of(run)] == ["", "find"]
    # Its old address leads to the run.
    tablet.open("/tablet/run/?begun=1")
    tablet.page.wait_for_url(f"**/runs/{run.pk}/")
