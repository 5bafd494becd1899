"""Acknowledgements that run out, and what a person missed while they looked at an old screen."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.models import Membership
from runbooks.alerts.errors import AlertMoved, AlertNotWaiting
from runbooks.alerts.services import (
    acknowledge_alert,
    close_alert,
    comment_on_alert,
    hand_over_alert,
    release_alert,
)
from runbooks.alerts.timeouts import expire_acknowledgements
from runbooks.models import Alert, Escalation, EscalationPolicyVersion
from tests.factories import NOON, make_owner, make_policy, make_site, make_user
from tests.runbooks.world import (
    HIGH,
    URGENT,
    alert_of,
    clear,
    fire_again,
    kinds_of,
    make_alert,
    make_finding,
    revise,
    run,
    seconds,
    sentences_of,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

LATER = NOON + seconds(60)
END = NOON + seconds(1800)
Response = Alert.Response


def make_site_with_end(seconds_long: int | None = 1800) -> Any:
    """Make a site whose acknowledgements last half an hour."""
    policy = make_policy()
    EscalationPolicyVersion.objects.create(
        policy=policy,
        number=2,
        steps=policy.versions.get().steps,
        repeat=1,
        acknowledgement_seconds=seconds_long,
        created_at=NOON,
    )
    return make_site(policy=policy)


def taken(**overrides: Any) -> Alert:
    """An alert that Ana has taken at noon, after its first step."""
    alert = make_alert(site=make_site_with_end(**overrides))
    run(NOON)
    acknowledge_alert(alert=alert, by=make_user(first_name="Ana"), now=NOON)
    alert.refresh_from_db()
    return alert


def response_of(alert: Alert) -> str:
    alert.refresh_from_db()
    return alert.response


def test_t7_an_acknowledgement_that_runs_out_begins_paging_anew() -> None:
    alert = taken()
    assert alert.acknowledgement_ends_at == END
    assert expire_acknowledgements(now=END - seconds(1)) == 0
    assert expire_acknowledgements(now=END) == 1
    assert response_of(alert) == Response.UNACKNOWLEDGED
    released = Alert.objects.get(pk=alert.pk)
    assert (released.acknowledged_by, released.acknowledgement_ends_at) == (None, None)
    escalation = Escalation.objects.get(alert=alert)
    assert (escalation.state, escalation.step_index, escalation.next_due_at) == (
        Escalation.State.RUNNING,
        0,
        END,
    )
    assert sentences_of(alert, "acknowledgement_ended") == [
        "Ana took it, and it is still open: the acknowledgement ran out. Paging begins anew with "
        "the first step."
    ]


def test_t7_it_runs_out_once() -> None:
    alert = taken()
    expire_acknowledgements(now=END)
    assert expire_acknowledgements(now=END) == 0
    assert kinds_of(alert).count("acknowledgement_ended") == 1


def test_t7_without_an_end_in_its_policy_it_never_runs_out() -> None:
    alert = taken(seconds_long=None)
    assert expire_acknowledgements(now=NOON + seconds(10**7)) == 0
    assert response_of(alert) == Response.ACKNOWLEDGED


def test_t7_a_hand_over_gives_the_next_person_the_whole_time() -> None:
    alert = taken()
    kim = make_user(Membership.Role.OPERATOR)
    hand_over_alert(alert=alert, by=make_user(), to=kim, now=LATER)
    expire_acknowledgements(now=END)
    assert response_of(alert) == Response.ACKNOWLEDGED
    assert alert.acknowledgement_ends_at == END + seconds(60)


def test_t7_what_is_held_back_keeps_its_holder_until_it_is_released() -> None:
    alert = taken()
    Alert.objects.filter(pk=alert.pk).update(is_suppressed=True)
    assert expire_acknowledgements(now=END) == 0
    Alert.objects.filter(pk=alert.pk).update(is_suppressed=False)
    assert expire_acknowledgements(now=END) == 1


def test_t7_what_is_closed_has_no_holder_to_wait_for() -> None:
    alert = taken()
    close_alert(alert=alert, by=make_user(), reason="Known.", now=NOON)
    assert expire_acknowledgements(now=END) == 0


def test_t7_the_end_is_that_of_the_pinned_edition_of_the_policy() -> None:
    alert = make_alert(site=make_site_with_end())
    EscalationPolicyVersion.objects.create(
        policy=alert.policy_version.policy,
        number=3,
        steps=alert.policy_version.steps,
        repeat=1,
        acknowledgement_seconds=60,
        created_at=NOON,
    )
    acknowledge_alert(alert=alert, by=make_user(), now=NOON)
    alert.refresh_from_db()
    assert alert.acknowledgement_ends_at == END


def test_t3_a_rise_forgets_when_the_acknowledgement_would_have_ended() -> None:
    finding = make_finding(site=make_site_with_end(), severity=HIGH)
    run(NOON)
    alert = alert_of(finding)
    acknowledge_alert(alert=alert, by=None, owner=make_owner(name="Ben"), now=NOON)
    revise(finding, severity=URGENT)
    run(LATER)
    assert response_of(alert) == Response.UNACKNOWLEDGED
    assert (alert.acknowledged_owner, alert.acknowledgement_ends_at) == (None, None)
    assert "Ben took it when it was milder" in sentences_of(alert, "severity_rose")[0]


def test_who_saw_a_milder_alert_does_not_acknowledge_the_worse_one() -> None:
    finding = make_finding(severity=HIGH)
    run(NOON)
    alert = alert_of(finding)
    revise(finding, severity=URGENT)
    run(LATER)
    with pytest.raises(AlertMoved, match="Rose from high to urgent"):
        acknowledge_alert(alert=alert, by=make_user(), now=LATER, seen_revision=alert.revision)
    assert response_of(alert) == Response.UNACKNOWLEDGED


def test_what_does_not_matter_to_an_action_does_not_refuse_it() -> None:
    finding = make_finding()
    run(NOON)
    alert = alert_of(finding)
    revise(finding, summary="Inlet 39 °C.")
    run(LATER)
    acknowledge_alert(alert=alert, by=make_user(), now=LATER, seen_revision=alert.revision)
    assert response_of(alert) == Response.ACKNOWLEDGED


def test_who_saw_it_clear_does_not_close_what_fires_again() -> None:
    finding = make_finding()
    run(NOON)
    clear(finding, now=NOON)
    run(NOON)
    seen = alert_of(finding)
    fire_again(finding, now=LATER)
    run(LATER)
    with pytest.raises(AlertMoved, match="Fired again, 2 times so far"):
        close_alert(alert=seen, by=make_user(), reason="", now=LATER, seen_revision=seen.revision)


def test_what_a_person_did_themselves_is_no_news_to_them() -> None:
    alert, ana = make_alert(), make_user()
    acknowledge_alert(alert=alert, by=ana, now=NOON)
    close_alert(alert=alert, by=ana, reason="Known.", now=LATER, seen_revision=alert.revision)
    assert response_of(alert) == Response.CLOSED


def test_who_is_late_with_a_release_does_not_take_it_from_the_next_holder() -> None:
    alert = taken()
    seen = alert.revision
    hand_over_alert(alert=alert, by=make_user(), to=make_user(Membership.Role.OPERATOR), now=LATER)
    with pytest.raises(AlertMoved, match="handed it over"):
        release_alert(alert=alert, by=make_user(), now=LATER, seen_revision=seen)


def test_a_comment_is_never_too_late() -> None:
    alert = taken()
    comment_on_alert(alert=alert, by=make_user(), text="Fan 3.", now=LATER, seen_revision=1)
    assert "commented" in kinds_of(alert)


def test_two_owners_without_accounts_are_two_people() -> None:
    alert, ben = make_alert(), make_owner(name="Ben")
    for _ in range(2):
        acknowledge_alert(alert=alert, by=None, owner=ben, now=NOON)
    with pytest.raises(AlertNotWaiting, match="is already taken: Ben acknowledged it"):
        acknowledge_alert(alert=alert, by=None, owner=make_owner(), now=LATER)
