"""Reboots from what nodes say of their boots."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.detectors.reboot import BootReport, RebootState, detect_reboots

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()


def boot(after, boot_id="first", uptime=None, *, node="node-a"):
    """A report `after` seconds past noon; without an uptime it has run for a day since noon."""
    return BootReport(node, NOON + after, boot_id, 86_400.0 + after if uptime is None else uptime)


def judge(*reports, state=None, planned_until=None, **options):
    start: RebootState = {} if state is None else state
    return detect_reboots(reports, start, planned_until=planned_until or {}, **options)


def told(detections):
    return [(found.is_firing, found.severity, found.at - NOON) for found in detections]


def test_a_node_that_runs_on_makes_no_finding():
    assert judge(boot(0), boot(60), boot(120))[1] == []


def test_a_new_boot_id_is_an_unplanned_reboot():
    _, [found] = judge(boot(0), boot(120, "second", 25.0))
    assert told([found]) == [(True, 3, 120.0)]
    assert (found.kind, found.fingerprint) == ("node.reboot", "node.reboot/node-a")
    assert found.summary == "node-a rebooted unplanned, down 95 s"
    assert found.evidence["old_boot_id"] == "first"
    assert found.evidence["new_boot_id"] == "second"
    assert found.evidence["down_seconds"] == 95.0


def test_without_boot_ids_a_short_uptime_is_a_reboot():
    assert told(judge(boot(0, ""), boot(600, "", 200.0))[1]) == [(True, 3, 600.0)]
    assert told(judge(boot(0, ""), boot(60, "", 30.0))[1]) == [(True, 3, 60.0)]


def test_a_clock_that_was_set_is_no_reboot():
    assert judge(boot(0, "", 50.0), boot(600, "", 481.0))[1] == []
    assert told(judge(boot(0, "", 50.0), boot(600, "", 479.0))[1]) == [(True, 3, 600.0)]
    assert judge(boot(0, "first", 50.0), boot(86_400, "first", 110.0))[1] == []


def test_an_uptime_that_is_not_known_tells_nothing():
    assert judge(boot(0, ""), boot(600, "", 0.0), boot(660, "", 0.0))[1] == []


def test_a_boot_id_that_was_left_out_once_is_remembered():
    state, _ = judge(boot(0), boot(60, ""))
    assert judge(boot(120), state=state)[1] == []
    assert told(judge(boot(120, "second", 0.0), state=state)[1]) == [(True, 3, 120.0)]


def test_a_reboot_told_by_its_uptime_is_not_told_again_by_its_id():
    _, detections = judge(boot(0), boot(60, "", 10.0), boot(120, "second", 70.0))
    assert told(detections) == [(True, 3, 60.0)]


def test_a_planned_reboot_is_no_finding():
    plan = {"node-a": NOON + 30}
    assert judge(boot(0), boot(120, "second", 25.0), planned_until=plan)[1] == []


def test_a_node_that_goes_down_after_the_plan_ended_is_not_covered():
    plan = {"node-a": NOON - 1, "node-b": NOON + 900}
    _, detections = judge(boot(0), boot(120, "second", 25.0), planned_until=plan)
    assert told(detections) == [(True, 3, 120.0)]


def test_three_reboots_within_an_hour_are_a_loop():
    _, detections = judge(
        boot(0), boot(600, "2", 10.0), boot(1200, "3", 10.0), boot(1800, "4", 10.0)
    )
    assert [found.severity for found in detections] == [3, 3, 2]
    assert detections[-1].summary == (
        "node-a rebooted 3 times within an hour, limit 3, last down 9 min"
    )


def test_three_reboots_in_more_than_an_hour_are_no_loop():
    _, detections = judge(
        boot(0), boot(600, "2", 10.0), boot(1400, "3", 10.0), boot(4200, "4", 10.0)
    )
    assert [found.severity for found in detections if found.is_firing] == [3, 3, 3]


def test_planned_reboots_do_not_make_a_loop():
    plan = {"node-a": NOON + 700}
    _, detections = judge(
        boot(0),
        boot(600, "2", 10.0),
        boot(1200, "3", 10.0),
        boot(1800, "4", 10.0),
        planned_until=plan,
    )
    assert [found.severity for found in detections] == [3]


def test_a_loop_stays_high_until_the_node_has_settled():
    times = (100, 200, 3500, 3900)
    _, detections = judge(boot(0), *(boot(at, str(at), 10.0) for at in times))
    assert [found.severity for found in detections] == [3, 3, 2, 2]


def test_a_planned_reboot_does_not_end_a_finding_at_once():
    state, _ = judge(boot(0), boot(60, "2", 10.0))
    plan = {"node-a": NOON + 300}
    state, planned = judge(boot(300, "3", 10.0), state=state, planned_until=plan)
    assert planned == []
    assert told(judge(boot(1200, "3", 910.0), state=state)[1]) == [(False, 3, 1200.0)]


def test_the_finding_ends_after_a_quarter_of_an_hour_of_unbroken_uptime():
    state, _ = judge(boot(0), boot(60, "2", 10.0))
    state, early = judge(boot(900, "2", 850.0), state=state)
    _, [over] = judge(boot(960, "2", 910.0), state=state)
    assert early == []
    assert told([over]) == [(False, 3, 960.0)]
    assert over.summary == "node-a has run for 15 min without a reboot, limit 15 min"


def test_without_an_uptime_the_quarter_of_an_hour_runs_from_the_reboot():
    state, _ = judge(boot(0), boot(60, "2", 0.0))
    assert judge(boot(950, "2", 0.0), state=state)[1] == []
    assert told(judge(boot(960, "2", 0.0), state=state)[1]) == [(False, 3, 960.0)]


def test_another_reboot_starts_the_quarter_of_an_hour_again():
    reports = [boot(0), boot(60, "2", 10.0), boot(800, "3", 10.0), boot(1600, "3", 810.0)]
    _, detections = judge(*reports)
    assert [found.is_firing for found in detections] == [True, True]


def test_a_late_report_changes_nothing():
    state, _ = judge(boot(0), boot(60))
    assert judge(boot(30, "old", 5.0), boot(60, "old", 5.0), state=state) == (state, [])


def test_nodes_do_not_touch_each_other():
    _, detections = judge(
        boot(0), boot(0, "b1", node="node-b"), boot(60), boot(60, "b2", 5.0, node="node-b")
    )
    assert [found.node for found in detections] == ["node-b"]


REPORTS = st.lists(
    st.tuples(
        st.floats(-30, 900),
        st.sampled_from(["", "x", "y", "z"]),
        st.sampled_from([0.0, 20.0, 400.0, 1000.0, 9000.0]),
        st.sampled_from(["node-a", "node-b"]),
    ),
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(raw=REPORTS, place=st.integers(0, 20))
def test_reports_read_in_pieces_give_what_they_give_in_one(raw, place):
    reports, clock = [], NOON
    for step, boot_id, uptime, node in raw:
        clock += step
        reports.append(BootReport(node, clock, boot_id, uptime))
    whole = judge(*reports)
    state, first = judge(*reports[:place])
    state, second = judge(*reports[place:], state=json.loads(json.dumps(state)))
    assert (state, first + second) == whole
    assert judge(*reports, state=state) == (state, [])
