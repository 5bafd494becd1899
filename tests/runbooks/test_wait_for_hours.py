"""An escalation that waits for hours goes by the clock, whatever held it back meanwhile (T9)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from runbooks.escalation.services import (
    advance_due_escalations,
    lift_suspension,
    suspend_escalation,
)
from runbooks.models import Alert, Escalation, Page
from tests.factories import NOON, make_contact, make_owner, make_policy, make_site
from tests.runbooks.world import make_alert, seconds, word

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

#: Noon is in these hours; the policy goes round once more after they have closed.
HOURS = {
    "time_zone": "UTC",
    "weekdays": [0, 1, 2, 3, 4],
    "from": "08:00",
    "until": "12:02",
}
CLOSED = NOON + seconds(300)
MORNING = NOON + timedelta(hours=20)


@pytest.fixture(params=["sent", "cancelled"])
def alert(request: pytest.FixtureRequest) -> Alert:
    """An alert that paged at noon and waits since five past until eight tomorrow."""
    ana = make_contact(owner=make_owner()).owner
    step = {"notify": [word(ana)], "delay_seconds": 300, "hours": HOURS}
    policy = make_policy(steps=[step], repeat=2)
    opened = make_alert(site=make_site(policy=policy, owner=ana))
    advance_due_escalations(now=NOON)
    Page.objects.update(state=request.param, sent_at=NOON)
    advance_due_escalations(now=CLOSED)
    assert due_at(opened) == MORNING
    return opened


def row_of(alert: Alert) -> Escalation:
    return Escalation.objects.get(alert=alert)


def due_at(alert: Alert) -> datetime | None:
    return row_of(alert).next_due_at


def held_back(alert: Alert, *, until: datetime) -> None:
    """Do what an overlay does that ends at `until`, then what the sweep does."""
    Alert.objects.filter(pk=alert.pk).update(is_suppressed=True)
    suspend_escalation(alert=alert, now=CLOSED + seconds(60))
    Alert.objects.filter(pk=alert.pk).update(is_suppressed=False)
    lift_suspension(alert=alert, now=until)
    advance_due_escalations(now=until)


def test_what_is_let_go_before_the_hours_begin_pages_when_they_do(alert: Alert) -> None:
    rounds = row_of(alert).rounds_left
    held_back(alert, until=NOON + timedelta(hours=6))
    assert due_at(alert) == MORNING
    assert row_of(alert).rounds_left == rounds
    assert Page.objects.count() == 1


def test_what_is_let_go_within_the_hours_pages_at_once(alert: Alert) -> None:
    later = MORNING + timedelta(hours=1)
    held_back(alert, until=later)
    assert Page.objects.filter(created_at=later).count() == 1


def test_what_is_let_go_after_the_hours_waits_for_the_next_ones(alert: Alert) -> None:
    held_back(alert, until=MORNING + timedelta(hours=8))
    assert due_at(alert) == MORNING + timedelta(days=1)
    assert Page.objects.count() == 1


def test_a_wait_for_an_answer_that_follows_is_kept_as_before(alert: Alert) -> None:
    advance_due_escalations(now=MORNING)
    Page.objects.update(state="sent", sent_at=MORNING)
    suspend_escalation(alert=alert, now=MORNING + seconds(100))
    assert row_of(alert).remaining_seconds == 200
