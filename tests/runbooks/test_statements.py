"""How many statements the way from finding to page costs: few for many, so that it stays fast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runbooks.alerts.intake import take_in_findings
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, AlertEvent, Page, PageAttempt
from tests.factories import NOON
from tests.receiver import Receiver
from tests.runbooks.world import deliver, make_finding, make_pager, site_paging

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

MANY = 50


def statements(work: Callable[[], Any]) -> int:
    """Return how many statements `work` costs, not counting where transactions begin and end."""
    with CaptureQueriesContext(connection) as captured:
        work()
    return sum("SAVEPOINT" not in query["sql"] for query in captured.captured_queries)


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
    assert one <= 13
    assert Page.objects.count() == MANY + 1
    assert AlertEvent.objects.filter(kind="paged").count() == MANY + 1


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
