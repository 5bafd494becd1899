"""Closing an alert whose run has mandatory steps left: only with a reason, the steps named."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.models import Membership
from runbooks.alerts.bulk import close_alerts
from runbooks.alerts.errors import CloseReasonMissing, StepsUndone
from runbooks.alerts.intake import take_in_findings
from runbooks.alerts.services import acknowledge_alert, close_alert
from runbooks.models import Alert, Run, RunEntry
from runbooks.runs.services import abandon_run, enter, finish_run, start_run_for_alert
from tests.factories import NOON, make_user
from tests.pure.run_steps import make_step
from tests.runbooks.run_world import make_edition
from tests.runbooks.world import clear, make_alert, seconds

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]


@pytest.fixture
def run() -> Run:
    """A run of an alert that has cleared, with one of two mandatory steps done."""
    alert = make_alert()
    clear(alert.finding, now=NOON + seconds(5))
    take_in_findings(now=NOON + seconds(5))
    version = make_edition(
        make_step("look", is_mandatory=True),
        make_step("open", title="Open {{ site.name }}", is_mandatory=True),
        make_step("tidy"),
    )
    Alert.objects.filter(pk=alert.pk).update(runbook_version=version)
    by = make_user(Membership.Role.OPERATOR)
    made = start_run_for_alert(alert=alert, by=by, now=NOON)
    do(made, "look")
    return made


def do(run: Run, step: str) -> None:
    enter(run=run, kind=RunEntry.Kind.STEP_DONE, step_id=step, by=run.lead, now=NOON)


def close(run: Run, reason: str = "") -> Any:
    close_alert(alert=run.alert, by=run.lead, reason=reason, now=NOON + seconds(9))
    run.alert.refresh_from_db()
    return run.alert.response


def test_what_is_left_is_named_and_needs_a_reason(run: Run) -> None:
    with pytest.raises(StepsUndone) as refusal:
        close(run)
    assert f'step 2 "Open {run.site.name}" of R-{run.pk}' in refusal.value.sentence
    assert refusal.value.code == "steps_undone"
    assert close(run, "Somebody else did it") == "closed"


def test_nothing_is_asked_when_every_mandatory_step_is_done(run: Run) -> None:
    do(run, "open")
    assert close(run) == "closed"


@pytest.mark.parametrize("end", ["finish", "abandon"])
def test_nothing_is_asked_once_the_run_has_ended(run: Run, end: str) -> None:
    if end == "finish":
        do(run, "open")
        finish_run(run=run, by=run.lead, now=NOON)
    else:
        abandon_run(run=run, by=run.lead, reason="A false alarm", now=NOON)
    assert close(run) == "closed"


def test_nothing_is_asked_where_nobody_started_a_run(run: Run) -> None:
    other = make_alert()
    with pytest.raises(CloseReasonMissing):
        close_alert(alert=other, by=run.lead, reason="", now=NOON)
    clear(other.finding, now=NOON + seconds(5))
    take_in_findings(now=NOON + seconds(5))
    close_alert(alert=other, by=run.lead, reason="", now=NOON + seconds(9))


def test_what_closes_by_itself_asks_nobody(run: Run) -> None:
    acknowledge_alert(alert=run.alert, by=run.lead, now=NOON + seconds(9))
    run.alert.refresh_from_db()
    assert run.alert.response == "closed"


def test_many_at_once_are_asked_one_by_one(run: Run) -> None:
    other = make_alert()
    clear(other.finding, now=NOON + seconds(5))
    take_in_findings(now=NOON + seconds(5))
    ids = [run.alert_id, other.pk]
    outcome = close_alerts(alert_ids=ids, by=run.lead, reason="", now=NOON + seconds(9))
    assert outcome.done == 1
    assert [(pk, "step 2" in sentence) for pk, sentence in outcome.refused] == [
        (run.alert_id, True)
    ]
    outcome = close_alerts(alert_ids=ids, by=run.lead, reason="Done", now=NOON + seconds(9))
    assert run.alert_id not in [pk for pk, _ in outcome.refused]
