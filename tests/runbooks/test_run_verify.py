"""Steps that the engine verifies: by live readings, at the node or the site, told in a sentence."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from fleet.models import Membership, Node
from runbooks.models import Run, RunEntry, RunJob
from runbooks.runs.jobs import SETTLING
from runbooks.runs.services import abandon_run, enter, start_run_at_site
from runbooks.runs.verify import LOOK_EVERY, claim_job, look_at, record_look, verify_due_steps
from runbooks.tasks import verify_steps
from tests.factories import NOON, make_node, make_site, make_user
from tests.pure.run_steps import make_step
from tests.runbooks.run_world import Device, Kind, kinds_of, make_edition, newest_entry
from tests.telemetry.windows import CPU, INLET, send_inlet, send_window

pytestmark = pytest.mark.django_db
#: The end of the tenth window.
NOW = NOON + timedelta(minutes=10)


def steady(**facts: Any) -> Any:
    plain = {"metric": "hw.temperature", "unit": "Cel", "maximum": 35.0}
    return make_step("steady", "verify", **(plain | facts))


def asked_run(node: Node | None, *, at: datetime = NOW, **facts: Any) -> Run:
    site = node.site if node else make_site()
    by = make_user(Membership.Role.OPERATOR, site)
    version = make_edition(steady(**facts))
    run = start_run_at_site(site=site, node=node, version=version, by=by, now=at)
    enter(run=run, kind=Kind.VERIFY_ASKED, step_id="steady", by=by, now=at)
    return run


def outcome(run: Run) -> tuple[str, str]:
    entry = newest_entry(run)
    return entry.kind, str(entry.input.get("sentence", ""))


def test_a_value_within_its_bounds_passes_with_a_sentence() -> None:
    node = make_node(name="gpu-1")
    send_inlet(node, [30.0] * 10)
    run = asked_run(node)
    assert verify_due_steps(now=NOW) == 1
    assert outcome(run) == (
        "verified",
        "gpu-1 inlet temperature is 30.0 °C, wanted at most 35.0 °C.",
    )
    entry = newest_entry(run)
    assert (entry.input["value"], entry.input["unit"], entry.channel) == (30.0, "Cel", "engine")
    assert RunJob.objects.get().state == "passed"


def test_a_value_outside_is_looked_at_again_until_its_time_is_over() -> None:
    node = make_node(name="gpu-1")
    send_inlet(node, [30.0] * 9 + [(34.0, 33.0, 36.5)])
    run = asked_run(node)
    verify_due_steps(now=NOW)
    job = RunJob.objects.get()
    assert (job.state, job.due_at) == ("waiting", NOW + LOOK_EVERY)
    assert "36.5 °C" in job.result["sentence"]
    assert kinds_of(run) == ["created", "verify_asked"]
    verify_due_steps(now=NOW + SETTLING)
    assert outcome(run)[0] == "verify_failed"
    run.refresh_from_db()
    assert run.state == "waiting_human"


def test_the_step_says_how_long_the_value_may_take() -> None:
    node = make_node(name="gpu-1")
    send_inlet(node, [40.0] * 10)
    run = asked_run(node, within_seconds=900)
    for minute in range(15):
        send_inlet(node, [40.0], minute=10 + minute)
        verify_due_steps(now=NOW + timedelta(minutes=minute))
    assert RunJob.objects.get().state == "waiting"
    verify_due_steps(now=NOW + timedelta(minutes=15))
    assert outcome(run)[0] == "verify_failed"


def test_a_value_that_comes_back_in_time_passes() -> None:
    node = make_node()
    send_inlet(node, [40.0] * 10)
    run = asked_run(node)
    verify_due_steps(now=NOW)
    send_inlet(node, [30.0], minute=10)
    assert verify_due_steps(now=NOW + timedelta(seconds=5)) == 0
    verify_due_steps(now=NOW + timedelta(seconds=60))
    assert outcome(run)[0] == "verified"


def test_without_a_fresh_reading_the_outcome_is_unknown() -> None:
    node = make_node(name="gpu-1")
    send_inlet(node, [30.0] * 10)
    late = NOW + timedelta(minutes=5)
    run = asked_run(node, at=late)
    verify_due_steps(now=late)
    assert RunJob.objects.get().state == "waiting"
    verify_due_steps(now=late + SETTLING)
    kind, sentence = outcome(run)
    assert kind == "outcome_unknown"
    assert "12:10 UTC" in sentence


@pytest.mark.parametrize("facts", [{"metric": "hw.power", "unit": "W"}, {"unit": "K"}])
def test_what_nobody_measures_or_measures_in_another_unit_is_unknown(facts: Any) -> None:
    node = make_node()
    send_inlet(node, [30.0] * 10)
    run = asked_run(node, **facts)
    verify_due_steps(now=NOW + SETTLING)
    assert outcome(run)[0] == "outcome_unknown"
    assert "Nothing here measures" in outcome(run)[1]


def test_it_must_hold_for_as_long_as_the_step_says() -> None:
    node = make_node()
    send_inlet(node, [30.0] * 5 + [36.0] + [30.0] * 4)
    run = asked_run(node, for_seconds=300)
    verify_due_steps(now=NOW)
    assert "not yet for 5 min" in RunJob.objects.get().result["sentence"]
    send_inlet(node, [30.0], minute=10)
    verify_due_steps(now=NOW + timedelta(minutes=1))
    assert outcome(run)[0] == "verified"
    assert outcome(run)[1].endswith("for 5 min.")


def test_a_hole_in_the_readings_is_no_time_that_it_held() -> None:
    node = make_node()
    send_inlet(node, [30.0] * 3)
    send_inlet(node, [30.0] * 2, minute=8)
    asked_run(node, for_seconds=480)
    verify_due_steps(now=NOW)
    assert RunJob.objects.get().state == "waiting"


def test_without_a_node_every_watched_node_of_the_site_must_be_within() -> None:
    site = make_site()
    cool, hot = make_node(site=site), make_node(site=site, name="hot")
    send_inlet(cool, [30.0] * 10)
    send_window(hot, {INLET: 39.0, CPU: 0.5}, minute=9)
    by = make_user(Membership.Role.OPERATOR, site)
    version = make_edition(steady())
    run = start_run_at_site(site=site, version=version, by=by, now=NOW)
    enter(run=run, kind=Kind.VERIFY_ASKED, step_id="steady", by=by, now=NOW)
    verify_due_steps(now=NOW)
    assert RunJob.objects.get().result["sentence"].startswith("hot inlet temperature is 39.0 °C")
    Node.objects.filter(pk=hot.pk).update(is_watched=False)
    verify_due_steps(now=NOW + timedelta(seconds=10))
    assert outcome(run)[0] == "verified"


def test_only_who_holds_the_lease_writes_the_outcome() -> None:
    node = make_node()
    send_inlet(node, [30.0] * 10)
    run = asked_run(node)
    slow = claim_job(now=NOW)
    assert slow is not None
    assert claim_job(now=NOW) is None
    late = NOW + timedelta(seconds=61)
    fast = claim_job(now=late)
    assert fast is not None
    for job in (slow, fast, fast):
        record_look(job=job, look=look_at(job=job, now=late), now=late)
    assert kinds_of(run) == ["created", "verify_asked", "verified"]


def test_after_the_run_has_ended_the_outcome_is_kept_with_the_job_alone() -> None:
    node = make_node()
    send_inlet(node, [30.0] * 10)
    run = asked_run(node)
    abandon_run(run=run, by=run.lead, reason="Enough", now=NOW)
    verify_due_steps(now=NOW)
    assert kinds_of(run)[-1] == "aborted"
    assert RunJob.objects.get().state == "passed"


def test_a_tablet_asks_and_a_failed_step_may_be_asked_again() -> None:
    node = make_node()
    send_inlet(node, [40.0] * 10)
    by = make_user(Membership.Role.OPERATOR, node.site)
    version = make_edition(steady())
    run = start_run_at_site(site=node.site, node=node, version=version, by=by, now=NOON)
    device = Device(run)
    device.send(device.entry("verify_asked", "steady"), now=NOW)
    verify_due_steps(now=NOW + SETTLING)
    device.send(device.entry("verify_asked", "steady"), now=NOW + SETTLING)
    keys = list(RunJob.objects.order_by("pk").values_list("key", "state"))
    assert [state for _, state in keys] == ["failed", "waiting"]
    assert len({key for key, _ in keys}) == 2
    assert RunEntry.objects.filter(kind="verify_asked").count() == 2


def test_the_job_says_what_it_did() -> None:
    assert verify_steps() == "looked at 0 steps, ended 0 waits"
