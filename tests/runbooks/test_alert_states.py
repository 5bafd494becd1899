"""What the data do to an alert, T1 to T5 of `docs/alert-life.md`, each row a sentence."""

from __future__ import annotations

import pytest

from runbooks.alerts.intake import take_in_findings
from runbooks.alerts.services import (
    acknowledge_alert,
)
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, Escalation, Page
from tests.factories import NOON, make_site, make_user
from tests.receiver import Receiver
from tests.runbooks.world import (
    HIGH,
    LOW,
    URGENT,
    alert_of,
    clear,
    fire_again,
    kinds_of,
    make_alert,
    make_finding,
    policy_of,
    revise,
    run,
    seconds,
    sentences_of,
    site_paging,
    states_of_pages,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

LATER = NOON + seconds(60)
Response = Alert.Response
Condition = Alert.Condition


def state_of(alert: Alert) -> tuple[str, str]:
    alert.refresh_from_db()
    return alert.condition, alert.response


def escalation_of(alert: Alert) -> Escalation:
    return Escalation.objects.get(alert=alert)


def test_t1_a_new_key_opens_an_alert_with_its_first_step_due_now() -> None:
    finding = make_finding()
    assert take_in_findings(now=NOON) == 1
    alert = alert_of(finding)
    assert state_of(alert) == (Condition.FIRING, Response.UNACKNOWLEDGED)
    escalation = escalation_of(alert)
    assert (escalation.state, escalation.next_due_at) == (Escalation.State.RUNNING, NOON)
    assert kinds_of(alert) == ["opened"]
    assert sentences_of(alert, "opened") == [
        "Opened as urgent: Inlet 38.4 °C, limit 35 °C. Runbook: Thermal alarm v1."
    ]


def test_t1_runbook_and_policy_are_pinned_as_they_are_at_that_moment() -> None:
    alert = make_alert()
    assert alert.runbook_version.runbook.slug == "thermal-alarm"
    assert alert.policy_version == alert.site.escalation_choice.policy.versions.get()


def test_t2_the_same_key_counts_and_starts_no_second_escalation() -> None:
    finding = make_finding(severity=HIGH)
    run(NOON)
    fire_again(clear(finding, now=LATER), now=LATER, severity=HIGH)
    run(LATER)
    alert = alert_of(finding)
    assert state_of(alert) == (Condition.FIRING, Response.UNACKNOWLEDGED)
    assert alert.fired_count == 2
    assert Escalation.objects.count() == 1
    assert "fired_again" in kinds_of(alert)


def test_t2_what_comes_and_goes_within_one_wait_pages_nobody_twice(receiver: Receiver) -> None:
    finding = make_finding(site=site_paging(receiver))
    run(NOON)
    fire_again(clear(finding, now=LATER), now=LATER)
    run(LATER)
    assert len(receiver.requests) == 1
    assert escalation_of(alert_of(finding)).next_due_at == NOON + seconds(300)


def test_t2_what_comes_back_before_anybody_was_reached_is_paged_at_once(
    receiver: Receiver,
) -> None:
    finding = make_finding(site=site_paging(receiver))
    take_in_findings(now=NOON)
    advance_due_escalations(now=NOON)
    clear(finding, now=NOON)
    take_in_findings(now=NOON)
    fire_again(finding, now=LATER)
    run(LATER)
    assert len(receiver.requests) == 1


def test_t2_what_comes_back_after_the_wait_begins_with_the_first_step_anew() -> None:
    finding = make_finding()
    run(NOON)
    clear(finding, now=LATER)
    run(LATER)
    back = NOON + seconds(3600)
    fire_again(finding, now=back)
    take_in_findings(now=back)
    escalation = escalation_of(alert_of(finding))
    assert (escalation.step_index, escalation.next_due_at) == (0, back)


def test_t3_a_rising_severity_alarms_an_acknowledged_alert_anew() -> None:
    finding = make_finding(severity=LOW)
    run(NOON)
    alert = alert_of(finding)
    ana = make_user(first_name="Ana", last_name="Silva")
    acknowledge_alert(alert=alert, by=ana, now=NOON)
    revise(finding, severity=URGENT, summary="Inlet 44 °C, limit 35 °C.")
    take_in_findings(now=LATER)
    assert state_of(alert) == (Condition.FIRING, Response.UNACKNOWLEDGED)
    assert (alert.severity, alert.acknowledged_by, alert.acknowledged_at) == (URGENT, None, None)
    escalation = escalation_of(alert)
    assert (escalation.state, escalation.step_index) == (Escalation.State.RUNNING, 0)
    assert escalation.next_due_at == LATER
    assert sentences_of(alert, "severity_rose") == [
        "Rose from low to urgent: Inlet 44 °C, limit 35 °C. Ana Silva took it when it was milder: "
        "paging begins anew."
    ]


def test_t3_while_nobody_has_it_a_rise_leaves_the_timers_alone() -> None:
    finding = make_finding(severity=LOW)
    run(NOON)
    revise(finding, severity=URGENT)
    take_in_findings(now=LATER)
    alert = alert_of(finding)
    assert alert.severity == URGENT
    assert escalation_of(alert).next_due_at == NOON + seconds(300)


def test_t3_a_rise_after_everybody_was_paged_pages_everybody_again() -> None:
    site = make_site(policy=policy_of((["site_owner"], 300)))
    finding = make_finding(site=site, severity=LOW)
    run(NOON)
    Page.objects.update(state=Page.State.SENT)
    run(NOON + seconds(300))
    alert = alert_of(finding)
    assert escalation_of(alert).state == Escalation.State.EXHAUSTED
    revise(finding, severity=HIGH)
    take_in_findings(now=NOON + seconds(900))
    assert escalation_of(alert).next_due_at == NOON + seconds(900)


def test_an_alert_keeps_the_worst_severity_it_has_had() -> None:
    finding = make_finding(severity=URGENT)
    run(NOON)
    revise(finding, severity=LOW, summary="Inlet 36 °C, limit 35 °C.")
    take_in_findings(now=LATER)
    alert = alert_of(finding)
    assert (alert.severity, alert.summary) == (URGENT, "Inlet 36 °C, limit 35 °C.")
    assert sentences_of(alert, "changed") == ["Eased to low: Inlet 36 °C, limit 35 °C."]


@pytest.mark.parametrize("severity", [URGENT, HIGH])
def test_t4_an_urgent_or_high_alert_that_clears_unseen_waits_for_a_person(severity: int) -> None:
    finding = make_finding(severity=severity)
    run(NOON)
    clear(finding, now=LATER)
    run(LATER)
    alert = alert_of(finding)
    assert state_of(alert) == (Condition.CLEARED, Response.UNACKNOWLEDGED)
    assert alert.cleared_at == LATER
    assert escalation_of(alert).state == Escalation.State.STOPPED


def test_t4_a_clear_cancels_the_pages_that_are_not_out() -> None:
    finding = make_finding()
    run(NOON)
    clear(finding, now=LATER)
    take_in_findings(now=LATER)
    assert states_of_pages(alert_of(finding)) == ["cancelled"]


def test_t4_a_low_alert_that_clears_unseen_closes_by_itself() -> None:
    finding = make_finding(severity=LOW)
    run(NOON)
    clear(finding, now=LATER)
    run(LATER)
    alert = alert_of(finding)
    assert state_of(alert) == (Condition.CLEARED, Response.CLOSED)
    assert (alert.closed_at, alert.closed_by) == (LATER, None)


def test_t5_an_acknowledged_alert_that_clears_closes() -> None:
    finding = make_finding()
    run(NOON)
    alert = alert_of(finding)
    acknowledge_alert(alert=alert, by=make_user(), now=NOON)
    clear(finding, now=LATER)
    take_in_findings(now=LATER)
    assert state_of(alert) == (Condition.CLEARED, Response.CLOSED)
    assert alert.close_reason == "The condition cleared."
