"""A lead is told once of what came after the end of their run, and of what was kept aside."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse

from fleet.models import Contact
from fleet.noc.run_watch_board import watch_board
from runbooks.models import Announcement, Run, RunEntry
from runbooks.paging.announcements import deliver_announcements
from runbooks.runs.latecomers import late_entries, look_at_late_entries
from runbooks.runs.quarantine import accept_quarantined, set_aside_quarantined
from runbooks.runs.services import abandon_run, enter
from tests.factories import NOON, make_contact, make_owner, make_site, make_user
from tests.noc.detail_world import signed_in
from tests.receiver import Receiver
from tests.runbooks.run_world import Device, codes_of, make_run
from tests.runbooks.world import make_pager

pytestmark = pytest.mark.django_db

SMOKE = {"note": "Smoke"}
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def begun(receiver: Receiver) -> Run:
    """A run led by Aiko Sato at a site that Mei Tanaka answers for; each has a contact."""
    mei = make_pager(receiver, owner=make_owner(name="Mei Tanaka"), label="phone").owner
    site = make_site(name="Osaka-1", owner=mei)
    lead = make_user("operator", site, first_name="Aiko", last_name="Sato")
    make_pager(receiver, owner=make_owner(name="Aiko Sato", user=lead), label="phone")
    return make_run(site=site, by=lead)


@pytest.fixture
def device(begun: Run) -> Device:
    """The tablet of a technician of the site."""
    return Device(begun)


@pytest.fixture
def leads_device(begun: Run) -> Device:
    """A tablet of the lead's own."""
    return Device(begun, begun.lead)


@pytest.fixture
def run(begun: Run, device: Device, leads_device: Device) -> Run:
    """The run, abandoned at noon while both tablets were away."""
    abandon_run(run=begun, by=leads_device.user, reason="Another crew came.", now=NOON)
    begun.refresh_from_db()
    return begun


def told(kind: str) -> list[tuple[str, str]]:
    rows = Announcement.objects.filter(kind=kind).order_by("created_at")
    return list(rows.values_list("owner__name", "state"))


def deliver(now: datetime) -> int:
    return deliver_announcements(now=now, rng=random.Random(1), clock=lambda: 0.0)


def tampered(device: Device) -> Any:
    return device.done("look") | {"mac": "0" * 64}


def look(run: Run) -> None:
    newest = run.entries.latest("pk")
    look_at_late_entries(run=run, seen=newest.pk, by=run.lead)  # type: ignore[arg-type]  # the fixture has one


def test_the_lead_hears_of_what_came_after_the_end(
    run: Run, device: Device, receiver: Receiver
) -> None:
    device.send(device.done("look"), device.entry("noted", input=SMOKE), now=NOON + MINUTE)
    deliver(NOON + MINUTE)
    (request,) = receiver.requests
    assert request.json["type"] == "run.late_entries"
    assert request.json["data"]["owner"] == {"name": "Aiko Sato"}
    assert request.json["data"]["url"].endswith(f"/runs/{run.pk}/watch/")
    assert request.json["data"]["summary"] == (
        f"Entries came after the end of R-{run.pk} {run.runbook_version.runbook} at Osaka-1, which "
        "ended 2030-01-01 12:00 UTC. They are in its log and change nothing by themselves. Read "
        "them: something may still be to do."
    )


def test_more_of_the_same_is_told_when_it_was_looked_at_or_a_day_has_passed(
    run: Run, device: Device
) -> None:
    device.send(device.done("look"), now=NOON + MINUTE)
    deliver(NOON + MINUTE)
    device.send(device.entry("noted", input={"note": "a"}), now=NOON + 2 * MINUTE)
    assert len(told("run.late_entries")) == 1
    look(run)
    device.send(device.entry("noted", input={"note": "b"}), now=NOON + 3 * MINUTE)
    assert len(told("run.late_entries")) == 2
    late = NOON + 3 * MINUTE + DAY
    device.send(device.entry("noted", input={"note": "c"}), now=late - MINUTE)
    assert len(told("run.late_entries")) == 2
    device.send(device.entry("noted", input={"note": "d"}), now=late)
    assert len(told("run.late_entries")) == 3


def test_a_batch_that_comes_again_is_no_news(run: Run, device: Device) -> None:
    entries = [device.done("look"), tampered(device)]
    device.send(*entries, now=NOON + MINUTE)
    look(run)
    set_aside_quarantined(row=run.quarantine.get(), by=make_user(), now=NOON + 2 * MINUTE)
    device.send(*entries, now=NOON + 3 * MINUTE)
    assert Announcement.objects.count() == 2


def test_what_was_looked_at_before_the_notice_is_out_is_not_told(run: Run, device: Device) -> None:
    device.send(device.done("look"), now=NOON + MINUTE)
    look(run)
    assert told("run.late_entries") == [("Aiko Sato", "cancelled")]


def test_what_came_since_the_page_was_drawn_was_not_looked_at(run: Run, device: Device) -> None:
    device.send(device.done("look"), now=NOON + MINUTE)
    seen = run.entries.latest("pk").pk
    device.send(device.entry("noted", input=SMOKE), now=NOON + 2 * MINUTE)
    look_at_late_entries(run=run, seen=seen, by=make_user())
    assert [row.input for row in late_entries()] == [SMOKE]
    assert told("run.late_entries") == [("Aiko Sato", "pending")]


def test_what_the_lead_wrote_is_no_news_to_them(run: Run, leads_device: Device) -> None:
    leads_device.send(leads_device.done("look"), now=NOON + MINUTE)
    note, lead = {"note": "Too late"}, leads_device.user
    enter(run=run, kind=RunEntry.Kind.NOTED, by=lead, now=NOON + MINUTE, said=note)
    assert not late_entries().exists()
    assert Announcement.objects.count() == 0


def test_a_note_of_somebody_at_a_desk_is_told_too(run: Run) -> None:
    note = {"note": "It smells again"}
    enter(run=run, kind=RunEntry.Kind.NOTED, by=make_user(), now=NOON + MINUTE, said=note)
    assert told("run.late_entries") == [("Aiko Sato", "pending")]


def test_nobody_is_told_of_what_comes_in_time(device: Device) -> None:
    device.send(device.done("look"), now=NOON + MINUTE)
    assert Announcement.objects.count() == 0


def test_the_lead_hears_of_what_is_kept_aside_and_why(
    run: Run, device: Device, receiver: Receiver
) -> None:
    assert codes_of(device.send(tampered(device), now=NOON + MINUTE)) == ["entry_tampered"]
    device.send(tampered(device), now=NOON + 2 * MINUTE)
    deliver(NOON + 2 * MINUTE)
    (request,) = receiver.requests
    assert request.json["type"] == "run.kept_aside"
    assert request.json["data"]["summary"] == (
        f"Entries of R-{run.pk} {run.runbook_version.runbook} at Osaka-1 are kept aside, not in "
        "its log. Of the first: The entry does not carry the mark of the device that wrote it; it "
        "was changed on its way, or signed with another key. Take them in or set them aside."
    )


def test_both_reasons_are_told_each_by_itself(run: Run, device: Device) -> None:
    device.send(device.done("look"), tampered(device), now=NOON + MINUTE)
    assert told("run.late_entries") == told("run.kept_aside") == [("Aiko Sato", "pending")]


def test_what_is_settled_before_the_notice_is_out_is_not_told(run: Run, device: Device) -> None:
    device.send(tampered(device), tampered(device), now=NOON + MINUTE)
    first, second = run.quarantine.order_by("pk")
    set_aside_quarantined(row=first, by=device.user, now=NOON + MINUTE)
    assert told("run.kept_aside") == [("Aiko Sato", "pending")]
    accept_quarantined(row=second, by=device.user, now=NOON + MINUTE)
    assert told("run.kept_aside") == [("Aiko Sato", "cancelled")]
    # Who took it in has read it.
    assert not late_entries().exists()


def test_after_one_was_settled_the_next_is_news(run: Run, device: Device) -> None:
    device.send(tampered(device), now=NOON + MINUTE)
    set_aside_quarantined(row=run.quarantine.get(), by=device.user, now=NOON + 2 * MINUTE)
    device.send(tampered(device), now=NOON + 3 * MINUTE)
    assert told("run.kept_aside") == [("Aiko Sato", "cancelled"), ("Aiko Sato", "pending")]


def test_the_owner_of_the_site_hears_it_where_the_lead_cannot(run: Run, device: Device) -> None:
    Contact.objects.filter(owner__user=run.lead).update(is_enabled=False)
    device.send(device.done("look"), now=NOON + MINUTE)
    assert told("run.late_entries") == [("Mei Tanaka", "pending")]


def test_entries_are_taken_in_though_nobody_can_be_told() -> None:
    # PagerDuty shows alerts and nothing else.
    owner = make_contact(kind=Contact.Kind.PAGERDUTY, secret="a" * 32).owner
    run = make_run(site=make_site(owner=owner))
    device = Device(run)
    abandon_run(run=run, by=make_user(), reason="Another crew came.", now=NOON)
    assert device.send(device.done("look"), now=NOON + MINUTE).kept == [1]
    assert late_entries().count() == 1
    assert Announcement.objects.count() == 0


def test_the_list_of_runs_counts_them_for_the_lead_alone(run: Run, device: Device) -> None:
    device.send(device.done("look"), device.entry("noted", input=SMOKE), now=NOON + MINUTE)
    words = f"2 entries after the end of R-{run.pk}</a>"
    address = reverse("noc:runs")
    assert words in signed_in(run.lead).get(address).content.decode()
    assert words not in signed_in(make_user("admin")).get(address).content.decode()
    look(run)
    assert words not in signed_in(run.lead).get(address).content.decode()


def test_who_may_work_there_says_that_they_looked_and_the_log_stays(
    run: Run, device: Device
) -> None:
    device.send(device.done("look"), now=NOON + MINUTE)
    viewer = signed_in(make_user("viewer"))
    watch, act = (
        reverse("noc:run-watch", args=[run.pk]),
        reverse("noc:run-act", args=[run.pk, "look"]),
    )
    page = viewer.get(watch).content.decode()
    assert "1 entry that came after the end was not looked at yet." in page
    assert "I have looked at them" not in page
    assert viewer.post(act, {"seen": "1"}).status_code == 403
    client, newest = signed_in(device.user), run.entries.latest("pk").pk
    assert f'name="seen" value="{newest}"' in client.get(watch).content.decode()
    client.post(act, {"seen": str(newest)})
    page = client.get(watch).content.decode()
    assert "not looked at yet" not in page
    assert "1 entry came after its end." in " ".join(page.split())
    run.refresh_from_db()
    assert watch_board(user=device.user, run=run, now=NOON).unread == 0
