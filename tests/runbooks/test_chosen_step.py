"""Escalating to a step that somebody chose, and acknowledging for as long as one says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fleet.models import Owner
from runbooks.alerts.errors import (
    AlertNotWaiting,
    BadHold,
    EscalationMovedOn,
    StepReachesNobody,
)
from runbooks.alerts.services import acknowledge_alert, escalate_alert
from runbooks.alerts.timeouts import expire_acknowledgements
from runbooks.escalation.services import advance_due_escalations, people_by_step
from runbooks.models import Alert, Escalation, Page
from tests.factories import NOON, make_contact, make_owner, make_policy, make_site, make_user
from tests.runbooks.world import LOW, make_alert, seconds, sentences_of, word

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

LATER = NOON + seconds(60)
#: Closed at noon, a Tuesday.
AT_NIGHT = {
    "time_zone": "UTC",
    "weekdays": [0, 1, 2, 3, 4, 5, 6],
    "from": "22:00",
    "until": "06:00",
}


def reachable_owner(name: str) -> Owner:
    return make_contact(owner=make_owner(name=name)).owner


def step(*notify: str, **conditions: Any) -> dict[str, Any]:
    return {"notify": list(notify), "delay_seconds": 300} | conditions


@pytest.fixture
def alert() -> Alert:
    """Ana was paged; Ben, Cy at night for urgent alerts alone, nobody, and Dan would follow."""
    ana, ben, cy, dan = (reachable_owner(name) for name in ("Ana", "Ben", "Cy", "Dan"))
    steps = [
        step(word(ana)),
        step(word(ben)),
        step(word(cy), hours=AT_NIGHT, severities=["urgent"]),
        step(word(make_owner(name="Nobody"))),
        step(word(dan)),
    ]
    site = make_site(policy=make_policy(steps=steps, repeat=1), owner=ana)
    opened = make_alert(site=site, severity=LOW)
    advance_due_escalations(now=NOON)
    return opened


def names(alert: Alert) -> list[str]:
    pages = Page.objects.filter(alert=alert).order_by("sequence")
    return [page.owner.name for page in pages]


def escalate(alert: Alert, to_step: int, *, seen: int = 1, **said: Any) -> None:
    by = make_user(first_name="Eve")
    escalate_alert(alert=alert, by=by, seen_sequence=seen, to_step=to_step, now=LATER, **said)


@pytest.mark.parametrize(("to_step", "name", "next_step"), [(2, "Cy", 3), (4, "Dan", 0)])
def test_a_chosen_step_is_taken_whatever_its_conditions_and_the_policy_goes_on_from_there(
    alert: Alert, to_step: int, name: str, next_step: int
) -> None:
    escalate(alert, to_step)
    assert names(alert) == ["Ana", name]
    escalation = Escalation.objects.get(alert=alert)
    assert (escalation.step_index, escalation.next_due_at) == (next_step, LATER + seconds(300))
    assert sentences_of(alert, "escalated") == [
        f"Eve escalated it: step {to_step + 1} is taken now."
    ]


def test_a_step_before_may_be_chosen_again(alert: Alert) -> None:
    advance_due_escalations(now=NOON + seconds(300))
    escalate(alert, 0, seen=2)
    assert names(alert) == ["Ana", "Ben", "Ana"]


@pytest.mark.parametrize("to_step", [3, 5, -1, 10_000])
def test_a_step_that_reaches_nobody_is_refused_and_nothing_is_done(
    alert: Alert, to_step: int
) -> None:
    acknowledge_alert(alert=alert, by=make_user(first_name="Joe"), now=NOON)
    with pytest.raises(StepReachesNobody, match="page somebody by name") as refusal:
        escalate(alert, to_step)
    assert refusal.value.code == "step_reaches_nobody"
    alert.refresh_from_db()
    assert alert.response == Alert.Response.ACKNOWLEDGED
    assert names(alert) == ["Ana"]
    assert sentences_of(alert, "escalated") == []


def test_a_stale_screen_takes_no_chosen_step(alert: Alert) -> None:
    escalate(alert, 4)
    with pytest.raises(EscalationMovedOn):
        escalate(alert, 4)
    assert names(alert) == ["Ana", "Dan"]


def test_the_page_can_say_whom_each_step_pages(alert: Alert) -> None:
    found = people_by_step(alert=alert, now=NOON)
    assert found == [("Ana",), ("Ben",), ("Cy",), (), ("Dan",)]


def take(alert: Alert, by: Any, *, minutes: float | None, at: int = 0, **said: Any) -> None:
    lasts = None if minutes is None else timedelta(minutes=minutes)
    acknowledge_alert(alert=alert, by=by, lasts=lasts, now=NOON + seconds(at), **said)
    alert.refresh_from_db()


def test_who_takes_an_alert_says_for_how_long(alert: Alert) -> None:
    take(alert, make_user(first_name="Ana"), minutes=30)
    assert alert.acknowledgement_ends_at == NOON + seconds(1800)
    assert sentences_of(alert, "acknowledged") == [
        "Ana took it. Paging stopped; it begins anew on 1 January 2030 at 12:30 UTC unless it is "
        "over."
    ]
    assert expire_acknowledgements(now=NOON + seconds(1799)) == 0
    assert expire_acknowledgements(now=NOON + seconds(1800)) == 1


def test_who_has_an_alert_keeps_it_for_longer_or_shorter(alert: Alert) -> None:
    ana = make_user(first_name="Ana")
    take(alert, ana, minutes=30)
    for minutes in (240, 5):
        take(alert, ana, minutes=minutes, at=60)
        assert alert.acknowledgement_ends_at == NOON + seconds(60 + 60 * minutes)
    assert sentences_of(alert, "acknowledged")[1:] == [
        "Ana keeps it: paging begins anew on 1 January 2030 at 16:01 UTC unless it is over.",
        "Ana keeps it: paging begins anew on 1 January 2030 at 12:06 UTC unless it is over.",
    ]
    assert alert.acknowledged_at == NOON


def test_a_plain_second_press_does_not_shorten_what_was_chosen(alert: Alert) -> None:
    ana = make_user()
    take(alert, ana, minutes=240)
    take(alert, ana, minutes=None, at=60)
    assert alert.acknowledgement_ends_at == NOON + seconds(240 * 60)


def test_a_resent_choice_happens_once(alert: Alert) -> None:
    ana = make_user()
    for at in (0, 60):
        take(alert, ana, minutes=30, at=at, client_action_id="tablet-1")
    assert alert.acknowledgement_ends_at == NOON + seconds(1800)


def test_nobody_changes_how_long_another_has_it(alert: Alert) -> None:
    take(alert, make_user(first_name="Ana"), minutes=30)
    with pytest.raises(AlertNotWaiting):
        take(alert, make_user(first_name="Ben"), minutes=5)
    alert.refresh_from_db()
    assert alert.acknowledgement_ends_at == NOON + seconds(1800)


@pytest.mark.parametrize("minutes", [4.9, 0, -5, 4 * 24 * 60 + 1])
def test_too_short_and_too_long_are_refused_and_nothing_is_done(
    alert: Alert, minutes: float
) -> None:
    with pytest.raises(BadHold, match="between 5 minutes and 4 days") as refusal:
        take(alert, make_user(), minutes=minutes)
    assert refusal.value.code == "bad_acknowledgement_length"
    alert.refresh_from_db()
    assert alert.response == Alert.Response.UNACKNOWLEDGED
