"""Schedules, policies, contacts and pages in every standing, for the pages of who is paged."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection

from fleet.models import Contact, Owner, Site
from runbooks.escalation.policies import publish_policy
from runbooks.models import EscalationPolicy, Page, PageAttempt, Schedule, SiteEscalation
from runbooks.oncall.services import (
    add_holiday,
    add_override,
    create_group,
    create_schedule,
    set_rotation,
)
from tests.factories import make_contact, make_owner, make_site
from tests.noc.fleet_world import make_fleet, make_incidents

hour, day = timedelta(hours=1), timedelta(days=1)

HOURS = {"time_zone": "site", "weekdays": [0, 1, 2, 3, 4], "from": "08:00", "until": "18:00"}


def unreachable_site(name: str, **overrides: Any) -> Site:
    """Make a live site whose owner, of the same name, has lost every receiver since."""
    owner = make_contact(owner=make_owner(name=f"Owner of {name}")).owner
    site = make_site(name=name, slug=name.lower(), owner=owner, **overrides)
    connection.check_constraints()  # The site went live before its owner's receiver was gone.
    Contact.objects.filter(owner=owner).update(disabled_reason="The receiver answered 410 Gone.")
    return site


def make_europe(*members: Owner, now: datetime, **overrides: Any) -> Schedule:
    """Make a schedule on the clocks of Paris with a weekly rotation of these people."""
    schedule = create_schedule(
        slug="europe", name="Europe", time_zone="Europe/Paris", by=None, now=now
    )
    fields: dict[str, Any] = {
        "position": 1,
        "name": "Weeks",
        "starts_on": date(2026, 1, 5),
        "hands_over_at": time(9),
        "by": None,
        "now": now,
    }
    set_rotation(schedule=schedule, members=members, **(fields | overrides))
    return schedule


def make_follow_the_sun(schedule: Schedule, day_person: Owner, *, now: datetime) -> None:
    """Cover working hours alone, so that nights and weekends are gaps."""
    set_rotation(
        schedule=schedule,
        position=1,
        name="Working hours",
        members=[day_person],
        starts_on=date(2026, 1, 5),
        hands_over_at=time(8),
        weekdays=[0, 1, 2, 3, 4],
        covers_from=time(8),
        covers_until=time(18),
        rests_on_holidays=True,
        by=None,
        now=now,
    )


def publish_for(schedule: Schedule, backup: Owner, *, now: datetime) -> EscalationPolicy:
    """Publish two editions: the newest asks the schedule, with conditions on its last step."""
    for number in (1, 2):
        publish_policy(
            slug="standard",
            name="Standard",
            steps=[
                {"notify": [f"schedule:{schedule.slug}", "site_owner"], "delay_seconds": 300},
                {"notify": ["group:directors"], "delay_seconds": 600, "hours": HOURS},
                {
                    "notify": [f"owner:{backup.pk}", "role:engineer"],
                    "delay_seconds": 900,
                    "severities": ["urgent", "high"],
                },
            ],
            repeat=number,
            acknowledgement_seconds=7200,
            by=None,
            now=now,
        )
    return EscalationPolicy.objects.get(slug="standard")


def make_deliveries(*, now: datetime) -> None:
    """Give the pages that wait a past: arrived, dead, cancelled, with what receivers answered."""
    fates = ("sent", "dead", "cancelled")
    for number, page in enumerate(Page.objects.order_by("created_at", "pk")):
        state = fates[number % len(fates)]
        is_sent = state == "sent"
        Page.objects.filter(pk=page.pk).update(
            state=state,
            sent_at=page.created_at + timedelta(seconds=0.34) if is_sent else None,
            last_status=200 if is_sent else 500,
            last_error="" if is_sent else "The receiver answered 500.",
            attempts_made=1,
        )
        PageAttempt.objects.create(
            page=page,
            number=1,
            started_at=page.created_at,
            duration_ms=212,
            status=200 if is_sent else 500,
            error="" if is_sent else "The receiver answered 500.",
            body_head='{"ok": true}' if is_sent else "<h1>Internal Server Error</h1> token •••",
        )


def make_paging(*, now: datetime, user: Any = None) -> dict[str, Any]:
    """Make the fleet with its incidents, and everything about paging in every standing.

    `user`, where given, is the account of Mei Tanaka, whose turns stand in the schedule.
    """
    sites = make_fleet(now=now)
    mei, anne = Owner.objects.get(name="Mei Tanaka"), Owner.objects.get(name="Anne Roux")
    samira = Owner.objects.get(name="Samira Haddad")
    if user is not None:
        Owner.objects.filter(pk=mei.pk).update(user=user)
        mei.refresh_from_db()
    europe = make_europe(anne, mei, now=now)
    americas = create_schedule(
        slug="americas", name="Americas", time_zone="America/Chicago", by=None, now=now
    )
    make_follow_the_sun(americas, Owner.objects.get(name="Luis Ortega"), now=now)
    add_override(
        schedule=europe,
        owner=samira,
        starts_at=now + 2 * day,
        ends_at=now + 2 * day + 9 * hour,
        reason="Covers for Anne, at the dentist",
        by=None,
        now=now,
    )
    add_holiday(schedule=europe, day=(now + 4 * day).date(), name="Founders' day", by=None, now=now)
    create_group(slug="directors", name="Directors", owners=[samira], by=None, now=now)
    policy = publish_for(europe, samira, now=now)
    SiteEscalation.objects.filter(site__region="Europe").update(policy=policy)
    make_contact(
        owner=make_owner(name="Ben Okafor", time_zone="Africa/Lagos"),
        tested_at=None,
        label="phone",
        kind=Contact.Kind.SLACK,
        url="https://hooks.slack.com/services/T0/B0/secretsecretsecret",
        secret="",
    )
    make_contact(
        owner=mei,
        position=2,
        tested_at=None,
        last_test_at=now - hour,
        last_test_outcome="The receiver answered 403.",
        label="mail",
        kind=Contact.Kind.EMAIL,
        url="mailto:mei@example.org",
        secret="",
    )
    alerts = make_incidents(sites, now=now)
    make_deliveries(now=now)
    return {"sites": sites, "alerts": alerts, "mei": mei, "anne": anne, "europe": europe}
