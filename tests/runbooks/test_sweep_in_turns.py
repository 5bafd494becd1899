"""Hundreds of one thing due at once keep nobody waiting for the first page of something else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fleet.management.commands.sweep import FEW, FEWER, Cycle, deciding_stages, run_stages
from runbooks.models import Alert, Escalation, Page
from tests.factories import make_user
from tests.runbooks.world import HIGH, URGENT, make_finding, revise

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("library")]


def test_hundreds_of_acknowledgements_that_run_out_do_not_keep_the_first_page_waiting() -> None:
    """What is handled one by one is handled some at a time, the rest in the cycle that follows."""
    for _ in range(FEW + 1):
        make_finding()
    run_stages(deciding_stages())
    now = datetime.now(UTC)
    Alert.objects.update(
        response=Alert.Response.ACKNOWLEDGED,
        acknowledged_by=make_user(),
        acknowledged_at=now,
        acknowledgement_ends_at=now,
    )
    Escalation.objects.update(state=Escalation.State.STOPPED, next_due_at=None)
    make_finding()
    assert run_stages(deciding_stages()) == Cycle(failed=[], has_more=True)
    assert Alert.objects.filter(response=Alert.Response.ACKNOWLEDGED).count() == 1
    assert Page.objects.filter(alert=Alert.objects.latest("pk")).exists()


def test_hundreds_of_findings_that_get_worse_do_not_keep_the_first_page_waiting() -> None:
    worse = [make_finding(severity=HIGH) for _ in range(FEWER + 1)]
    run_stages(deciding_stages())
    for finding in worse:
        revise(finding, severity=URGENT)
    new = make_finding()
    assert run_stages(deciding_stages()) == Cycle(failed=[], has_more=True)
    assert Alert.objects.filter(severity=HIGH).count() == 1
    assert Page.objects.filter(alert__finding=new).exists()
    assert run_stages(deciding_stages()) == Cycle(failed=[], has_more=False)
    assert not Alert.objects.filter(severity=HIGH).exists()
