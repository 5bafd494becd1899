"""The preview: who would be paged when, through what, without a trace."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from fleet.models import Contact, Site
from runbooks.alerts.services import acknowledge_alert, close_alert
from runbooks.escalation.preview import MOST_MOVES, PreviewStep, preview_alert, preview_policy
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, AlertEvent, BrokenPromise, Escalation, Page
from tests.factories import NOON, make_contact, make_owner, make_policy, make_site, make_user
from tests.runbooks.oncall_world import at, owner_of, weekly
from tests.runbooks.world import HIGH, URGENT, make_alert, word

pytestmark = pytest.mark.django_db

OFFICE = {"time_zone": "site", "weekdays": [0, 1, 2, 3, 4], "from": "08:00", "until": "18:00"}
FIVE = timedelta(minutes=5)


def step(*notify: str, seconds: int = 300, **conditions: Any) -> dict[str, Any]:
    return {"notify": list(notify), "delay_seconds": seconds, **conditions}


def site_with(*steps: dict[str, Any], repeat: int = 0, **overrides: Any) -> Site:
    return make_site(policy=make_policy(steps=list(steps), repeat=repeat), **overrides)


def preview(site: Site, *, severity: int = URGENT, at: datetime = NOON) -> list[PreviewStep]:
    version = site.escalation_choice.policy.versions.get()
    return preview_policy(version=version, site=site, severity=severity, at=at)


def told(steps: list[PreviewStep]) -> list[tuple[int, datetime, tuple[str, ...], str]]:
    return [(move.step_number, move.at, move.names, move.skipped) for move in steps]


def test_every_step_of_every_round_is_shown_with_its_time_people_and_contacts() -> None:
    contact = make_contact(label="night phone", owner=make_owner(name="Ana"))
    site = site_with(step("site_owner"), step(word(contact.owner)), repeat=1)
    found = preview(site)
    assert [(move.step_number, move.round_number, move.at) for move in found] == [
        (1, 1, NOON),
        (2, 1, NOON + FIVE),
        (1, 2, NOON + 2 * FIVE),
        (2, 2, NOON + 3 * FIVE),
    ]
    assert (found[1].names, found[1].contacts, found[1].skipped) == (("Ana",), ("night phone",), "")


def test_people_are_those_on_call_when_the_step_would_be_carried_out() -> None:
    ana = make_contact(owner=make_owner(name="Ana")).owner
    ben = make_contact(owner=make_owner(name="Ben")).owner
    weekly(ana, ben, slug="europe")
    site = site_with(step("schedule:europe"), repeat=1)
    just_before = at(14, 9) - timedelta(minutes=1)
    assert [move.names for move in preview(site, at=just_before)] == [("Ana",), ("Ben",)]


def test_steps_that_are_passed_over_say_why() -> None:
    site = site_with(
        step("site_owner", severities=["urgent"]),
        step("site_owner", hours=OFFICE),
        step("site_owner"),
    )
    found = preview(site, severity=HIGH)
    assert told(found) == [
        (1, NOON, (), "It pages urgent alerts only."),
        (2, NOON, (), "Its hours are closed at this time."),
        (3, NOON, (owner_of(site),), ""),
    ]


def test_an_alert_that_waits_for_the_morning_says_until_when() -> None:
    site = site_with(step("site_owner", hours=OFFICE))
    assert told(preview(site)) == [
        (1, NOON, (), "No step pages at this hour; this one does on Tuesday at 23:00 UTC."),
        (1, at(1, 23), (owner_of(site),), ""),
    ]


def test_who_stands_in_for_a_step_that_reaches_nobody_is_named() -> None:
    site = site_with(step(word(make_owner())))
    ((_, _, names, skipped),) = told(preview(site))
    assert names == (owner_of(site),)
    assert skipped == "Nobody of it can be reached; the site's owner is paged instead."


def test_when_nobody_at_all_can_be_reached_it_says_so() -> None:
    site = site_with(step("site_owner"))
    connection.check_constraints()  # The site went live before its owner's receiver was gone.
    Contact.objects.update(disabled_reason="The receiver answered 410 Gone.")
    assert told(preview(site)) == [(1, NOON, (), "Nobody at all can be reached.")]


def test_a_policy_that_repeats_for_long_is_cut() -> None:
    site = site_with(step("site_owner"), step("site_owner"), step("site_owner"), repeat=20)
    assert len(preview(site)) == MOST_MOVES


@pytest.mark.usefixtures("library")
def test_a_running_alert_shows_what_is_left() -> None:
    alert = make_alert(site=site_with(step("site_owner"), step("site_owner", seconds=600)))
    advance_due_escalations(now=NOON)
    found = preview_alert(alert=alert, at=NOON)
    assert [(move.step_number, move.at) for move in found] == [(2, NOON + FIVE)]


@pytest.mark.usefixtures("library")
def test_an_alert_keeps_the_edition_it_began_with() -> None:
    site = site_with(step("site_owner"))
    alert = make_alert(site=site)
    site.escalation_choice.policy.versions.create(
        number=2, steps=[step("catch_all")], repeat=0, created_at=NOON
    )
    assert [move.names for move in preview_alert(alert=alert, at=NOON)] == [(owner_of(site),)]


@pytest.mark.usefixtures("library")
def test_an_acknowledged_alert_shows_nothing_until_its_acknowledgement_runs_out() -> None:
    site = site_with(step("site_owner"))
    alert = make_alert(site=site)
    acknowledge_alert(alert=alert, by=make_user("operator"), now=NOON)
    alert.refresh_from_db()
    assert preview_alert(alert=alert, at=NOON) == []
    alert.acknowledgement_ends_at = NOON + 6 * FIVE
    found = preview_alert(alert=alert, at=NOON)
    assert [(move.step_number, move.at) for move in found] == [(1, NOON + 6 * FIVE)]


@pytest.mark.usefixtures("library")
def test_a_held_back_alert_goes_on_where_it_was() -> None:
    alert = make_alert(site=site_with(step("site_owner")))
    Escalation.objects.filter(alert=alert).update(
        state=Escalation.State.SUSPENDED, next_due_at=None, remaining_seconds=120
    )
    (move,) = preview_alert(alert=alert, at=NOON)
    assert move.at == NOON + timedelta(seconds=120)


@pytest.mark.usefixtures("library")
def test_a_closed_alert_shows_nothing() -> None:
    alert = make_alert(site=site_with(step("site_owner")))
    close_alert(alert=alert, by=make_user("operator"), reason="Done.", now=NOON)
    alert.refresh_from_db()
    assert preview_alert(alert=alert, at=NOON) == []


@pytest.mark.usefixtures("library")
def test_a_preview_leaves_no_trace() -> None:
    alert = make_alert(site=site_with(step(word(make_owner())), step("site_owner")))
    tables = (Alert, AlertEvent, BrokenPromise, Escalation, Page)
    before = [list(table.objects.order_by("pk").values()) for table in tables]
    assert preview_alert(alert=alert, at=NOON)
    assert preview(alert.site)
    assert [list(table.objects.order_by("pk").values()) for table in tables] == before
