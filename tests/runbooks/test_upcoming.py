"""What comes next, as pages and people are told it: what the engine would do, for few queries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from fleet.models import Owner
from runbooks.escalation.services import advance_due_escalations, next_moves, upcoming_steps
from runbooks.models import Alert, Escalation
from runbooks.oncall.services import create_group
from tests.factories import NOON, make_contact, make_owner, make_policy, make_site, make_user
from tests.receiver import Receiver
from tests.runbooks.oncall_world import make_rotation, make_schedule
from tests.runbooks.world import URGENT, deliver, make_alert, make_pager, seconds, word

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

#: Noon, UTC, is nine in the evening in Tokyo.
OFFICE = {"time_zone": "site", "weekdays": [0, 1, 2, 3, 4], "from": "08:00", "until": "18:00"}
MORNING = datetime(2030, 1, 1, 23, tzinfo=UTC)


def pager(name: str) -> Owner:
    return make_contact(owner=make_owner(name=name)).owner


def step(*notify: str, **conditions: Any) -> dict[str, Any]:
    return {"notify": list(notify), "delay_seconds": 300, **conditions}


def alert_of(*steps: dict[str, Any], repeat: int = 0) -> Alert:
    """Open an urgent alert in Tokyo, where Ana answers; nothing of it is carried out yet."""
    policy = make_policy(steps=list(steps), repeat=repeat)
    site = make_site(owner=pager("Ana"), policy=policy, time_zone="Asia/Tokyo")
    return make_alert(site=site, severity=URGENT)


def coming(alert: Alert) -> list[tuple[datetime, tuple[str, ...], int, str]]:
    return [
        (one.at, one.names, one.step_number, one.stand_in)
        for one in upcoming_steps(alert=alert, now=NOON)
    ]


def test_who_stands_in_is_named_and_said_to_stand_in() -> None:
    alert = alert_of(step(word(make_owner(name="Ben"))), step(word(pager("Cem"))))
    assert coming(alert) == [
        (NOON, ("Ana",), 1, "the site's owner"),
        (NOON + seconds(300), ("Cem",), 2, ""),
    ]


def test_a_step_that_is_closed_is_passed_over_and_one_that_opens_is_waited_for() -> None:
    alert = alert_of(
        step(word(pager("Ben")), hours=OFFICE), step("site_owner", severities=["low"]), repeat=1
    )
    assert [(at, names) for at, names, _, _ in coming(alert)] == [
        (MORNING, ("Ben",)),
        (MORNING + seconds(300), ("Ben",)),
    ]


def test_people_are_those_on_call_when_the_step_comes() -> None:
    ana, ben = pager("Ann"), pager("Ben")
    schedule = make_schedule()
    make_rotation(schedule, ana, ben, turn_days=1, starts_on=NOON.date())
    alert = alert_of({"notify": [f"schedule:{schedule.slug}"], "delay_seconds": 86_400}, repeat=9)
    assert [names for _, names, _, _ in coming(alert)] == [("Ann",), ("Ben",)] * 5


def test_what_the_engine_pages_is_what_was_said_to_come() -> None:
    alert = alert_of(step(word(make_owner())), step("catch_all"), step(word(pager("Cem"))))
    said = coming(alert)
    for at, *_ in said:
        advance_due_escalations(now=at)
    paged = alert.pages.order_by("created_at").values_list("created_at", "owner__name")
    assert list(paged) == [(at, names[0]) for at, names, *_ in said]


def test_a_policy_that_cannot_be_read_has_nothing_to_come() -> None:
    alert = alert_of(step("site_owner"))
    version = alert.policy_version
    odd = type(version).objects.create(
        policy=version.policy, number=2, steps=[{"notify": "everybody"}], created_at=NOON
    )
    Escalation.objects.update(policy_version=odd)
    assert upcoming_steps(alert=Alert.objects.get(), now=NOON) == []


def queries(work: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured.captured_queries)


def policy_of_every_word() -> Any:
    """Make a policy whose second step names a schedule, a group, a role and a contact."""
    schedule = make_schedule()
    make_rotation(schedule, pager("Ben"))
    group = create_group(
        slug="crew", name="Crew", owners=[pager("Cem"), pager("Dan")], by=None, now=NOON
    )
    make_contact(owner=make_owner(name="Eve", user=make_user("engineer")))
    words = [f"schedule:{schedule.slug}", f"group:{group.slug}", "role:engineer", "role:owner"]
    words.append(f"contact:{make_contact().pk}")
    return make_policy(steps=[step("site_owner"), step(*words)], repeat=1)


def test_a_hundred_alerts_cost_as_many_queries_as_one() -> None:
    policy = policy_of_every_word()
    for number in range(100):
        make_alert(site=make_site(owner=pager(f"Owner {number}"), policy=policy))
    advance_due_escalations(now=NOON)
    found = Alert.objects.select_related("site", "escalation__policy_version")
    alerts = list(found.order_by("pk"))
    one = queries(lambda: next_moves(alerts=alerts[:1], at=NOON))
    assert queries(lambda: next_moves(alerts=alerts, at=NOON)) == one <= 14
    move = next_moves(alerts=alerts, at=NOON)[alerts[7].pk]
    assert move is not None
    assert {"Ben", "Cem", "Dan", "Eve", "Owner 7"} <= set(move.who)


def test_twenty_rounds_cost_as_many_queries_as_one() -> None:
    policy = policy_of_every_word()
    alert = make_alert(site=make_site(policy=policy))
    once = queries(lambda: upcoming_steps(alert=alert, now=NOON))
    Escalation.objects.update(rounds_left=20)
    alert = Alert.objects.get()
    again = queries(lambda: upcoming_steps(alert=alert, now=NOON))
    # The alert's site, escalation and policy are read anew; its people are not.
    assert again <= once + 3


def test_a_bundle_costs_no_more_queries_for_what_comes_next(
    receiver: Receiver, settings: Settings
) -> None:
    settings.HEARTHWATCH_PAGES_PER_CONTACT = 1
    policy = policy_of_every_word()
    ana = make_pager(receiver, owner=make_owner(name="Ana")).owner
    costs = []
    for number, size in enumerate((2, 40)):
        for _ in range(size):
            make_alert(site=make_site(owner=ana, policy=policy))
        advance_due_escalations(now=NOON)
        at = NOON + seconds(70 * number)
        costs.append(reads(lambda at=at: deliver(at)))
    assert costs[1] <= costs[0] + 2


def reads(work: Callable[[], Any]) -> int:
    """Return how often `work` looked up people, schedules, groups and roles."""
    tables = ("fleet_owner", "runbooks_schedule", "runbooks_paginggroup", "fleet_membership")
    with CaptureQueriesContext(connection) as captured:
        work()
    texts = [query["sql"] for query in captured.captured_queries]
    return sum(any(f'FROM "{table}"' in text for table in tables) for text in texts)
