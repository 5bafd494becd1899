"""Maintenance: planned work at a site or a node pages nobody while it is on."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from fleet.models import AuditEntry, MaintenanceWindow, Membership, Site
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, Escalation
from runbooks.suppression.cycle import apply_suppressions
from runbooks.suppression.endings import warn_of_endings
from runbooks.suppression.errors import MaintenanceError
from runbooks.suppression.maintenance import cancel_maintenance, plan_maintenance
from runbooks.suppression.matchers import parse_matchers
from runbooks.suppression.selectors import maintenance_for, suppressions_of
from telemetry.models import Finding
from tests.factories import NOON, make_node, make_site, make_user
from tests.runbooks.world import (
    deliver,
    make_alert,
    queued,
    seconds,
    site_paging,
    states_of_pages,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def plan(site: Site, *, now: datetime = NOON, **overrides: Any) -> MaintenanceWindow:
    fields: dict[str, Any] = {
        "starts_at": now,
        "ends_at": now + HOUR,
        "reason": "New switch.",
        "by": None,
    }
    return plan_maintenance(site=site, now=now, **(fields | overrides))


def is_held(alert: Alert) -> bool:
    return Alert.objects.get(pk=alert.pk).is_suppressed


def held_at(alert: Alert, moment: datetime) -> bool:
    apply_suppressions(now=moment)
    return is_held(alert)


def test_pages_in_flight_are_cancelled_when_maintenance_starts(receiver: Any) -> None:
    alert = queued(site_paging(receiver))
    plan(alert.site)
    assert states_of_pages(alert) == ["cancelled"]
    deliver(NOON)
    assert receiver.requests == []
    assert [row.kind for row in suppressions_of(alert)] == ["maintenance"]


def test_maintenance_planned_ahead_cancels_pages_in_flight_when_it_begins(receiver: Any) -> None:
    site = site_paging(receiver)
    plan(site, starts_at=NOON + seconds(2), ends_at=NOON + HOUR)
    alert = queued(site)
    assert states_of_pages(alert) == ["pending"]
    apply_suppressions(now=NOON + seconds(2))
    assert states_of_pages(alert) == ["cancelled"]
    deliver(NOON + seconds(2))
    assert receiver.requests == []


def test_the_same_step_goes_on_within_one_cycle_after_the_work() -> None:
    alert = queued(make_site())
    plan(alert.site)
    end = NOON + HOUR
    assert held_at(alert, end - seconds(1))
    assert not held_at(alert, end)
    assert advance_due_escalations(now=end) == 1
    assert list(alert.pages.order_by("sequence").values_list("step_index", flat=True)) == [0, 0]


def test_an_alert_that_opens_during_the_work_pages_nobody_even_once() -> None:
    site = make_site()
    plan(site)
    alert = make_alert(site=site)
    assert is_held(alert)
    assert advance_due_escalations(now=NOON) == 0


def test_a_clear_during_the_work_is_still_a_clear() -> None:
    site = make_site()
    alert = make_alert(site=site, severity=3)
    plan(site)
    Alert.objects.filter(pk=alert.pk).update(
        condition="cleared", response="closed", closed_at=NOON, cleared_at=NOON
    )
    Escalation.objects.filter(alert=alert).update(state="stopped", remaining_seconds=None)
    apply_suppressions(now=NOON + seconds(1))
    assert not is_held(alert)
    assert not suppressions_of(alert).exists()


def test_work_on_a_node_holds_back_its_alerts_alone() -> None:
    node = make_node()
    of_node = make_alert(site=node.site, node=node, kind=Finding.Kind.DISK_FULL)
    of_other = make_alert(site=node.site, node=make_node(site=node.site))
    of_site = make_alert(site=node.site)
    plan(node.site, node=node)
    assert apply_suppressions(now=NOON + seconds(5)) == 0
    assert [is_held(alert) for alert in (of_node, of_other, of_site)] == [True, False, False]


def test_work_with_conditions_holds_back_what_fits_them() -> None:
    site = make_site()
    hot, full = make_alert(site=site), make_alert(site=site, kind=Finding.Kind.DISK_FULL)
    plan(site, matchers=parse_matchers('kind="disk.full"'))
    assert [is_held(hot), is_held(full)] == [False, True]


def test_work_at_one_site_holds_back_nothing_elsewhere() -> None:
    here, there = make_alert(), make_alert()
    plan(here.site)
    assert apply_suppressions(now=NOON + seconds(5)) == 0
    assert [is_held(here), is_held(there)] == [True, False]


def test_recurring_work_follows_the_local_clocks_when_they_change() -> None:
    # Berlin, Sundays 01:00 to 05:00: UTC+1 until 31 March 2030 at 02:00, then UTC+2.
    site = make_site(time_zone="Europe/Berlin")
    first = datetime(2030, 3, 24, 0, 0, tzinfo=UTC)
    plan(site, now=first, starts_at=first, ends_at=first + 4 * HOUR, every="week")
    alert = make_alert(site=site, now=first + DAY)
    begins = datetime(2030, 3, 31, 0, 0, tzinfo=UTC)
    assert not held_at(alert, begins - seconds(1))
    assert held_at(alert, begins)
    assert held_at(alert, begins + 3 * HOUR - seconds(1))
    assert not held_at(alert, begins + 3 * HOUR)
    after_the_change = datetime(2030, 4, 6, 23, 0, tzinfo=UTC)
    assert not held_at(alert, after_the_change - seconds(1))
    assert held_at(alert, after_the_change)


def test_work_called_off_lets_go_at_once() -> None:
    alert = make_alert()
    window = plan(alert.site)
    later = NOON + seconds(90)
    assert cancel_maintenance(window=window, by=make_user(), now=later) is True
    assert cancel_maintenance(window=window, by=make_user(), now=later) is False
    assert not is_held(alert)
    assert Escalation.objects.get(alert=alert).next_due_at == later
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == [
        "maintenance.planned",
        "maintenance.cancelled",
    ]


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        ({"ends_at": NOON}, "ends_before_start"),
        ({"starts_at": NOON - 2 * HOUR, "ends_at": NOON}, "already_over"),
        ({"ends_at": NOON + timedelta(days=91)}, "too_long"),
        ({"ends_at": NOON + DAY, "every": "day"}, "too_long"),
        ({"ends_at": NOON + 7 * DAY, "every": "week"}, "too_long"),
        ({"reason": " "}, "reason_missing"),
        ({"time_zone": "Mars/Olympus"}, "unknown_time_zone"),
        ({"every": "week", "last_day": date(2029, 12, 31)}, "last_day_before_start"),
    ],
)
def test_work_that_cannot_be_planned_is_refused_and_changes_nothing(
    overrides: dict[str, Any], code: str
) -> None:
    with pytest.raises(MaintenanceError) as refusal:
        plan(make_site(), **overrides)
    assert refusal.value.code == code
    assert refusal.value.sentence
    assert not MaintenanceWindow.objects.exists()


def test_work_on_a_node_of_another_site_is_refused() -> None:
    with pytest.raises(MaintenanceError) as refusal:
        plan(make_site(), node=make_node())
    assert refusal.value.code == "node_elsewhere"


def test_the_end_of_each_span_is_announced() -> None:
    site = make_site()
    window = plan(site, every="day")
    make_alert(site=site)
    apply_suppressions(now=NOON + seconds(1))
    assert warn_of_endings(now=NOON + timedelta(minutes=50)) == 1
    assert warn_of_endings(now=NOON + timedelta(minutes=51)) == 0
    apply_suppressions(now=NOON + HOUR)
    apply_suppressions(now=NOON + DAY)
    assert warn_of_endings(now=NOON + DAY + timedelta(minutes=50)) == 1
    window.refresh_from_db()
    assert window.warned_at == NOON + DAY + timedelta(minutes=50)


def test_maintenance_is_shown_for_the_sites_one_may_see_until_it_is_over() -> None:
    mine = make_site()
    user = make_user(Membership.Role.VIEWER, mine)
    once, weekly = plan(mine), plan(mine, every="week")
    plan(make_site())
    ended = plan(mine, every="week", last_day=date(2030, 1, 2))
    cancel_maintenance(window=plan(mine), by=None, now=NOON)
    assert set(maintenance_for(user, NOON)) == {once, weekly, ended}
    assert list(maintenance_for(user, NOON + timedelta(days=30))) == [weekly]
