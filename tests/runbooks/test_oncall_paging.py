"""From an alert to the person on call: schedules, conditions and the engine together."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from fleet.models import Owner, Site
from runbooks.escalation.preview import preview_policy
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, Page
from tests.factories import NOON, make_contact, make_owner, make_policy, make_site
from tests.runbooks.oncall_world import at, owner_of, weekly
from tests.runbooks.world import LOW, URGENT, make_alert

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

OFFICE = {"time_zone": "site", "weekdays": [0, 1, 2, 3, 4], "from": "08:00", "until": "18:00"}
MINUTE = timedelta(minutes=1)


def pager(name: str) -> Owner:
    return make_contact(owner=make_owner(name=name)).owner


def site_with(*notify: str, repeat: int = 0, **conditions: Any) -> Site:
    step = {"notify": list(notify), "delay_seconds": 300, **conditions}
    return make_site(policy=make_policy(steps=[step], repeat=repeat), time_zone="Asia/Tokyo")


def pages_of(alert: Alert) -> list[tuple[str, datetime]]:
    rows = Page.objects.filter(alert=alert).order_by("created_at")
    return [(page.owner.name, page.created_at) for page in rows]


def test_each_step_pages_whoever_is_on_call_when_it_is_carried_out() -> None:
    weekly(pager("Ana"), pager("Ben"), slug="europe")
    before, after = at(14, 9) - MINUTE, at(14, 9) + 4 * MINUTE
    alert = make_alert(site=site_with("schedule:europe", repeat=1), now=before)
    for now in (before, after):
        advance_due_escalations(now=now)
    assert pages_of(alert) == [("Ana", before), ("Ben", after)]


def test_an_alert_that_may_wait_pages_once_when_its_hours_begin() -> None:
    site = site_with("site_owner", hours=OFFICE)
    alert, morning = make_alert(site=site, severity=LOW), at(1, 23)
    for now in (NOON, NOON + 60 * MINUTE, morning - MINUTE, morning, morning + MINUTE):
        advance_due_escalations(now=now)
    assert pages_of(alert) == [(owner_of(site), morning)]


def test_the_engine_does_what_the_preview_said() -> None:
    weekly(pager("Ana"), pager("Ben"), slug="europe")
    policy = make_policy(
        steps=[
            {"notify": ["site_owner"], "delay_seconds": 600, "severities": ["low"]},
            {"notify": ["site_owner"], "delay_seconds": 600, "hours": OFFICE},
            {"notify": ["schedule:europe"], "delay_seconds": 120},
            {"notify": ["role:engineer"], "delay_seconds": 300},
        ],
        repeat=1,
    )
    site, start = make_site(policy=policy), at(14, 9) - 12 * MINUTE
    said = preview_policy(version=policy.versions.get(), site=site, severity=URGENT, at=start)
    alert = make_alert(site=site, severity=URGENT, now=start)
    for number in range(60):
        advance_due_escalations(now=start + number * MINUTE)
        # Rounds of which nobody has heard would begin anew.
        Page.objects.filter(alert=alert).update(state=Page.State.SENT)
    expected = [(name, move.at) for move in said for name in move.names]
    assert pages_of(alert) == expected
    assert {name for name, _ in expected} == {"Ana", "Ben", owner_of(site)}
