"""The end of a run's wait: found by the moment it ends, whatever else waits."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from runbooks.models import Run, RunbookVersion, RunEntry
from runbooks.runs.services import enter
from runbooks.runs.verify import end_waits
from tests.factories import NOON
from tests.pure.run_steps import make_step
from tests.runbooks.run_world import make_run
from tests.runbooks.test_statements import statements

pytestmark = pytest.mark.django_db


def minutes(number: int) -> datetime:
    return NOON + timedelta(minutes=number)


def waiting_run(*, until: datetime) -> Run:
    run = make_run(make_step("cool", "wait", wait_seconds=600))
    start_timer(run, until=until)
    return run


def start_timer(run: Run, *, until: datetime) -> None:
    enter(
        run=run,
        kind=RunEntry.Kind.TIMER_STARTED,
        step_id="cool",
        by=run.lead,
        now=NOON,
        said={"until": until.isoformat()},
    )


def waiting() -> set[int]:
    return set(Run.objects.filter(state="waiting_timer").values_list("pk", flat=True))


def test_runs_whose_timers_run_on_are_not_read_at_all() -> None:
    for _ in range(5):
        waiting_run(until=minutes(10))
    # The engine's check, and the look for what is due.
    assert statements(lambda: end_waits(now=minutes(9))) == 2


def test_what_ends_first_is_brought_in_line_first() -> None:
    late, early = waiting_run(until=minutes(9)), waiting_run(until=minutes(8))
    assert end_waits(now=minutes(9), limit=1) == 1
    assert waiting() == {late.pk}
    early.refresh_from_db()
    assert (early.state, early.timer_ends_at) == ("in_progress", None)


def test_a_timer_that_was_started_again_lasts_until_its_later_end() -> None:
    run = waiting_run(until=minutes(10))
    start_timer(run, until=minutes(12))
    assert [end_waits(now=minutes(at)) for at in (10, 11, 12)] == [0, 0, 1]


def test_a_run_that_waited_before_ends_were_kept_is_looked_at_once() -> None:
    run = waiting_run(until=minutes(10))
    Run.objects.update(timer_ends_at=None)
    assert [end_waits(now=minutes(at)) for at in (1, 2, 10)] == [1, 0, 1]
    run.refresh_from_db()
    assert run.state == "in_progress"


def test_a_run_whose_edition_cannot_be_read_holds_up_no_other() -> None:
    bad, _ = waiting_run(until=minutes(8)), waiting_run(until=minutes(9))
    unreadable = RunbookVersion.objects.create(
        runbook=bad.runbook_version.runbook, number=2, document={}, published_at=NOON
    )
    Run.objects.filter(pk=bad.pk).update(runbook_version=unreadable)
    assert end_waits(now=minutes(9)) == 1
    assert waiting() == {bad.pk}
