"""Readiness: what is lacking is told before it hurts, with whom it concerns and what to do."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from fleet.models import Contact, Owner, Site
from runbooks.escalation.readiness import Lack, lacks
from runbooks.models import Schedule, ScheduleOverride
from runbooks.oncall.services import add_override, create_group
from tests.factories import NOON, make_contact, make_owner, make_policy, make_site, secret_from
from tests.runbooks.oncall_world import at, make_rotation, make_schedule, weekly
from tests.runbooks.world import word

pytestmark = pytest.mark.django_db

GONE = "The receiver answered 410 Gone."
OFFICE = {"time_zone": "UTC", "weekdays": [0, 1, 2, 3, 4], "from": "08:00", "until": "18:00"}


def pager(name: str, **overrides: Any) -> Owner:
    """Make a person with a working contact."""
    person = make_owner(name=name, is_catch_all=overrides.pop("is_catch_all", False))
    return make_contact(owner=person, secret=secret_from(name), **overrides).owner


@pytest.fixture
def catch_all() -> Owner:
    return pager("Duty desk", is_catch_all=True)


def site_with(*notify: str, hours: dict[str, Any] | None = None, **overrides: Any) -> Site:
    step = {"notify": list(notify or ["site_owner"]), "delay_seconds": 300}
    steps = [step if hours is None else step | {"hours": hours}]
    return make_site(policy=make_policy(steps=steps, name="Europe"), **overrides)


def codes() -> list[str]:
    return [lack.code for lack in lacks(now=NOON)]


def only(code: str) -> Lack:
    (found,) = [lack for lack in lacks(now=NOON) if lack.code == code]
    return found


@pytest.mark.usefixtures("catch_all")
def test_where_everybody_can_be_reached_nothing_is_lacking() -> None:
    weekly(pager("Ana"), pager("Ben"), slug="europe")
    site_with("schedule:europe")
    assert lacks(now=NOON) == []


def test_a_missing_catch_all_is_told() -> None:
    assert "mark one owner as the catch-all" in only("no_catch_all").sentence


@pytest.mark.usefixtures("catch_all")
def test_an_owner_without_a_working_contact_is_told_with_everybody_who_relies_on_them() -> None:
    ana = make_owner(name="Ana")
    site_with("site_owner", word(ana), name="Osaka")
    site_with("site_owner", word(ana), name="Kyoto")
    lack = only("owner_unreachable")
    assert (lack.subject, lack.owner_id) == ("Ana", ana.pk)
    assert lack.sentence == (
        "Ana has no working contact, but is relied on by Kyoto, Osaka; add a contact and send it "
        "a test page."
    )


@pytest.mark.usefixtures("catch_all")
def test_people_nobody_relies_on_need_no_contact() -> None:
    make_owner(name="Ana")
    site_with()
    assert codes() == []


@pytest.mark.usefixtures("catch_all")
@pytest.mark.parametrize("kind", ["schedule", "group"])
def test_people_in_schedules_and_groups_are_relied_on_too(kind: str) -> None:
    ana = make_owner(name="Ana")
    weekly(ana, pager("Ben"), slug="europe")
    create_group(slug="europe", name="Europe", owners=[ana], by=None, now=NOON)
    site_with("site_owner", f"{kind}:europe")
    assert only("owner_unreachable").owner_id == ana.pk


@pytest.mark.usefixtures("catch_all")
def test_somebody_who_stands_in_next_week_is_relied_on_too() -> None:
    schedule, ana = weekly(pager("Ben"), slug="europe"), make_owner(name="Ana")
    site_with("schedule:europe")
    add_override(schedule=schedule, owner=ana, starts_at=at(8), ends_at=at(9), by=None, now=NOON)
    assert only("owner_unreachable").owner_id == ana.pk


@pytest.mark.usefixtures("catch_all")
@pytest.mark.parametrize(
    ("state", "code", "words"),
    [
        ({}, "contact_untested", "was never tested"),
        (
            {"last_test_at": NOON, "last_test_outcome": "Status 500."},
            "contact_failed",
            "failed its test: Status 500.",
        ),
        (
            {"last_test_at": NOON, "last_test_outcome": "The push service took the test page."},
            "contact_untested",
            "has not shown its test page yet",
        ),
        ({"tested_at": NOON, "disabled_reason": GONE}, "contact_gone", "was switched off: The"),
    ],
)
def test_a_contact_that_does_not_work_says_why(
    state: dict[str, Any], code: str, words: str
) -> None:
    ana = pager("Ana")
    fields = {"tested_at": None, "position": 2, "label": "phone"} | state
    make_contact(owner=ana, **fields)
    lack = only(code)
    assert (lack.subject, lack.owner_id) == ("Ana by phone", ana.pk)
    assert words in lack.sentence


@pytest.mark.usefixtures("catch_all")
def test_a_contact_that_people_switched_off_is_no_lack() -> None:
    make_contact(owner=pager("Ana"), position=2, tested_at=None, is_enabled=False)
    assert codes() == []


@pytest.mark.usefixtures("catch_all")
def test_a_gap_that_a_policy_would_hit_is_told_in_the_schedules_own_time() -> None:
    schedule = make_schedule(slug="europe", name="Europe", time_zone="Europe/Paris")
    make_rotation(schedule, pager("Ana"), covers_from=time(8), covers_until=time(20))
    site_with("schedule:europe")
    lack = only("schedule_gap")
    assert (lack.subject, lack.schedule_id) == ("Europe", schedule.pk)
    assert lack.sentence == (
        "Nobody is on call in Europe from Tue 1 Jan 20:00 to Wed 2 Jan 08:00 (Europe/Paris), and "
        "13 more times in 14 days; add an override or change the rotation."
    )


@pytest.mark.usefixtures("catch_all")
def test_a_gap_that_no_step_would_hit_is_no_lack() -> None:
    schedule = make_schedule(slug="europe")
    make_rotation(schedule, pager("Ana"), covers_from=time(8), covers_until=time(18))
    make_schedule(slug="unused")
    site_with("schedule:europe", hours=OFFICE)
    assert "schedule_gap" not in codes()


def take_in_until(end: datetime, **overrides: Any) -> Schedule:
    """A schedule that follows a calendar taken in, whose last event ends then."""
    schedule = make_schedule(slug="europe", name="Europe", time_zone="Europe/Paris")
    for ends_at in (end - timedelta(days=7), end):
        fields = {"starts_at": ends_at - timedelta(days=1), "ends_at": ends_at, "created_at": NOON}
        ScheduleOverride.objects.create(
            schedule=schedule,
            owner=pager("Ana"),
            origin=ScheduleOverride.Origin.IMPORT,
            **(fields | overrides),
        )
    return schedule


@pytest.mark.usefixtures("catch_all")
def test_a_calendar_that_ends_in_sight_is_told() -> None:
    schedule = take_in_until(NOON + timedelta(days=10))
    lack = only("calendar_ends")
    assert (lack.subject, lack.schedule_id) == ("Europe", schedule.pk)
    assert lack.sentence == (
        "The calendar taken into Europe ends on Fri 11 Jan at 13:00 (Europe/Paris); from then on "
        "its own rotations say who is on call. Take the calendar in again."
    )


@pytest.mark.usefixtures("catch_all")
@pytest.mark.parametrize("days", [15, 0, -1])
def test_a_calendar_that_goes_on_for_long_or_was_ended_is_no_lack(days: int) -> None:
    take_in_until(NOON + timedelta(days=days))
    assert "calendar_ends" not in codes()


@pytest.mark.usefixtures("catch_all")
def test_an_override_by_hand_and_a_calendar_taken_back_are_no_calendar_that_ends() -> None:
    soon = NOON + timedelta(days=1)
    take_in_until(soon, removed_at=NOON)
    by_hand = {"slug": "asia", "name": "Asia"}
    add_override(
        schedule=make_schedule(**by_hand),
        owner=pager("Ben"),
        starts_at=NOON,
        ends_at=soon,
        by=None,
        now=NOON,
    )
    assert "calendar_ends" not in codes()


@pytest.mark.usefixtures("catch_all")
def test_a_gap_covered_by_an_override_is_no_lack() -> None:
    schedule = make_schedule(slug="europe")
    site_with("schedule:europe")
    add_override(
        schedule=schedule,
        owner=pager("Ana"),
        starts_at=NOON,
        ends_at=NOON + timedelta(days=14),
        by=None,
        now=NOON,
    )
    assert codes() == []


@pytest.mark.usefixtures("catch_all")
def test_a_step_that_reaches_nobody_is_told_once_for_all_its_sites() -> None:
    make_schedule(slug="empty")
    policy = make_policy(
        name="Europe",
        steps=[
            {"notify": ["site_owner"], "delay_seconds": 300},
            {"notify": ["schedule:empty"], "delay_seconds": 300},
        ],
    )
    sites = [make_site(policy=policy, name=name) for name in ("Kyoto", "Osaka")]
    lack = only("step_reaches_nobody")
    assert lack.subject == "Europe, step 2"
    assert f"at {sites[0]}, {sites[1]}: no working contact" in lack.sentence


@pytest.mark.usefixtures("catch_all")
def test_a_step_through_one_contact_needs_that_contact() -> None:
    first = make_contact()
    second = make_contact(owner=first.owner, position=2, tested_at=None, is_enabled=False)
    site_with(f"contact:{second.pk}")
    assert codes() == ["step_reaches_nobody"]


def test_a_site_with_one_person_who_can_be_reached_is_told() -> None:
    site = site_with(owner=pager("Ana"), name="Osaka")
    lack = only("only_one_person")
    assert (lack.site_id, lack.owner_id) == (site.pk, site.owner_id)
    assert lack.sentence.startswith("Only Ana can be paged for Osaka;")


def test_a_site_for_which_nobody_can_be_reached_is_told() -> None:
    site = site_with()
    connection.check_constraints()  # The site went live before its owner's receiver was gone.
    Contact.objects.update(disabled_reason=GONE)
    assert only("nobody_reachable").site_id == site.pk


@pytest.mark.usefixtures("catch_all")
def test_urgent_alerts_that_wait_for_office_hours_are_told() -> None:
    site_with(hours=OFFICE, time_zone="UTC")
    assert "(next on Tuesday at 18:00, UTC)" in only("urgent_held").sentence


@pytest.mark.usefixtures("catch_all")
def test_sites_that_are_not_live_yet_lack_nothing() -> None:
    site_with("group:gone", status=Site.Status.STAGING, owner=make_owner())
    assert codes() == []


@pytest.mark.usefixtures("catch_all")
def test_fifty_sites_cost_as_many_queries_as_one() -> None:
    counts = []
    for number in (1, 49):
        for _ in range(number):
            site_with("site_owner", "catch_all", "role:engineer", owner=pager("Ana"))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            lacks(now=NOON)
        counts.append(len(queries))
    assert counts[0] == counts[1]
