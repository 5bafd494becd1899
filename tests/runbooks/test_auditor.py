"""The auditor: what the pager owes and does not do."""

from __future__ import annotations

import logging
import uuid
from datetime import datetime
from typing import Any

import pytest

from fleet.models import Contact
from runbooks.alerts.services import acknowledge_alert
from runbooks.auditor import audit_promises, open_promises
from runbooks.auditor.audit import watch_auditor
from runbooks.auditor.beats import expect_beats, note_beat
from runbooks.escalation.services import advance_due_escalations, suspend_escalation
from runbooks.models import (
    Alert,
    AlertEvent,
    BrokenPromise,
    EngineBeat,
    Escalation,
    Page,
    RunbookVersion,
    Suppression,
)
from runbooks.paging.queued import FAILED_OVER_AFTER, fail_over_queued
from tests.factories import NOON, make_contact, make_owner, make_policy, make_site, make_user
from tests.receiver import Receiver
from tests.runbooks.world import (
    clear,
    make_alert,
    make_finding,
    policy_of,
    run,
    seconds,
    site_paging,
    word,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

Code = BrokenPromise.Code
#: Past the three cycles of five seconds that everything may be late.
LATE = NOON + seconds(16)


def codes(now: datetime = LATE) -> list[str]:
    return [promise.code for promise in audit_promises(now=now)]


def test_a_pager_that_does_what_it_owes_breaks_no_promise(receiver: Receiver) -> None:
    make_alert(site=site_paging(receiver))
    run(NOON)
    assert codes(NOON) == []
    assert codes() == []


def test_an_open_alert_whose_first_step_was_lost_is_found() -> None:
    alert = make_alert()
    Escalation.objects.all().delete()
    found = audit_promises(now=LATE)
    assert [(row.code, row.subject) for row in found] == [
        (Code.ESCALATION_MISSING, f"alert {alert.pk}")
    ]


def test_an_open_alert_is_found_however_old_it_is() -> None:
    make_alert()
    Escalation.objects.all().delete()
    assert codes(NOON + seconds(400 * 86_400)) == [Code.ESCALATION_MISSING]


def test_an_unanswered_alert_whose_escalation_is_stopped_is_found() -> None:
    make_alert()
    Escalation.objects.update(state=Escalation.State.STOPPED, next_due_at=None)
    assert codes() == [Code.ESCALATION_MISSING]


def test_a_step_that_is_not_taken_in_time_is_found() -> None:
    make_alert()
    assert codes(NOON + seconds(14)) == []
    assert codes() == [Code.ESCALATION_OVERDUE]


def test_an_exhausted_escalation_keeps_its_promise() -> None:
    make_alert(site=make_site(policy=policy_of((["site_owner"], 60))))
    advance_due_escalations(now=NOON)
    Page.objects.update(state=Page.State.SENT)
    advance_due_escalations(now=NOON + seconds(60))
    assert Escalation.objects.get().state == Escalation.State.EXHAUSTED
    assert codes(NOON + seconds(600)) == []


def test_what_somebody_has_or_what_has_cleared_owes_no_page() -> None:
    finding = make_finding()
    acknowledge_alert(alert=make_alert(), by=make_user(), now=NOON)
    run(NOON)
    clear(finding, now=NOON)
    run(NOON)
    assert Alert.objects.exclude(response="closed").count() == 2
    assert codes(NOON + seconds(3600)) == []


def test_a_page_that_is_not_tried_in_time_is_found() -> None:
    make_alert()
    advance_due_escalations(now=NOON)
    assert codes() == [Code.PAGE_OVERDUE]


def test_a_lease_that_nobody_took_over_is_found() -> None:
    make_alert()
    advance_due_escalations(now=NOON)
    Page.objects.update(
        state=Page.State.LEASED, lease_token=uuid.uuid4(), lease_expires_at=NOON + seconds(13)
    )
    assert codes() == []
    assert codes(NOON + seconds(28)) == [Code.LEASE_EXPIRED]


def test_a_finding_that_is_not_taken_in_is_found() -> None:
    finding = make_finding()
    assert codes(NOON + seconds(14)) == []
    found = audit_promises(now=LATE)
    assert [(row.code, row.subject) for row in found] == [
        (Code.INTAKE_OVERDUE, f"finding {finding.pk}")
    ]


def test_a_site_whose_step_reached_nobody_stays_raised_until_it_would() -> None:
    mute = make_owner()
    make_alert(site=make_site(policy=policy_of(([word(mute)], 300))))
    run(NOON)
    assert codes() == [Code.NOBODY_REACHABLE]
    make_contact(owner=mute)
    assert codes() == []


def test_a_promise_is_one_row_while_it_is_broken() -> None:
    make_alert()
    audit_promises(now=LATE)
    audit_promises(now=LATE + seconds(15))
    promise = open_promises().get()
    assert (promise.first_seen_at, promise.last_seen_at) == (LATE, LATE + seconds(15))


def test_a_promise_that_holds_again_is_mended_by_itself() -> None:
    make_alert()
    audit_promises(now=LATE)
    advance_due_escalations(now=LATE)
    Page.objects.all().delete()
    audit_promises(now=LATE + seconds(1))
    assert not open_promises().exists()
    assert BrokenPromise.objects.get().mended_at == LATE + seconds(1)


def test_a_promise_that_breaks_again_is_another_row() -> None:
    make_alert()
    audit_promises(now=LATE)
    Escalation.objects.update(next_due_at=NOON + seconds(60))
    audit_promises(now=LATE)
    audit_promises(now=NOON + seconds(120))
    assert BrokenPromise.objects.count() == 2
    assert open_promises().count() == 1


def test_a_broken_promise_is_logged_as_an_error_once(caplog: pytest.LogCaptureFixture) -> None:
    make_alert()
    for offset in (0, 15):
        audit_promises(now=LATE + seconds(offset))
    errors = [row.getMessage() for row in caplog.records if row.levelno == logging.ERROR]
    assert errors == ["promise.broken"]


def test_a_pager_that_is_down_as_a_whole_is_not_ten_thousand_rows() -> None:
    site = make_site()
    for _ in range(103):
        make_finding(site=site)
    assert len(codes()) == 100


def test_a_contact_that_is_switched_off_reaches_nobody() -> None:
    off = make_contact(owner=make_owner())
    Contact.objects.filter(pk=off.pk).update(is_enabled=False)
    make_alert(site=make_site(policy=policy_of(([word(off.owner)], 300))))
    run(NOON)
    assert codes() == [Code.NOBODY_REACHABLE]


def make_suppression(alert: Alert, **overrides: Any) -> Suppression:
    fields = {
        "alert": alert,
        "kind": Suppression.Kind.SHELVED,
        "source": "shelf",
        "reason": "A known fan.",
        "began_at": NOON,
        "until": NOON + seconds(3600),
    }
    Alert.objects.filter(pk=alert.pk).update(is_suppressed=True)
    return Suppression.objects.create(**(fields | overrides))


def test_what_is_held_back_owes_no_page() -> None:
    alert = make_alert()
    make_suppression(alert)
    suspend_escalation(alert=alert, now=NOON)
    assert codes() == []


def test_a_suspension_that_outlived_its_reason_is_found() -> None:
    alert = make_alert()
    suspend_escalation(alert=alert, now=NOON)
    assert codes() == [Code.ESCALATION_MISSING]


def test_an_overlay_past_its_end_that_still_holds_is_found() -> None:
    alert = make_alert()
    make_suppression(alert, until=NOON + seconds(1))
    suspend_escalation(alert=alert, now=NOON)
    assert codes(NOON + seconds(15)) == []
    assert codes() == [Code.SUPPRESSION_STALE]


def test_an_alert_held_back_by_nothing_is_found() -> None:
    alert = make_alert()
    Alert.objects.update(is_suppressed=True)
    found = audit_promises(now=NOON)
    assert [(row.code, row.subject) for row in found] == [
        (Code.SUPPRESSION_STALE, f"alert {alert.pk}")
    ]


def test_a_page_that_is_held_back_is_not_overdue() -> None:
    alert = make_alert()
    advance_due_escalations(now=NOON)
    make_suppression(alert)
    assert Code.PAGE_OVERDUE not in codes()


def test_a_page_that_waits_for_the_leader_of_its_bundle_is_not_overdue() -> None:
    leader, member = (make_alert(site=site) for site in (make_site(), make_site()))
    advance_due_escalations(now=NOON)
    leading = Page.objects.get(alert=leader)
    Page.objects.filter(pk=leading.pk).update(next_attempt_at=NOON + seconds(60))
    Page.objects.filter(alert=member).update(bundle=leading)
    assert codes() == []
    Page.objects.filter(pk=leading.pk).update(state=Page.State.SENT)
    assert codes() == [Code.PAGE_OVERDUE]


def test_a_page_that_was_given_up_is_found_until_somebody_else_is_reached() -> None:
    make_contact(owner=make_owner(is_catch_all=True))
    alert = make_alert()
    advance_due_escalations(now=NOON)
    dead = Page.objects.get()
    Page.objects.update(state=Page.State.DEAD)
    assert [(row.code, row.subject) for row in audit_promises(now=NOON)] == [
        (Code.PAGE_DEAD, f"page {dead.pk}")
    ]
    advance_due_escalations(now=NOON + seconds(300))
    Page.objects.filter(state=Page.State.PENDING).update(state=Page.State.SENT)
    assert Page.objects.filter(alert=alert, state=Page.State.SENT).exists()
    assert codes(NOON + seconds(300)) == []


def test_a_page_that_stays_in_its_receivers_queue_has_reached_nobody() -> None:
    """Whoever has not learnt of it within three minutes may never; until then it is on its way."""
    make_contact(owner=make_owner(is_catch_all=True))
    make_alert()
    advance_due_escalations(now=NOON)
    Page.objects.update(state=Page.State.DEAD)
    advance_due_escalations(now=NOON + seconds(300))
    pending = Page.objects.filter(state=Page.State.PENDING)
    pending.update(state=Page.State.SENT, sent_at=NOON + seconds(300), receipt="queued")
    at = NOON + seconds(300) + FAILED_OVER_AFTER
    assert codes(at) == []
    assert fail_over_queued(now=at) == 1
    assert codes(at) == [Code.PAGE_DEAD]
    Page.objects.update(receipt="delivered")
    assert codes(at) == []


def test_a_page_that_was_given_up_is_no_trouble_once_somebody_has_the_alert() -> None:
    alert = make_alert()
    advance_due_escalations(now=NOON)
    Page.objects.update(state=Page.State.DEAD)
    acknowledge_alert(alert=alert, by=make_user(), now=NOON)
    assert codes(NOON) == []


def test_a_contact_whose_receiver_is_gone_is_found_until_a_person_deals_with_it() -> None:
    contact = make_contact(disabled_reason="The receiver answered 410.")
    assert [(row.code, row.subject) for row in audit_promises(now=NOON)] == [
        (Code.CONTACT_GONE, f"contact {contact.pk}")
    ]
    Contact.objects.filter(pk=contact.pk).update(is_enabled=False)
    assert codes() == []


def test_an_alert_whose_runbook_says_nothing_is_found() -> None:
    alert = make_alert()
    empty = RunbookVersion.objects.create(
        runbook=alert.runbook_version.runbook, number=9, document={}, published_at=NOON
    )
    Alert.objects.update(runbook_version=empty)
    assert codes(NOON) == [Code.RUNBOOK_MISSING]


def test_a_lane_of_the_sweep_that_fell_silent_is_found() -> None:
    for part in EngineBeat.Part:
        note_beat(part=part, now=NOON)
    note_beat(part=EngineBeat.Part.AUDIT, now=NOON + seconds(300))
    note_beat(part=EngineBeat.Part.DETECT, now=NOON + seconds(300))
    found = audit_promises(now=NOON + seconds(300))
    assert [(row.code, row.subject) for row in found] == [
        (Code.SWEEP_SILENT, EngineBeat.Part.ASK),
        (Code.SWEEP_SILENT, EngineBeat.Part.DECIDE),
        (Code.SWEEP_SILENT, EngineBeat.Part.DELIVER),
    ]


def test_a_lane_that_goes_round_slowly_is_not_silent() -> None:
    note_beat(part=EngineBeat.Part.DELIVER, now=NOON)
    assert codes(NOON + seconds(120)) == []


def test_a_part_that_was_never_started_is_missed_once_it_is_expected() -> None:
    assert codes(NOON + seconds(600)) == []
    expect_beats(now=NOON)
    expect_beats(now=NOON + seconds(500))
    assert codes(NOON + seconds(600)) == [Code.SWEEP_SILENT] * 4 + [Code.AUDITOR_SILENT]


def test_the_sweep_sees_when_the_auditor_is_silent_and_when_it_is_back() -> None:
    note_beat(part=EngineBeat.Part.AUDIT, now=NOON)
    late = NOON + seconds(200)
    assert watch_auditor(now=late) == 1
    assert open_promises().get().code == Code.AUDITOR_SILENT
    note_beat(part=EngineBeat.Part.AUDIT, now=late)
    assert watch_auditor(now=late) == 0
    assert not open_promises().exists()


def test_a_step_that_is_not_open_at_this_hour_need_not_reach_anybody() -> None:
    mute = make_owner()
    by_night = {"time_zone": "UTC", "weekdays": [0], "from": "22:00", "until": "23:00"}
    steps = [
        {"notify": [word(mute)], "delay_seconds": 300, "hours": by_night},
        {"notify": ["site_owner"], "delay_seconds": 300},
    ]
    alert = make_alert(site=make_site(policy=make_policy(steps=steps)))
    AlertEvent.objects.create(
        alert=alert, kind=AlertEvent.Kind.NOBODY_REACHABLE, at=NOON, sentence="Nobody of step 1."
    )
    assert codes(NOON) == []
