"""Every verification of the library can be passed, and is not passed by a node still in trouble."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from fleet.models import Membership
from runbooks.library.document import RunbookStep, device_to_verify
from runbooks.library.parse import parse_runbook
from runbooks.library.run_log import run_progress
from runbooks.models import Alert, Run
from runbooks.runs import verify
from runbooks.runs.jobs import SETTLING
from runbooks.runs.services import enter, start_run_at_site, start_run_for_alert
from telemetry.metrics import CATALOGUE
from telemetry.protocol import Series
from tests.factories import NOON, make_node, make_user
from tests.runbooks.run_world import Kind, make_edition, newest_entry
from tests.runbooks.world import make_alert
from tests.telemetry.windows import send_window

pytestmark = pytest.mark.django_db

LIBRARY = Path(verify.__file__).parents[1] / "library" / "builtin"
STEPS = {
    path.stem: step
    for path in sorted(LIBRARY.glob("*.md"))
    for step in parse_runbook(path.read_text(encoding="utf-8")).steps
    if step.kind == "verify"
}
#: What agents send once all is well, at the very bound where there is one, and in trouble.
GOOD_AND_BAD: Mapping[str, tuple[float, float]] = {
    "mdc.model.responding": (1.0, 0.5),
    "system.filesystem.utilization": (0.85, 0.86),
    "system.memory.utilization": (0.85, 0.86),
    "hw.temperature": (32.0, 32.5),
    "mdc.ups.on_battery": (0.0, 1.0),
    "system.uptime": (600.0, 50.0),
}
#: A site at work: chips far hotter than the air, and a card that nothing is plugged into.
BESIDE = {
    Series("hw.temperature", "Cel", "gpu0"): 71.0,
    Series("system.network.transmit", "By/s", "eth1"): 0.0,
}
END = NOON + timedelta(minutes=20)

each_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())


def longest_look(step: RunbookStep) -> timedelta:
    """Return how long the engine looks before it gives up."""
    within = timedelta(seconds=step.within_seconds) if step.within_seconds else SETTLING
    return within + timedelta(seconds=step.for_seconds or 0)


def verified(step: RunbookStep, value: float, *, is_sensor_elsewhere: bool = False) -> Run:
    """Have the engine verify the step at a node that measured `value` for long enough."""
    node = make_node(name="gpu-1")
    holder = make_node(site=node.site, name="gateway") if is_sensor_elsewhere else node
    series = Series(step.metric, CATALOGUE[step.metric].unit, device_to_verify(step, {}))
    asked_at = END - longest_look(step)
    for minute in range(20 - (step.for_seconds or 0) // 60 - 2, 20):
        send_window(node, BESIDE if holder != node else BESIDE | {series: value}, minute=minute)
        if holder != node:
            send_window(holder, {series: value}, minute=minute)
    by, version = make_user(Membership.Role.OPERATOR, node.site), make_edition(step)
    run = start_run_at_site(site=node.site, node=node, version=version, by=by, now=asked_at)
    enter(run=run, kind=Kind.VERIFY_ASKED, step_id=step.id, by=by, now=asked_at)
    verify.verify_due_steps(now=END)
    return run


def test_thirteen_runbooks_end_with_a_look_of_the_engine():
    assert len(STEPS) == 13


@each_step
def test_good_readings_pass_and_are_told_within_the_bounds(step: RunbookStep):
    run = verified(step, GOOD_AND_BAD[step.metric][0])
    entry = newest_entry(run)

    assert (entry.kind, entry.input["unit"]) == ("verified", step.unit)
    progress = run_progress(run, now=END)
    assert (progress.steps[0].outcome, progress.steps[0].is_outside) == ("done", False)


@each_step
def test_bad_readings_fail(step: RunbookStep):
    assert newest_entry(verified(step, GOOD_AND_BAD[step.metric][1])).kind == "verify_failed"


@pytest.mark.parametrize("slug", ["heat-loop-fault", "thermal-alarm"])
def test_an_inlet_that_hangs_at_another_node_of_the_site_is_looked_at(slug: str):
    entry = newest_entry(verified(STEPS[slug], 30.0, is_sensor_elsewhere=True))

    assert entry.kind == "verified"
    assert entry.input["sentence"].startswith("gateway inlet temperature is 30.0 °C, wanted")


def test_a_node_without_a_reading_is_not_proven_by_its_neighbours():
    entry = newest_entry(verified(STEPS["silent-node"], 600.0, is_sensor_elsewhere=True))

    assert entry.kind == "outcome_unknown"


@pytest.mark.parametrize(
    ("slug", "sentence"),
    [
        ("disk-full", "gpu-1 disk in use is 85 %, wanted at most 85 %, for 15 min."),
        ("reboot", "gpu-1 uptime is 600.0 s, wanted at least 600.0 s."),
        ("power-on-battery", "gpu-1 running on battery is 0 %, wanted at most 0 %, for 10 min."),
    ],
)
def test_the_sentence_speaks_in_the_unit_of_the_step(slug: str, sentence: str):
    entry = newest_entry(verified(STEPS[slug], GOOD_AND_BAD[STEPS[slug].metric][0]))

    assert entry.input["sentence"] == sentence


@pytest.mark.parametrize("slug", ["reboot", "silent-node", "site-dark", "wan-down"])
def test_after_a_restart_the_engine_looks_for_a_quarter_of_an_hour_and_more(slug: str):
    assert longest_look(STEPS[slug]) >= timedelta(minutes=15)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("mount", "kind"), [("/data", "verified"), ("/", "verify_failed")])
def test_the_disk_that_the_alert_is_about_is_looked_at_and_no_other(mount: str, kind: str):
    node, step = make_node(name="gpu-1"), STEPS["disk-full"]
    disks = {Series(step.metric, "1", "/data"): 0.5, Series(step.metric, "1", "/"): 0.95}
    for minute in range(3, 20):
        send_window(node, disks, minute=minute)
    alert = make_alert(site=node.site, node=node, evidence={"device": mount})
    Alert.objects.filter(pk=alert.pk).update(runbook_version=make_edition(step))
    by, asked_at = make_user(Membership.Role.OPERATOR, node.site), END - longest_look(step)
    run = start_run_for_alert(alert=alert, by=by, now=asked_at)
    enter(run=run, kind=Kind.VERIFY_ASKED, step_id=step.id, by=by, now=asked_at)
    verify.verify_due_steps(now=END)
    entry = newest_entry(run)

    assert entry.kind == kind
    assert entry.input["sentence"].startswith(f"gpu-1 {mount} disk in use is ")
