"""Escalations that are held back: nothing goes out, nothing is forgotten, no delay is lost (T9)."""

from __future__ import annotations

import pytest

from runbooks.alerts.intake import take_in_findings
from runbooks.alerts.services import acknowledge_alert, release_alert
from runbooks.escalation.services import (
    advance_due_escalations,
    lift_suspension,
    lift_suspensions,
    suspend_escalation,
    suspend_escalations,
    upcoming_steps,
)
from runbooks.models import Alert, Escalation, Page
from tests.factories import NOON, make_contact, make_owner, make_site, make_user
from tests.runbooks.world import (
    alert_of,
    clear,
    fire_again,
    make_alert,
    make_finding,
    policy_of,
    revise,
    seconds,
    states_of_pages,
    word,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

State = Escalation.State


def escalation_of(alert: Alert) -> Escalation:
    return Escalation.objects.get(alert=alert)


def place_of(alert: Alert) -> tuple[str, int, int]:
    row = escalation_of(alert)
    return row.state, row.step_index, row.rounds_left


def hold(alert: Alert, at: float) -> None:
    """Do to the alert what an overlay does."""
    Alert.objects.filter(pk=alert.pk).update(is_suppressed=True)
    suspend_escalation(alert=alert, now=NOON + seconds(at))


def lift(alert: Alert, at: float) -> None:
    Alert.objects.filter(pk=alert.pk).update(is_suppressed=False)
    lift_suspension(alert=alert, now=NOON + seconds(at))


def get_through(alert: Alert) -> None:
    Page.objects.filter(alert=alert, state=Page.State.PENDING).update(
        state=Page.State.SENT, sent_at=NOON
    )


@pytest.fixture
def alert() -> Alert:
    """An alert with two steps of five minutes in two rounds; the first has paged."""
    ana, ben = (make_contact(owner=make_owner(name=name)).owner for name in ("Ana", "Ben"))
    policy = policy_of(([word(ana)], 300), ([word(ben)], 300), repeat=1)
    opened = make_alert(site=make_site(policy=policy, owner=ana))
    advance_due_escalations(now=NOON)
    return opened


def test_t9_the_wait_goes_on_with_what_was_left_of_it(alert: Alert) -> None:
    get_through(alert)
    hold(alert, at=100)
    assert place_of(alert) == (State.SUSPENDED, 1, 1)
    assert escalation_of(alert).remaining_seconds == 200
    advance_due_escalations(now=NOON + seconds(7200))
    assert Page.objects.filter(alert=alert).count() == 1
    lift(alert, at=7200)
    assert place_of(alert) == (State.RUNNING, 1, 1)
    assert escalation_of(alert).next_due_at == NOON + seconds(7400)


def test_t9_pages_that_are_not_out_are_cancelled_and_their_step_is_taken_again(
    alert: Alert,
) -> None:
    hold(alert, at=1)
    assert states_of_pages(alert) == ["cancelled"]
    assert place_of(alert) == (State.SUSPENDED, 0, 1)
    lift(alert, at=600)
    advance_due_escalations(now=NOON + seconds(600))
    assert list(
        Page.objects.filter(alert=alert).values_list("owner__name", "state", "sequence")
    ) == [("Ana", "cancelled", 1), ("Ana", "pending", 2)]


def test_t9_the_last_step_of_a_round_is_taken_again_in_its_round(alert: Alert) -> None:
    get_through(alert)
    advance_due_escalations(now=NOON + seconds(300))
    assert place_of(alert) == (State.RUNNING, 0, 0)
    hold(alert, at=301)
    lift(alert, at=900)
    assert place_of(alert) == (State.RUNNING, 1, 1)
    assert escalation_of(alert).next_due_at == NOON + seconds(900)


def test_t9_what_was_never_paged_is_paged_when_it_is_lifted() -> None:
    alert = make_alert()
    hold(alert, at=0)
    assert advance_due_escalations(now=NOON + seconds(60)) == 0
    lift(alert, at=3600)
    assert place_of(alert) == (State.RUNNING, 0, 1)
    assert advance_due_escalations(now=NOON + seconds(3600)) == 1


def test_t9_holding_or_lifting_twice_is_once(alert: Alert) -> None:
    get_through(alert)
    hold(alert, at=100)
    hold(alert, at=200)
    assert escalation_of(alert).remaining_seconds == 200
    lift(alert, at=300)
    lift(alert, at=400)
    assert escalation_of(alert).next_due_at == NOON + seconds(500)


def test_t9_an_overdue_step_has_nothing_left_to_wait(alert: Alert) -> None:
    get_through(alert)
    hold(alert, at=10_000)
    assert escalation_of(alert).remaining_seconds == 0


def test_t9_an_acknowledgement_ends_a_held_escalation_and_a_lift_does_not_revive_it(
    alert: Alert,
) -> None:
    hold(alert, at=1)
    acknowledge_alert(alert=alert, by=make_user(), now=NOON)
    lift(alert, at=60)
    assert place_of(alert)[0] == State.STOPPED


def test_t9_what_is_released_while_held_waits_for_the_lift(alert: Alert) -> None:
    ana = make_user()
    acknowledge_alert(alert=alert, by=ana, now=NOON)
    hold(alert, at=1)
    release_alert(alert=alert, by=ana, now=NOON + seconds(2))
    assert place_of(alert) == (State.SUSPENDED, 0, 1)
    lift(alert, at=60)
    assert escalation_of(alert).next_due_at == NOON + seconds(60)


def test_t9_a_rise_while_held_waits_for_the_lift() -> None:
    finding = make_finding(severity=3)
    take_in_findings(now=NOON)
    alert = alert_of(finding)
    acknowledge_alert(alert=alert, by=make_user(), now=NOON)
    hold(alert, at=1)
    revise(finding, severity=1)
    take_in_findings(now=NOON + seconds(2))
    assert place_of(alert)[0] == State.SUSPENDED


def test_t9_what_clears_and_fires_while_held_stays_held() -> None:
    finding = make_finding()
    take_in_findings(now=NOON)
    advance_due_escalations(now=NOON)
    alert = alert_of(finding)
    get_through(alert)
    hold(alert, at=100)
    clear(finding, now=NOON + seconds(110))
    take_in_findings(now=NOON + seconds(110))
    assert place_of(alert)[0] == State.STOPPED
    fire_again(finding, now=NOON + seconds(150))
    take_in_findings(now=NOON + seconds(150))
    row = escalation_of(alert)
    assert (row.state, row.remaining_seconds) == (State.SUSPENDED, 160)


def test_t9_an_exhausted_escalation_stays_exhausted(alert: Alert) -> None:
    Escalation.objects.filter(alert=alert).update(state=State.EXHAUSTED, next_due_at=None)
    hold(alert, at=1)
    lift(alert, at=60)
    assert place_of(alert)[0] == State.EXHAUSTED


def test_t9_a_running_escalation_of_a_held_alert_is_held_instead_of_paging(
    alert: Alert,
) -> None:
    get_through(alert)
    Alert.objects.filter(pk=alert.pk).update(is_suppressed=True)
    advance_due_escalations(now=NOON + seconds(300))
    assert place_of(alert) == (State.SUSPENDED, 1, 1)
    assert Page.objects.filter(alert=alert).count() == 1


def test_t9_what_tells_that_nobody_need_act_still_goes_out(alert: Alert) -> None:
    Page.objects.filter(alert=alert).update(purpose=Page.Purpose.RESOLVED)
    hold(alert, at=1)
    assert states_of_pages(alert) == ["pending"]


def test_t9_nothing_is_upcoming_while_it_is_held(alert: Alert) -> None:
    hold(alert, at=1)
    assert upcoming_steps(alert=alert, now=NOON) == []


def test_t9_many_are_held_and_lifted_at_once(alert: Alert) -> None:
    other = make_alert()
    both = [alert.pk, other.pk]
    assert suspend_escalations(alert_ids=both, now=NOON + seconds(1)) == 2
    assert suspend_escalations(alert_ids=both, now=NOON + seconds(1)) == 0
    assert lift_suspensions(alert_ids=both, now=NOON + seconds(9)) == 2
    due = set(Escalation.objects.values_list("next_due_at", flat=True))
    assert due == {NOON + seconds(9)}
