"""Whoever is sent to do a run is told by their own contact, once, and whoever sent them sees it."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from django.conf import settings

from fleet.hints import hints
from fleet.models import Contact, Owner, Site
from fleet.noc.run_words import entry_words
from fleet.queue import Job
from runbooks.models import Announcement, Page, Run, RunEntry
from runbooks.paging.announcements import deliver_announcements
from runbooks.reminders.waits import remind_of_waits
from runbooks.runs.services import abandon_run, dispatch_run, start_run_for_alert
from tests.factories import NOON, make_contact, make_owner, make_site, make_user
from tests.receiver import Receiver
from tests.runbooks.run_world import make_run
from tests.runbooks.world import make_alert, make_pager

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def site(receiver: Receiver) -> Site:
    owner = make_pager(receiver, owner=make_owner(name="Mei Tanaka"), label="phone").owner
    return make_site(name="Osaka-1", place="1-2-3 Namba, Osaka.", owner=owner)


@pytest.fixture
def lead(site: Site) -> Any:
    return make_user("operator", site, first_name="Aiko", last_name="Sato")


@pytest.fixture
def ken(receiver: Receiver, site: Site) -> Any:
    """Remote hands of the site with one contact at the receiver."""
    user = make_user("remote_hands", site, first_name="Ken", last_name="Mori")
    make_pager(receiver, owner=make_owner(name="Ken Mori", user=user), label="phone")
    return user


def deliver(now: datetime = NOON) -> int:
    return deliver_announcements(now=now, rng=random.Random(1), clock=lambda: 0.0)


def sent_to() -> list[tuple[str, str]]:
    rows = Announcement.objects.order_by("created_at", "pk")
    return list(rows.values_list("owner__name", "state"))


def words_of(run: Run) -> str:
    row = run.entries.filter(kind=RunEntry.Kind.DISPATCHED).latest("pk")
    return entry_words(row, "UTC")


def test_who_is_sent_hears_what_where_why_and_by_whom(
    site: Site, lead: Any, ken: Any, receiver: Receiver
) -> None:
    alert = make_alert(site=site)
    pages = Page.objects.count()
    run = start_run_for_alert(alert=alert, by=lead, now=NOON, assigned_to=ken)
    assert deliver() == 1
    (request,) = receiver.requests
    assert request.json["type"] == "run.dispatched"
    assert request.json["data"]["owner"] == {"name": "Ken Mori"}
    assert request.json["data"]["url"].endswith(f"/runs/{run.pk}/")
    title = run.runbook_version.runbook.title
    assert request.json["data"]["summary"] == (
        f"Aiko Sato sends you to do R-{run.pk} {title} at Osaka-1 (1-2-3 Namba, Osaka). It is for "
        f"A-{alert.pk} urgent: {alert.summary.rstrip('.')}. Open it on the tablet or phone that "
        "you take along."
    )
    assert Page.objects.count() == pages
    assert words_of(run) == "dispatched to Ken Mori, who is told"


def test_a_worker_is_asked_to_tell_them_at_once(
    site: Site, lead: Any, ken: Any, django_capture_on_commit_callbacks: Any
) -> None:
    broker = redis.from_url(settings.REDIS_URL)
    hints.wait_until_sent()
    broker.flushdb()
    run = make_run(site=site, by=lead)
    with django_capture_on_commit_callbacks(execute=True):
        dispatch_run(run=run, to=ken, by=lead, now=NOON)
    hints.wait_until_sent()
    assert broker.exists(f"hearthwatch:asked:{Job.TELL_AUTHORS}")


def test_one_dispatch_is_told_once(site: Site, lead: Any, ken: Any) -> None:
    run = make_run(site=site, by=lead)
    dispatch_run(run=run, to=ken, by=lead, now=NOON)
    dispatch_run(run=run, to=ken, by=lead, now=NOON + MINUTE)
    assert [deliver(), deliver(NOON + MINUTE)] == [1, 0]
    assert sent_to() == [("Ken Mori", "sent")]


def test_who_is_sent_once_more_after_another_is_told_once_more(
    site: Site, lead: Any, ken: Any
) -> None:
    run = make_run(site=site, by=lead)
    for to in (ken, None, ken):
        dispatch_run(run=run, to=to, by=lead, now=NOON)
        deliver()
    assert sent_to() == [("Ken Mori", "sent")] * 2


def test_who_sends_themselves_is_not_told(site: Site, ken: Any) -> None:
    run = make_run(site=site, by=ken)
    dispatch_run(run=run, to=ken, by=ken, now=NOON)
    assert sent_to() == []
    assert words_of(run) == "dispatched to Ken Mori"


@pytest.mark.parametrize("contact", [None, {"tested_at": None}, {"is_enabled": False}])
def test_the_log_says_that_nobody_could_be_told(
    site: Site, lead: Any, contact: dict[str, Any] | None
) -> None:
    hands = make_user("remote_hands", site, first_name="Ken", last_name="Mori")
    for fields in [contact] if contact else []:
        make_contact(owner=make_owner(user=hands), **fields)
    run = make_run(site=site, by=lead)
    dispatch_run(run=run, to=hands, by=lead, now=NOON)
    assert sent_to() == []
    assert words_of(run) == "dispatched to Ken Mori, whom no working contact can tell"


def test_what_is_so_no_more_is_not_told(site: Site, lead: Any, ken: Any) -> None:
    to_another, ended, other = (make_run(site=site, by=lead) for _ in range(3))
    for run in (to_another, ended, other):
        dispatch_run(run=run, to=ken, by=lead, now=NOON)
    dispatch_run(run=to_another, to=None, by=lead, now=NOON)
    abandon_run(run=ended, by=lead, reason="Not needed.", now=NOON)
    states = Announcement.objects.values_list("path", "state")
    assert dict(states) == {
        f"/runs/{to_another.pk}/": "cancelled",
        f"/runs/{ended.pk}/": "cancelled",
        f"/runs/{other.pk}/": "pending",
    }


def test_runs_with_the_beginning_of_its_number_are_not_called_off(
    site: Site, lead: Any, ken: Any
) -> None:
    run = make_run(site=site, by=lead)
    dispatch_run(run=run, to=ken, by=lead, now=NOON)
    longer = Announcement.objects.get()
    Announcement.objects.filter(pk=longer.pk).update(source=f"run {run.pk}0 dispatch 1")
    abandon_run(run=run, by=lead, reason="Not needed.", now=NOON)
    assert sent_to() == [("Ken Mori", "pending")]


def test_after_a_day_it_is_told_as_a_run_that_waits(site: Site, lead: Any, ken: Any) -> None:
    run = make_run(site=site, by=lead)
    dispatch_run(run=run, to=ken, by=lead, now=NOON)
    remind_of_waits(now=NOON + DAY)
    deliver(NOON + DAY)
    kinds = Announcement.objects.order_by("created_at").values_list("kind", "state")
    assert list(kinds) == [("run.dispatched", "dead"), ("run.waiting", "sent")]


def test_the_next_contact_is_tried_where_the_first_does_not_answer(
    site: Site, lead: Any, ken: Any, receiver: Receiver
) -> None:
    Contact.objects.filter(owner__user=ken).update(url="http://127.0.0.1:9/pager")
    owner = Owner.objects.get(user=ken)
    make_pager(receiver, owner=owner, label="desk", position=2)
    dispatch_run(run=make_run(site=site, by=lead), to=ken, by=lead, now=NOON)
    deliver()
    deliver(NOON + MINUTE)
    assert sent_to() == [("Ken Mori", "sent")]
