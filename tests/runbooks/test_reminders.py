"""Runs that wait too long, and reviews that are overdue, are told of: once for each such time."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from fleet.models import Membership, Owner, Site
from runbooks.alerts.services import acknowledge_alert, close_alert
from runbooks.library.publishing import withdraw_edition
from runbooks.library.services import publish_runbook
from runbooks.models import AlertEvent, Announcement, PagingGroup, Run, RunEntry, RunJob
from runbooks.paging.announcements import deliver_announcements
from runbooks.reminders.reviews import remind_of_reviews
from runbooks.reminders.waits import remind_of_waits
from runbooks.runs.services import (
    abandon_run,
    dispatch_run,
    enter,
    pause_run,
    start_run_for_alert,
)
from runbooks.suppression.authors import announce_endings
from tests.factories import NOON, make_owner, make_site, make_user
from tests.pure.run_steps import make_step
from tests.receiver import Receiver
from tests.runbooks.run_world import make_run
from tests.runbooks.world import make_alert, make_pager, make_runbook, runbook_text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
Kind = RunEntry.Kind


@pytest.fixture
def site(receiver: Receiver) -> Site:
    ken = make_pager(receiver, owner=make_owner(name="Ken Mori"), label="phone").owner
    return make_site(name="Osaka-1", owner=ken)


@pytest.fixture
def mei(receiver: Receiver, site: Site) -> Owner:
    """An operator of the site with one contact at the receiver."""
    user = make_user(Membership.Role.OPERATOR, site, first_name="Mei", last_name="Tanaka")
    owner = make_owner(name="Mei Tanaka", user=user, time_zone="Asia/Tokyo")
    make_pager(receiver, owner=owner, label="phone")
    return owner


def begin(site: Site, by: Any, *steps: Any) -> Run:
    return make_run(*steps, site=site, by=by)


def tell(now: datetime) -> int:
    remind_of_waits(now=now)
    return deliver_announcements(now=now, rng=random.Random(1), clock=lambda: 0.0)


def told() -> list[tuple[str, str]]:
    return list(Announcement.objects.values_list("owner__name", "state"))


def test_whoever_holds_a_run_is_told_once_a_day_that_it_waits(
    site: Site, mei: Owner, receiver: Receiver
) -> None:
    run = begin(site, mei.user)
    enter(run=run, kind=Kind.STEP_DONE, by=mei.user, step_id="look", now=NOON + HOUR)
    a_day_on = NOON + HOUR + DAY
    times = (a_day_on - MINUTE, a_day_on, a_day_on + HOUR, a_day_on + DAY - MINUTE)
    assert [tell(at) for at in times] == [0, 1, 0, 0]
    (request,) = receiver.requests
    assert request.json["type"] == "run.waiting"
    assert request.json["data"]["url"].endswith(f"/runs/{run.pk}/watch/")
    assert request.json["data"]["summary"] == (
        f"R-{run.pk} {run.runbook_version.runbook} at Osaka-1 has waited for 1 d, since 2030-01-01 "
        "13:00 UTC, 22:00 on your clock: its next step is not done. Go on with it, hand it over "
        "or end it."
    )
    assert [tell(a_day_on + DAY), tell(a_day_on + DAY + HOUR)] == [1, 0]
    assert "has waited for 2 d," in receiver.requests[1].json["data"]["summary"]


def test_how_long_is_a_setting(site: Site, mei: Owner, settings: Any) -> None:
    begin(site, mei.user)
    settings.HEARTHWATCH_RUN_WAIT_MINUTES = 90
    assert [tell(NOON + 89 * MINUTE), tell(NOON + 90 * MINUTE)] == [0, 1]
    assert "has waited for 1 h 30 min" in Announcement.objects.get().summary
    assert "it was never begun" in Announcement.objects.get().summary


def test_a_run_that_moves_on_is_not_told_of_any_more(
    site: Site, mei: Owner, receiver: Receiver
) -> None:
    run = begin(site, mei.user)
    assert remind_of_waits(now=NOON + DAY) == 1
    enter(run=run, kind=Kind.STEP_DONE, by=mei.user, step_id="look", now=NOON + DAY)
    assert tell(NOON + DAY + MINUTE) == 0
    assert told() == [("Mei Tanaka", "cancelled")]
    assert tell(NOON + 2 * DAY) == 1


def test_other_reminders_leave_it_standing(site: Site, mei: Owner) -> None:
    begin(site, mei.user)
    remind_of_waits(now=NOON + DAY)
    announce_endings(now=NOON + DAY)
    remind_of_reviews(now=NOON + DAY)
    assert told() == [("Mei Tanaka", "pending")]


def test_a_run_that_has_ended_is_not_told_of(site: Site, mei: Owner) -> None:
    run = begin(site, mei.user)
    assert remind_of_waits(now=NOON + DAY) == 1
    abandon_run(run=run, by=mei.user, reason="Not needed.", now=NOON + DAY)
    assert [tell(NOON + DAY + MINUTE), tell(NOON + 9 * DAY)] == [0, 0]


def test_who_was_sent_is_told_and_not_the_lead(site: Site, mei: Owner, receiver: Receiver) -> None:
    run = begin(site, make_user(Membership.Role.OPERATOR, site))
    dispatch_run(run=run, to=mei.user, by=mei.user, now=NOON)
    tell(NOON + DAY)
    assert told() == [("Mei Tanaka", "sent")]


def test_a_paused_run_says_why_it_is_held(site: Site, mei: Owner) -> None:
    run = begin(site, mei.user)
    pause_run(run=run, by=mei.user, reason="Waits for a fan.", now=NOON)
    tell(NOON + DAY)
    assert ": it is paused (Waits for a fan). Go on" in Announcement.objects.get().summary


def test_where_the_holder_cannot_be_told_the_owner_of_the_site_is(
    site: Site, receiver: Receiver
) -> None:
    holder = make_user(Membership.Role.OPERATOR, site, first_name="Ana", last_name="Sato")
    begin(site, holder)
    tell(NOON + DAY)
    assert told() == [("Ken Mori", "sent")]
    assert "Ana Sato holds it." in Announcement.objects.get().summary


def test_who_may_not_work_there_any_more_holds_nothing(
    site: Site, mei: Owner, receiver: Receiver
) -> None:
    begin(site, mei.user)
    Membership.objects.all().delete()
    tell(NOON + DAY)
    assert told() == [("Ken Mori", "sent")]


def test_an_approval_that_nobody_gives_is_told_of(site: Site, mei: Owner) -> None:
    run = begin(site, mei.user, make_step("allow", "approval", approver="engineer"))
    enter(run=run, kind=Kind.APPROVAL_ASKED, by=mei.user, step_id="allow", now=NOON)
    tell(NOON + DAY)
    assert ": it waits for an approval. " in Announcement.objects.get().summary


def test_a_timer_waits_for_nobody_and_people_from_its_end_on(site: Site, mei: Owner) -> None:
    run = begin(site, mei.user, make_step("cool", "wait", wait_seconds=7200))
    until = {"until": (NOON + 2 * HOUR).isoformat()}
    enter(run=run, kind=Kind.TIMER_STARTED, by=mei.user, step_id="cool", said=until, now=NOON)
    assert [tell(NOON + DAY), tell(NOON + DAY + 2 * HOUR)] == [0, 1]
    assert "has waited for 1 d, since 2030-01-01 14:00 UTC" in Announcement.objects.get().summary


def test_a_timer_that_ends_in_a_hundred_years_hides_no_run(site: Site, mei: Owner) -> None:
    run = begin(site, mei.user, make_step("cool", "wait", wait_seconds=7200))
    until = {"until": NOON.replace(year=2130).isoformat()}
    enter(run=run, kind=Kind.TIMER_STARTED, by=mei.user, step_id="cool", said=until, now=NOON)
    assert [tell(NOON + DAY), tell(NOON + 2 * DAY)] == [0, 1]


def test_what_hearthwatch_itself_verifies_waits_for_nobody(site: Site, mei: Owner) -> None:
    run = begin(site, mei.user)
    RunJob.objects.create(
        run=run, step_id="steady", key="1", asked_at=NOON, due_at=NOON, gives_up_at=NOON + 2 * DAY
    )
    assert tell(NOON + DAY) == 0
    RunJob.objects.update(state="passed")
    assert tell(NOON + DAY) == 1


def test_the_timeline_of_the_alert_says_who_is_told_though_it_is_closed(
    mei: Owner, site: Site
) -> None:
    alert = make_alert(site=site)
    acknowledge_alert(alert=alert, by=mei.user, now=NOON)
    run = start_run_for_alert(alert=alert, by=mei.user, now=NOON)
    close_alert(alert=alert, by=mei.user, now=NOON, reason="It is over.")
    for minutes in range(3):
        tell(NOON + DAY + minutes * MINUTE)
    entry = alert.events.get(kind="run_waiting")
    assert entry.sentence == (
        f"R-{run.pk} has waited for 1 d: it was never begun. Mei Tanaka is told."
    )


def test_the_timeline_says_where_nobody_can_be_told(site: Site) -> None:
    alert = make_alert(site=site)
    by = make_user(Membership.Role.OPERATOR, site)
    start_run_for_alert(alert=alert, by=by, now=NOON)
    Site.objects.update(status=Site.Status.STAGING, owner=None)
    assert [tell(NOON + DAY), tell(NOON + DAY + MINUTE)] == [0, 0]
    entry = alert.events.get(kind="run_waiting")
    assert entry.sentence.endswith("Nobody can be told: no contact works.")


def queries_of(remind: Callable[..., int], now: datetime) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert remind(now=now) == 0
    return len(queries)


def test_many_runs_that_nobody_can_be_told_of_are_looked_up_as_one_is(site: Site) -> None:
    holder = make_user(Membership.Role.OPERATOR, site)
    alerts = [make_alert(site=site) for _ in range(5)]
    Site.objects.update(status=Site.Status.STAGING, owner=None)
    found = []
    for some in (alerts[:1], alerts[1:]):
        for alert in some:
            start_run_for_alert(alert=alert, by=holder, now=NOON)
        remind_of_waits(now=NOON + DAY)
        found.append(queries_of(remind_of_waits, NOON + DAY + MINUTE))
    assert found[0] == found[1]
    assert AlertEvent.objects.filter(kind="run_waiting").count() == 5


def test_a_run_is_told_of_once_its_holder_has_a_contact_that_works(
    site: Site, receiver: Receiver
) -> None:
    begin(site, make_user(Membership.Role.OPERATOR, site))
    Site.objects.update(status=Site.Status.STAGING, owner=None)
    holder = make_owner(name="Ana Sato", user=Run.objects.get().lead)
    assert tell(NOON + DAY) == 0
    make_pager(receiver, owner=holder, label="phone")
    assert tell(NOON + DAY + MINUTE) == 1


@pytest.fixture
def owner(receiver: Receiver) -> Owner:
    """The person who owns the runbooks, with one contact at the receiver."""
    owner = make_owner(name="Facilities")
    make_pager(receiver, owner=owner, label="phone")
    return owner


#: The midnight after the day by which the runbooks here are to be reviewed.
LAPSED = datetime(2031, 1, 2, tzinfo=NOON.tzinfo)


def reviews(now: datetime) -> int:
    remind_of_reviews(now=now)
    return deliver_announcements(now=now, rng=random.Random(1), clock=lambda: 0.0)


def test_the_owner_of_a_runbook_is_told_once_that_its_review_is_overdue(
    owner: Owner, receiver: Receiver
) -> None:
    make_runbook("pump", title="Pump stands still")
    assert reviews(LAPSED - MINUTE) == 0
    reviews(LAPSED)
    before = len(receiver.requests)
    reviews(LAPSED + 29 * DAY)
    assert len(receiver.requests) == before
    (request,) = [each for each in receiver.requests if "/pump/" in each.json["data"]["url"]]
    assert request.json["type"] == "review.overdue"
    assert request.json["data"]["summary"] == (
        "Pump stands still v1, owned by Facilities, was to be reviewed by 2031-01-01. Read it, and "
        "publish an edition with a new review-by day; alerts get it as it is meanwhile."
    )


def test_while_it_stays_overdue_it_is_told_every_thirty_days(owner: Owner) -> None:
    make_runbook("pump")
    for day in range(0, 61, 10):
        remind_of_reviews(now=LAPSED + day * DAY)
    assert Announcement.objects.filter(source="runbook pump").count() == 3


def test_a_runbook_that_was_reviewed_meanwhile_is_not_told_of(owner: Owner) -> None:
    first = make_runbook("pump")
    remind_of_reviews(now=LAPSED)
    withdraw_edition(version=first, reason="Wrong.", by=make_user(), now=LAPSED)
    remind_of_reviews(now=LAPSED)
    assert Announcement.objects.get(source="runbook pump").state == "cancelled"


def test_a_group_that_owns_a_runbook_is_told_by_its_first_who_can_be(
    receiver: Receiver,
) -> None:
    ann, ben = make_owner(name="Ann"), make_owner(name="Ben")
    make_pager(receiver, owner=ben, label="phone")
    group = PagingGroup.objects.create(slug="building", name="facilities")
    group.owners.set([ann, ben])
    make_runbook("pump")
    remind_of_reviews(now=LAPSED)
    assert Announcement.objects.get(source="runbook pump").owner == ben


def test_where_nobody_is_called_like_the_owner_the_publisher_is_told(receiver: Receiver) -> None:
    catch_all = make_owner(name="Last resort", is_catch_all=True)
    make_pager(receiver, owner=catch_all, label="phone")
    make_runbook("pump")
    publisher = make_owner(user=make_user())
    make_pager(receiver, owner=publisher, label="tablet")
    publish_runbook(source=runbook_text("valve"), by=publisher.user, now=NOON)
    remind_of_reviews(now=LAPSED)
    found = dict(Announcement.objects.values_list("source", "owner__name"))
    assert found["runbook pump"] == "Last resort"
    assert found["runbook valve"] == publisher.name


def test_many_reviews_that_nobody_can_be_told_of_are_looked_up_as_one_is() -> None:
    make_owner(name="Facilities")
    found = []
    for slugs in (["pump"], ["valve", "fan", "door"]):
        for slug in slugs:
            make_runbook(slug)
        remind_of_reviews(now=LAPSED)
        found.append(queries_of(remind_of_reviews, LAPSED + MINUTE))
    assert found[0] == found[1]
