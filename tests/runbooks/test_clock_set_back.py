"""A clock that is set back by an hour lengthens no wait: a step's, a page's or a storm's."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from fleet.management.commands.sweep import deciding_stages
from runbooks.alerts.clock import mend_storm_times
from runbooks.alerts.intake import take_in_findings
from runbooks.alerts.storms import STORM_ALERTS
from runbooks.auditor.beats import SWEEP, expect_beats, silent_parts
from runbooks.escalation.clock import mend_waits
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, Escalation, Page, StormMember
from runbooks.paging.clock import mend_page_times
from runbooks.paging.queued import FAILED_OVER_AFTER, ask_receivers, fail_over_queued
from runbooks.paging.receipts import record_receipt
from tests.factories import NOON, make_policy, make_site
from tests.receiver import Receiver, status
from tests.runbooks.world import (
    claim_page,
    deliver,
    make_alert,
    make_finding,
    make_pager,
    only_page,
    policy_of,
    queued,
    seconds,
    site_paging,
    states_of_pages,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

BACK = NOON - seconds(3600)
NIGHT = {"time_zone": "UTC", "weekdays": list(range(7)), "from": "02:00", "until": "03:00"}


def due_at(alert: Alert) -> datetime | None:
    return Escalation.objects.get(alert=alert).next_due_at


def page_queued_at_its_receiver(receiver: Receiver) -> Page:
    page = only_page(queued(site_paging(receiver)))
    deliver(NOON)
    record_receipt(page=page, receipt=Page.Receipt.QUEUED, seq=1, now=NOON, is_askable=True)
    page.refresh_from_db()
    return page


def test_the_wait_for_the_next_step_begins_anew_and_is_no_longer() -> None:
    alert = queued(make_site(policy=policy_of((["site_owner"], 60), (["site_owner"], 90))))
    assert mend_waits(now=BACK) == 1
    assert due_at(alert) == BACK + seconds(60)
    assert mend_waits(now=BACK + seconds(5)) == 0
    advance_due_escalations(now=BACK + seconds(60))
    assert due_at(alert) == BACK + seconds(150)


def test_a_first_step_that_was_not_taken_yet_is_due_at_once() -> None:
    alert = make_alert(now=NOON)
    assert mend_waits(now=BACK) == 1
    assert due_at(alert) == BACK
    assert advance_due_escalations(now=BACK) == 1


def test_clocks_of_two_machines_that_differ_a_little_move_nothing() -> None:
    alert = queued(make_site())
    before = due_at(alert)
    assert mend_waits(now=NOON - seconds(59)) == 0
    assert mend_page_times(now=NOON - seconds(59)) == 0
    assert due_at(alert) == before


def test_a_wait_for_hours_goes_by_the_calendar() -> None:
    step = {"notify": ["site_owner"], "delay_seconds": 300, "hours": NIGHT}
    alert = queued(make_site(policy=make_policy(steps=[step])))
    before = due_at(alert)
    assert mend_waits(now=BACK) == 0
    assert due_at(alert) == before == NOON + timedelta(hours=14)


def test_a_wait_that_was_set_by_the_new_clock_stays() -> None:
    alert = queued(make_site())
    Escalation.objects.filter(alert=alert).update(next_due_at=BACK + seconds(200))
    assert mend_waits(now=BACK) == 0
    assert due_at(alert) == BACK + seconds(200)


def test_a_page_that_was_queued_by_the_old_clock_goes_out_at_once(receiver: Receiver) -> None:
    alert = queued(site_paging(receiver))
    assert mend_page_times(now=BACK) == 1
    assert deliver(BACK).sent == 1
    assert states_of_pages(alert) == ["sent"]


def test_a_page_that_was_tried_by_the_old_clock_is_tried_again_at_once(receiver: Receiver) -> None:
    alert = queued(site_paging(receiver))
    Page.objects.update(created_at=BACK - seconds(60))
    receiver.answers(status(503), status(200))
    deliver(NOON)
    assert deliver(BACK).sent == 0
    assert mend_page_times(now=BACK) == 1
    assert deliver(BACK).sent == 1
    assert states_of_pages(alert) == ["sent"]


def test_the_lease_of_a_worker_that_died_before_ends_in_about_a_minute() -> None:
    alert = queued(make_site())
    assert claim_page(now=NOON, timeout=seconds(8)) is not None
    assert mend_page_times(now=BACK) == 1
    assert only_page(alert).lease_expires_at == BACK + seconds(65)
    assert mend_page_times(now=BACK + seconds(5)) == 0


def test_the_wait_for_a_receiver_that_has_the_page_in_a_queue_begins_anew(
    receiver: Receiver,
) -> None:
    page = page_queued_at_its_receiver(receiver)
    assert mend_page_times(now=BACK) == 1
    assert fail_over_queued(now=BACK + FAILED_OVER_AFTER - seconds(1)) == 0
    assert mend_page_times(now=BACK + seconds(5)) == 0
    assert fail_over_queued(now=BACK + FAILED_OVER_AFTER) == 1
    before = (page.sent_at - page.created_at, page.give_up_at - page.created_at)
    page.refresh_from_db()
    assert (page.sent_at - page.created_at, page.give_up_at - page.created_at) == before


def test_a_receiver_that_has_the_page_in_a_queue_is_asked_again_a_minute_later(
    receiver: Receiver,
) -> None:
    page_queued_at_its_receiver(receiver)
    assert ask_receivers(now=NOON + seconds(60), clock=lambda: 0.0) == 1
    mend_page_times(now=BACK)
    times = [ask_receivers(now=BACK + seconds(after), clock=lambda: 0.0) for after in (59, 60)]
    assert times == [0, 1]


def test_a_storm_that_quietens_is_over_after_its_span_began_anew() -> None:
    site = make_site()
    for _ in range(STORM_ALERTS + 1):
        make_finding(site=site)
    take_in_findings(now=NOON)
    assert mend_storm_times(now=BACK) == 1
    assert mend_storm_times(now=BACK + seconds(5)) == 0
    joins = make_finding(site=site, began_at=BACK)
    take_in_findings(now=BACK + seconds(599))
    assert StormMember.objects.filter(finding=joins).exists()
    own = make_finding(site=site, began_at=BACK)
    take_in_findings(now=BACK + seconds(600))
    assert Alert.objects.get(is_storm=False).finding == own


def test_alerts_of_the_time_to_come_make_no_storm() -> None:
    site = make_site()
    for _ in range(STORM_ALERTS):
        make_finding(site=site)
    take_in_findings(now=NOON)
    own = [make_finding(site=site, began_at=BACK) for _ in range(2)]
    take_in_findings(now=BACK)
    assert not Alert.objects.filter(is_storm=True).exists()
    assert Alert.objects.filter(finding__in=own).count() == 2


def test_a_storm_of_machines_whose_clocks_differ_a_little_is_one() -> None:
    site = make_site()
    for _ in range(STORM_ALERTS):
        make_finding(site=site)
    take_in_findings(now=NOON)
    make_finding(site=site)
    take_in_findings(now=NOON - seconds(59))
    assert Alert.objects.filter(is_storm=True).count() == 1


def test_the_sweep_mends_all_of_it_before_anything_else() -> None:
    site = make_site()
    for _ in range(STORM_ALERTS + 1):
        make_finding(site=site)
    take_in_findings(now=NOON)
    advance_due_escalations(now=NOON)
    Page.objects.update(state=Page.State.SENT, sent_at=NOON, receipt=Page.Receipt.QUEUED)
    deciding_stages()[0].run(BACK)
    assert set(StormMember.objects.values_list("joined_at", flat=True)) == {BACK}
    assert Page.objects.get().sent_at == BACK
    assert Escalation.objects.get().last_step_at == BACK


def test_nobody_waits_an_hour_for_a_bundle(receiver: Receiver, settings: Any) -> None:
    settings.HEARTHWATCH_PAGES_PER_CONTACT = 1
    owner = make_pager(receiver).owner
    for _ in range(4):
        queued(make_site(owner=owner))
        deliver(NOON)
    assert len(receiver.requests) == 2
    for now in (BACK, BACK + seconds(61)):
        mend_page_times(now=now)
        deliver(now)
    assert set(Page.objects.values_list("state", flat=True)) == {"sent"}


def test_a_beat_of_the_time_to_come_proves_nothing() -> None:
    expect_beats(now=NOON)
    assert silent_parts(SWEEP, since=NOON - seconds(135)) == []
    assert {beat.part for beat in silent_parts(SWEEP, since=BACK - seconds(135))} == set(SWEEP)
