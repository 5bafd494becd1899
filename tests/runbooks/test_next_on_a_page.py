"""What a page says comes next is what the engine does next."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from fleet.models import Owner, Site
from runbooks.escalation.services import advance_due_escalations, hurry_escalation
from runbooks.models import Alert, Escalation, EscalationPolicyVersion, Page
from tests.factories import NOON, make_contact, make_owner, make_policy, make_site
from tests.receiver import Receiver, status
from tests.runbooks.world import URGENT, deliver, make_alert, make_pager, seconds, word

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

#: Noon, UTC, is nine in the evening in Tokyo.
OFFICE = {"time_zone": "site", "weekdays": [0, 1, 2, 3, 4], "from": "08:00", "until": "18:00"}
AFTER = NOON + seconds(300)
SOON = NOON + seconds(10)


def pager(name: str) -> Owner:
    return make_contact(owner=make_owner(name=name)).owner


def step(*notify: str, **conditions: Any) -> dict[str, Any]:
    return {"notify": list(notify), "delay_seconds": 300, **conditions}


def paged(receiver: Receiver, *later: dict[str, Any], repeat: int = 0, **first: Any) -> Alert:
    """Open an urgent alert in Tokyo whose first step pages Ana at the receiver; send the page."""
    ana = make_pager(receiver, owner=make_owner(name="Ana")).owner
    policy = make_policy(steps=[step(word(ana), **first), *later], repeat=repeat)
    site = make_site(owner=ana, policy=policy, time_zone="Asia/Tokyo")
    alert = make_alert(site=site, severity=URGENT)
    advance_due_escalations(now=NOON)
    deliver(NOON)
    return alert


def said(receiver: Receiver) -> Any:
    return receiver.requests[-1].json["data"]["next"]


def move(at: datetime, *who: str) -> dict[str, Any]:
    return {"at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "who": list(who)}


def test_a_step_for_another_severity_is_not_named_as_next(receiver: Receiver) -> None:
    ben, cem = pager("Ben"), pager("Cem")
    paged(receiver, step(word(ben), severities=["low"]), step(word(cem)))
    assert said(receiver) == move(AFTER, "Cem")


def test_after_steps_that_are_not_for_it_nothing_comes(receiver: Receiver) -> None:
    paged(receiver, step(word(pager("Ben")), severities=["low"]))
    assert said(receiver) is None


def test_a_step_whose_hours_are_over_is_passed_over(receiver: Receiver) -> None:
    ben, cem = pager("Ben"), pager("Cem")
    paged(receiver, step(word(ben), hours=OFFICE), step(word(cem)))
    assert said(receiver) == move(AFTER, "Cem")


def test_where_every_step_has_closed_it_says_when_the_hours_begin(receiver: Receiver) -> None:
    alert = paged(receiver, repeat=1, hours=OFFICE | {"until": "21:02"})
    morning = NOON + timedelta(hours=11)
    assert said(receiver) == move(morning, "Ana")
    for now in (AFTER, morning):
        advance_due_escalations(now=now)
    assert Page.objects.filter(alert=alert, created_at=morning).count() == 1


def test_who_stands_in_for_people_without_a_contact_is_named(receiver: Receiver) -> None:
    paged(receiver, step(word(make_owner(name="Ben"))))
    assert said(receiver) == move(AFTER, "Ana")


def test_the_next_round_is_named_too(receiver: Receiver) -> None:
    paged(receiver, repeat=1)
    assert said(receiver) == move(AFTER, "Ana")


def test_nobody_is_named_where_nobody_can_be_reached(receiver: Receiver) -> None:
    receiver.answers(status(503), status(200))
    ben = make_owner(name="Ben")
    paged(receiver, step(word(ben)))
    # The database lets no active site be without an owner who can be reached.
    Site.objects.update(owner=ben, status=Site.Status.RETIRED)
    deliver(SOON)
    assert said(receiver) == move(AFTER)


def test_a_second_attempt_says_how_things_stand_by_then(receiver: Receiver) -> None:
    receiver.answers(status(503), status(200))
    alert = paged(receiver, step(word(pager("Ben")), severities=["urgent"]))
    assert said(receiver) == move(AFTER, "Ben")
    hurry_escalation(alert=alert, now=NOON + seconds(8))
    deliver(SOON)
    assert said(receiver) == move(SOON, "Ben")


def test_a_policy_that_cannot_be_read_keeps_no_page_from_going_out(receiver: Receiver) -> None:
    receiver.answers(status(503), status(200))
    alert = paged(receiver, step(word(pager("Ben"))))
    policy = alert.policy_version.policy
    odd = EscalationPolicyVersion.objects.create(
        policy=policy, number=2, steps=[{"notify": "everybody"}], created_at=NOON
    )
    Escalation.objects.update(policy_version=odd)
    assert deliver(SOON).sent == 1
    assert said(receiver) is None
