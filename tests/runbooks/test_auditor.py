"""The auditor: what the pager owes and does not do."""

from __future__ import annotations

import logging
import uuid
from datetime import datetime

import pytest

from fleet.models import Contact
from runbooks.alerts.services import acknowledge_alert
from runbooks.auditor import audit_promises, open_promises
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, BrokenPromise, Escalation, Page
from tests.factories import NOON, make_contact, make_owner, make_site, make_user
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
    for offset in (0, 60):
        advance_due_escalations(now=NOON + seconds(offset))
    Page.objects.all().delete()
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
