"""Conditions that come and go all the time, and those that are over before anybody was paged."""

from __future__ import annotations

import pytest

from runbooks.alerts.flapping import settle_flapping
from runbooks.alerts.intake import take_in_findings
from runbooks.alerts.services import acknowledge_alert, release_alert
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, Escalation
from telemetry.models import Finding
from tests.factories import NOON, make_user
from tests.receiver import Receiver
from tests.runbooks.world import (
    HIGH,
    LOW,
    URGENT,
    alert_of,
    clear,
    deliver,
    fire_again,
    kinds_of,
    make_finding,
    revise,
    run,
    seconds,
    sentences_of,
    site_paging,
    states_of_pages,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

Response = Alert.Response
Condition = Alert.Condition


def come_and_go(finding: Finding, *, times: int, every: float = 60) -> Finding:
    """Clear and fire so often again, from noon on; the last firing stays."""
    for turn in range(1, times + 1):
        clear(finding, now=NOON + seconds(turn * every - every / 2))
        run(NOON + seconds(turn * every - every / 2))
        fields = {"severity": finding.severity}
        finding = fire_again(finding, now=NOON + seconds(turn * every), **fields)
        run(NOON + seconds(turn * every))
    return finding


def flapping_alert(receiver: Receiver, severity: int = HIGH) -> tuple[Alert, Finding]:
    """An alert that fired four times within three minutes, and its last finding."""
    finding = make_finding(site=site_paging(receiver), severity=severity)
    run(NOON)
    finding = come_and_go(finding, times=3)
    return open_alert_of(finding), finding


def open_alert_of(finding: Finding) -> Alert:
    return Alert.objects.exclude(response=Response.CLOSED).get(dedup_key=finding.fingerprint)


def escalation_of(alert: Alert) -> Escalation:
    return Escalation.objects.get(alert=alert)


def test_four_firings_within_an_hour_are_flapping_and_that_is_said_once(
    receiver: Receiver,
) -> None:
    alert, finding = flapping_alert(receiver)
    come_and_go(finding, times=1, every=300)
    alert.refresh_from_db()
    assert alert.is_flapping
    assert sentences_of(alert, "flapping") == [
        "It comes and goes: 4 times within an hour. Until it has been quiet for 10 minutes, a "
        "clear does not close it, and paging goes on where it is instead of beginning anew."
    ]


def test_three_firings_or_four_in_a_longer_time_are_not() -> None:
    few, slow = make_finding(severity=HIGH), make_finding(severity=HIGH)
    run(NOON)
    come_and_go(few, times=2)
    come_and_go(slow, times=3, every=1200)
    assert not Alert.objects.filter(is_flapping=True).exists()


def test_low_alerts_that_closed_with_each_clear_count_as_one_key(receiver: Receiver) -> None:
    alert, _ = flapping_alert(receiver, severity=LOW)
    assert Alert.objects.count() == 4
    assert alert.is_flapping


def test_while_flapping_a_clear_closes_nothing(receiver: Receiver) -> None:
    for severity in (LOW, HIGH):
        alert, finding = flapping_alert(receiver, severity=severity)
        acknowledge_alert(alert=alert, by=make_user(), now=NOON + seconds(181))
        clear(finding, now=NOON + seconds(200))
        run(NOON + seconds(200))
        alert.refresh_from_db()
        assert (alert.condition, alert.response) == (Condition.CLEARED, Response.ACKNOWLEDGED)


def test_while_flapping_what_somebody_took_fires_on_without_paging(receiver: Receiver) -> None:
    alert, finding = flapping_alert(receiver)
    acknowledge_alert(alert=alert, by=make_user(), now=NOON + seconds(181))
    before = len(receiver.requests)
    come_and_go(finding, times=4, every=200)
    alert.refresh_from_db()
    assert (alert.condition, alert.response) == (Condition.FIRING, Response.ACKNOWLEDGED)
    assert len(receiver.requests) == before


def test_while_flapping_paging_goes_on_where_it_is(receiver: Receiver) -> None:
    alert, finding = flapping_alert(receiver)
    Escalation.objects.filter(alert=alert).update(step_index=1)
    clear(finding, now=NOON + seconds(290))
    run(NOON + seconds(290))
    # The wait is over meanwhile: what does not flap would begin with the first step.
    back = NOON + seconds(400)
    fire_again(finding, now=back, severity=HIGH)
    take_in_findings(now=back)
    escalation = escalation_of(alert)
    assert (escalation.state, escalation.step_index) == (Escalation.State.RUNNING, 1)
    assert escalation.next_due_at == back


def test_while_flapping_a_step_that_reached_nobody_is_taken_again(receiver: Receiver) -> None:
    alert, finding = flapping_alert(receiver)
    due = NOON + seconds(300)
    advance_due_escalations(now=due)
    assert escalation_of(alert).sequence == 2
    clear(finding, now=due)
    take_in_findings(now=due)
    assert states_of_pages(alert)[-1] == "cancelled"
    fire_again(finding, now=due + seconds(5), severity=HIGH)
    take_in_findings(now=due + seconds(5))
    escalation = escalation_of(alert)
    assert (escalation.step_index, escalation.next_due_at) == (1, due + seconds(5))


def test_what_was_given_back_while_it_was_clear_is_paged_when_it_fires(
    receiver: Receiver,
) -> None:
    alert, finding = flapping_alert(receiver)
    ana = make_user()
    acknowledge_alert(alert=alert, by=ana, now=NOON + seconds(181))
    clear(finding, now=NOON + seconds(190))
    run(NOON + seconds(190))
    release_alert(alert=alert, by=ana, now=NOON + seconds(191))
    assert escalation_of(alert).state == Escalation.State.STOPPED
    back = NOON + seconds(200)
    fire_again(finding, now=back, severity=HIGH)
    take_in_findings(now=back)
    escalation = escalation_of(alert)
    assert (escalation.state, escalation.step_index) == (Escalation.State.RUNNING, 0)
    assert escalation.next_due_at == back


def test_a_rise_alarms_anew_even_while_flapping(receiver: Receiver) -> None:
    alert, finding = flapping_alert(receiver)
    acknowledge_alert(alert=alert, by=make_user(), now=NOON + seconds(181))
    revise(finding, severity=URGENT)
    take_in_findings(now=NOON + seconds(190))
    alert.refresh_from_db()
    assert alert.response == Response.UNACKNOWLEDGED
    assert escalation_of(alert).next_due_at == NOON + seconds(190)


def test_ten_quiet_minutes_of_firing_are_an_ordinary_alert_again(receiver: Receiver) -> None:
    alert, _ = flapping_alert(receiver)
    last = NOON + seconds(180)
    assert settle_flapping(now=last + seconds(599)) == 0
    assert settle_flapping(now=last + seconds(600)) == 1
    alert.refresh_from_db()
    assert (alert.is_flapping, alert.response) == (False, Response.UNACKNOWLEDGED)
    assert sentences_of(alert, "settled") == [
        "Settled: it has been firing for 10 minutes without a break."
    ]
    assert settle_flapping(now=last + seconds(700)) == 0


@pytest.mark.parametrize(
    ("severity", "is_taken", "expected"),
    [
        (LOW, False, Response.CLOSED),
        (HIGH, True, Response.CLOSED),
        (HIGH, False, Response.UNACKNOWLEDGED),
    ],
)
def test_what_is_clear_when_it_settles_goes_the_way_of_every_clear(
    receiver: Receiver, severity: int, is_taken: bool, expected: str
) -> None:
    alert, finding = flapping_alert(receiver, severity=severity)
    holders = [make_user()] * is_taken
    for holder in holders:
        acknowledge_alert(alert=alert, by=holder, now=NOON + seconds(181))
    clear(finding, now=NOON + seconds(200))
    run(NOON + seconds(200))
    settle_flapping(now=NOON + seconds(800))
    alert.refresh_from_db()
    assert (alert.is_flapping, alert.response) == (False, expected)


def test_what_was_over_before_intake_heard_of_it_pages_nobody(receiver: Receiver) -> None:
    finding = make_finding(site=site_paging(receiver))
    clear(finding, now=NOON + seconds(1))
    run(NOON + seconds(2))
    run(NOON + seconds(600))
    assert receiver.requests == []
    assert kinds_of(alert_of(finding)) == ["opened", "cleared"]


def test_what_was_over_before_its_first_page_was_sent_sends_nothing(receiver: Receiver) -> None:
    finding = make_finding(site=site_paging(receiver))
    take_in_findings(now=NOON)
    advance_due_escalations(now=NOON)
    clear(finding, now=NOON + seconds(1))
    take_in_findings(now=NOON + seconds(1))
    deliver(NOON + seconds(2))
    run(NOON + seconds(600))
    assert receiver.requests == []
    assert states_of_pages(alert_of(finding)) == ["cancelled"]
