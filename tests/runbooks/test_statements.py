"""How many statements the way from finding to page costs: few for many, so that it stays fast."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from fleet.models import Contact
from runbooks.alerts.intake import take_in_findings
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, AlertEvent, BrokenPromise, Escalation, Page, PageAttempt
from tests.factories import NOON, make_policy, make_site
from tests.receiver import Receiver
from tests.runbooks.world import (
    LOW,
    URGENT,
    clear,
    deliver,
    make_finding,
    make_pager,
    seconds,
    site_paging,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

MANY = 50
NIGHT = {"time_zone": "UTC", "weekdays": list(range(7)), "from": "02:00", "until": "03:00"}


def statements(work: Callable[[], Any]) -> int:
    """Return how many statements `work` costs, not counting where transactions begin and end."""
    with CaptureQueriesContext(connection) as captured:
        work()
    words = (query["sql"].split(maxsplit=1)[0] for query in captured.captured_queries)
    return sum(word not in {"BEGIN", "COMMIT", "SAVEPOINT", "RELEASE"} for word in words)


def test_fifty_findings_are_taken_in_with_as_many_statements_as_one() -> None:
    def take_in() -> None:
        take_in_findings(now=NOON)

    make_finding()
    one = statements(take_in)
    for _ in range(MANY):
        make_finding()
    # One more look, with the engine's check before it: a full hand may not have been the last.
    assert statements(take_in) <= one + 2
    assert one <= 24
    assert Alert.objects.count() == MANY + 1


def test_fifty_clears_are_taken_in_with_as_many_statements_as_one() -> None:
    def clears(many: int, severity: int) -> int:
        findings = [make_finding(severity=severity) for _ in range(many)]
        take_in_findings(now=NOON)
        for finding in findings:
            clear(finding, now=NOON)
        return statements(lambda: take_in_findings(now=NOON))

    for severity in (URGENT, LOW):
        one = clears(1, severity)
        # One more look, with the engine's check before it: a full hand may not have been the last.
        assert clears(MANY, severity) <= one + 2
    assert Alert.objects.filter(condition="cleared").count() == 2 * (MANY + 1)
    assert Alert.objects.filter(response="closed").count() == MANY + 1


def test_fifty_steps_are_taken_with_as_many_statements_as_one() -> None:
    def escalate() -> None:
        advance_due_escalations(now=NOON)

    make_finding()
    take_in_findings(now=NOON)
    one = statements(escalate)
    for _ in range(MANY):
        make_finding()
    take_in_findings(now=NOON)
    assert statements(escalate) <= one + 2
    assert one <= 15
    assert Page.objects.count() == MANY + 1
    assert AlertEvent.objects.filter(kind="paged").count() == MANY + 1


def cost_of_escalating_at(now: datetime) -> int:
    return statements(lambda: advance_due_escalations(now=now))


# Sites are committed first: the rule that one needs a contact is judged at COMMIT.
@pytest.mark.django_db(transaction=True)
def test_fifty_steps_of_which_nobody_is_reached_cost_as_many_statements_as_one() -> None:
    """Nor do fifty that wait for their hours, or are looked at again, keep the others waiting."""
    nobody = {"notify": ["owner:999999"], "delay_seconds": 60}
    policies = [
        make_policy(steps=[nobody | condition], repeat=0) for condition in ({}, {"hours": NIGHT})
    ]

    def open_alerts(many: int) -> None:
        for policy in policies:
            for _ in range(many):
                make_finding(site=make_site(policy=policy))
        take_in_findings(now=NOON)
        Contact.objects.update(disabled_reason="gone")

    later = NOON + seconds(30)
    open_alerts(1)
    one, one_again = cost_of_escalating_at(NOON), cost_of_escalating_at(later)
    open_alerts(MANY)
    # Two hands full, with the engine's check before each.
    assert cost_of_escalating_at(NOON) <= 2 * one
    assert cost_of_escalating_at(later) <= one_again + 2
    again = Escalation.objects.filter(next_due_at=later + seconds(30))
    assert again.count() == MANY + 1
    told = AlertEvent.objects.filter(kind="nobody_reachable")
    assert told.filter(sentence__contains="No step that is left").count() == MANY + 1
    assert told.filter(sentence__contains="at this hour").count() == MANY + 1
    assert BrokenPromise.objects.filter(code="nobody_reachable").count() == MANY + 1


@pytest.mark.parametrize(("state", "kind"), [("sent", "exhausted"), ("dead", "nobody_reachable")])
def test_fifty_rounds_end_with_as_many_statements_as_one(state: str, kind: str) -> None:
    policy = make_policy(steps=[{"notify": ["site_owner"], "delay_seconds": 60}], repeat=0)

    def run_out(many: int) -> int:
        for _ in range(many):
            make_finding(site=make_site(policy=policy))
        take_in_findings(now=NOON)
        advance_due_escalations(now=NOON)
        Page.objects.update(state=state)
        return cost_of_escalating_at(NOON + seconds(60))

    one = run_out(1)
    assert run_out(MANY) <= one + 2
    assert AlertEvent.objects.filter(kind=kind).count() == MANY + 1


def test_fifty_pages_are_claimed_read_and_recorded_in_few_statements(receiver: Receiver) -> None:
    for _ in range(MANY):
        make_finding(site=site_paging(receiver))
    take_in_findings(now=NOON)
    advance_due_escalations(now=NOON)
    # Answers come when they come: at worst every one is written down by itself.
    assert statements(lambda: deliver(NOON)) <= MANY * 8
    assert len(receiver.requests) == MANY
    assert Page.objects.filter(state=Page.State.SENT).count() == MANY
    assert (
        PageAttempt.objects.count() == AlertEvent.objects.filter(kind="page_sent").count() == MANY
    )


def test_what_is_more_than_plain_is_taken_in_beside_it_and_nothing_is_left(
    receiver: Receiver,
) -> None:
    contact = make_pager(receiver)
    plain = [make_finding() for _ in range(3)]
    twice = make_finding(cleared_at=NOON)
    again = make_finding(site=twice.site, fingerprint=twice.fingerprint)
    silent = make_finding(kind="no.such.kind", severity=2)
    take_in_findings(now=NOON)
    assert {alert.finding_id for alert in Alert.objects.all()} == {
        *(finding.pk for finding in plain),
        again.pk,
        silent.pk,
    }
    assert Alert.objects.get(finding=again).fired_count == 2
    assert contact.pages.count() == 0
