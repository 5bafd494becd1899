"""From rows to findings, as an operator would tell it: what is one problem is told once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import connection

from fleet.models import DesiredState, Node, ReportedState, Site
from telemetry.detectors.detection import LOW, URGENT
from telemetry.jobs import Evaluation, evaluate_due, evaluate_site
from telemetry.models import Finding
from telemetry.selectors import node_states
from tests.factories import NOON, make_node, make_site
from tests.telemetry.windows import INLET, open_door, send_inlet, send_window

pytestmark = pytest.mark.django_db(transaction=True)


def minutes(number: float) -> datetime:
    """Return the time so many minutes after noon."""
    return NOON + timedelta(minutes=number)


@pytest.fixture
def nodes() -> list[Node]:
    """Return ten nodes of one site that sent a window at noon, while a door was open."""
    open_door(started_at=minutes(-60), beat_at=minutes(60))
    site = make_site()
    nodes = [make_node(site=site, name=f"rack-{number:02}") for number in range(10)]
    send_all(nodes, minute=0)
    evaluate_due(now=minutes(1.1))
    return nodes


def send_all(nodes: Sequence[Node], *, minute: float) -> None:
    """Let every node send one window with a cool inlet."""
    for node in nodes:
        send_window(node, {INLET: 22.0}, minute=minute)


def wrong() -> list[tuple[str, int]]:
    """Return kind and severity of everything that is wrong."""
    rows = Finding.objects.filter(cleared_at__isnull=True).order_by("severity", "kind")
    return list(rows.values_list("kind", "severity"))


def test_a_site_that_goes_quiet_is_one_finding_not_ten(nodes: list[Node]) -> None:
    assert evaluate_due(now=minutes(5)) == 1
    assert wrong() == []
    evaluate_due(now=minutes(7))
    assert wrong() == [("site.dark", URGENT)]
    finding = Finding.objects.get()
    assert finding.node is None
    assert finding.evidence["nodes"] == [node.name for node in nodes]
    assert set(node_states(nodes=nodes, now=minutes(7)).values()) == {"unknown"}


def test_a_dark_site_that_comes_back_is_told_once_and_well_again(nodes: list[Node]) -> None:
    evaluate_due(now=minutes(7))
    send_all(nodes[:3], minute=8)
    evaluate_due(now=minutes(9.1))
    assert wrong() == []
    send_all(nodes, minute=9)
    evaluate_due(now=minutes(10.1))
    assert wrong() == []
    assert Finding.objects.count() == 1


def test_one_quiet_node_among_ten_is_silent_by_itself(nodes: list[Node]) -> None:
    for minute in range(1, 8):
        send_all(nodes[1:], minute=minute)
        evaluate_due(now=minutes(minute + 1.1))
    finding = Finding.objects.get()
    assert (finding.kind, finding.node) == ("node.silent", nodes[0])
    assert node_states(nodes=nodes, now=minutes(8.1))[nodes[0].pk] == "silent"


def test_a_server_that_was_away_an_hour_does_not_call_anybody_silent(nodes: list[Node]) -> None:
    evaluate_due(now=minutes(119))
    open_door(started_at=minutes(119.5), beat_at=minutes(180))
    evaluate_due(now=minutes(120))
    assert wrong() == []
    send_all(nodes, minute=120)
    evaluate_due(now=minutes(121.1))
    assert not Finding.objects.exists()


def test_a_sweep_that_was_away_an_hour_judges_what_came_meanwhile(nodes: list[Node]) -> None:
    for minute in range(1, 59):
        send_all(nodes, minute=minute)
    evaluate_due(now=minutes(59.1))
    assert not Finding.objects.exists()


def test_who_stays_away_after_the_server_is_back_is_silent_in_the_end(nodes: list[Node]) -> None:
    open_door(started_at=minutes(120), beat_at=minutes(180))
    send_all(nodes[1:], minute=124)
    evaluate_due(now=minutes(125))
    assert wrong() == []
    send_all(nodes[1:], minute=125)
    evaluate_due(now=minutes(126.1))
    assert [row.node for row in Finding.objects.all()] == [nodes[0]]


def test_a_drifted_file_on_three_nodes_is_one_finding_that_names_three_nodes(
    nodes: list[Node],
) -> None:
    DesiredState.objects.create(
        kind="config", name="chrony.conf", number=1, digest="sha256:aaaa", created_at=NOON
    )
    digests = dict.fromkeys(nodes[:3], "sha256:bbbb") | dict.fromkeys(nodes[3:], "sha256:aaaa")
    for node, digest in digests.items():
        ReportedState.objects.create(
            node=node,
            kind="config",
            name="chrony.conf",
            digest=digest,
            state="ready",
            observed_at=minutes(1),
        )
    send_all(nodes, minute=1)
    evaluate_due(now=minutes(2.1))
    finding = Finding.objects.get()
    assert (finding.kind, finding.severity, finding.node) == ("config.drift", LOW, None)
    assert finding.evidence["nodes"] == ["rack-00", "rack-01", "rack-02"]
    assert finding.summary.startswith("chrony.conf is bbbb on rack-00, rack-01 and rack-02, ")


def test_two_evaluators_at_once_make_one_finding(nodes: list[Node]) -> None:
    site = nodes[0].site
    now = send_inlet(nodes[0], [38.4, 38.4, 38.4], minute=1)

    def evaluate(_: int) -> Evaluation:
        try:
            return evaluate_site(site_id=site.pk, now=now)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=4) as pool:
        done = list(pool.map(evaluate, range(12)))
    assert sum(evaluation.windows for evaluation in done) == 3
    assert sum(evaluation.recorded.opened for evaluation in done) == 1
    assert wrong() == [("thermal.envelope", URGENT)]


def test_heat_at_a_site_that_is_retired_meanwhile_ends_with_it(nodes: list[Node]) -> None:
    send_inlet(nodes[0], [38.4, 38.4], minute=1)
    evaluate_due(now=minutes(3.1))
    assert wrong() == [("thermal.envelope", URGENT)]
    Site.objects.update(status=Site.Status.RETIRED)
    evaluate_due(now=minutes(3.2))
    assert wrong() == []
