"""kill -9 of the engine while it verifies a step: told once, and never done again by itself."""

from __future__ import annotations

from datetime import datetime

import pytest

from fleet.models import Membership
from runbooks.models import Run, RunJob
from runbooks.runs.services import enter, start_run_at_site
from runbooks.runs.verify import LEASE, verify_due_steps
from tests.factories import NOON, make_node, make_site, make_user
from tests.flows.crash_zygote import RUN_POINTS
from tests.flows.zygote import Zygote
from tests.pure.run_steps import make_step
from tests.runbooks.run_world import Kind, kinds_of, make_edition
from tests.runbooks.world import make_library, seconds
from tests.telemetry.windows import send_inlet

pytestmark = [pytest.mark.chaos, pytest.mark.django_db(transaction=True)]

ASKED = NOON + seconds(60)
LATE = ASKED + LEASE + seconds(1)
COMMITTED = "job recorded and committed"


def asked_run(*, is_destructive: bool) -> Run:
    """Start a run that waits for a verification which will pass."""
    make_library()
    site = make_site()
    node = make_node(site=site)
    send_inlet(node, [21.0, 21.0, 21.0, 21.0])
    steady = make_step(
        "steady",
        "verify",
        metric="hw.temperature",
        unit="Cel",
        maximum=35.0,
        is_destructive=is_destructive,
    )
    by = make_user(Membership.Role.OPERATOR, site)
    run = start_run_at_site(site=site, node=node, version=make_edition(steady), by=by, now=NOON)
    enter(run=run, kind=Kind.VERIFY_ASKED, step_id="steady", by=by, now=ASKED)
    return run


def recover(now: datetime) -> None:
    for wait in (0, 1, 600):
        verify_due_steps(now=now + seconds(wait))


@pytest.mark.parametrize("point", RUN_POINTS)
def test_a_look_at_readings_is_taken_again_and_told_once(point: str, zygote: Zygote) -> None:
    run = asked_run(is_destructive=False)
    assert zygote.kill_at(point, now=ASKED)
    verify_due_steps(now=ASKED + LEASE / 2)
    assert RunJob.objects.filter(state="leased").exists() is (point != COMMITTED)
    recover(LATE)
    assert RunJob.objects.get().state == "passed"
    assert kinds_of(run) == ["created", "verify_asked", "verified"]


@pytest.mark.parametrize("point", RUN_POINTS)
def test_what_changes_something_is_never_done_again_by_itself(point: str, zygote: Zygote) -> None:
    run = asked_run(is_destructive=True)
    assert zygote.kill_at(point, now=ASKED)
    recover(LATE)
    outcome = "verified" if point == COMMITTED else "outcome_unknown"
    assert kinds_of(run) == ["created", "verify_asked", outcome]
    run.refresh_from_db()
    assert run.state == ("in_progress" if point == COMMITTED else "waiting_human")


def test_a_worker_that_stood_still_past_its_lease_says_nothing_any_more(zygote: Zygote) -> None:
    run = asked_run(is_destructive=True)
    engine = zygote.stop_at("job looked at, not recorded", now=ASKED)
    recover(LATE)
    assert zygote.go_on(engine)
    assert kinds_of(run) == ["created", "verify_asked", "outcome_unknown"]
    assert "Verify before you repeat it" in RunJob.objects.get().result["sentence"]
