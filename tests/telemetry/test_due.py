"""Which sites are due when no hint says so, and in which order."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from fleet.models import Node, Site
from telemetry.jobs import evaluate_due, evaluate_site
from telemetry.models import DetectorState, Finding
from tests.factories import NOON, make_node, make_site
from tests.telemetry.windows import open_door, send_inlet

pytestmark = pytest.mark.django_db(transaction=True)


def minutes(number: float) -> datetime:
    """Return the time so many minutes after noon."""
    return NOON + timedelta(minutes=number)


@pytest.fixture
def node() -> Node:
    """Return one node."""
    return make_node(name="rack-1")


@pytest.mark.parametrize("status", [Site.Status.RETIRED, Site.Status.DECOMMISSIONING])
def test_a_site_that_leaves_the_fleet_takes_its_findings_along(node: Node, status: str) -> None:
    evaluate_site(site_id=node.site_id, now=send_inlet(node, [38.4, 38.4]))
    Site.objects.update(status=status)
    send_inlet(node, [45.0, 45.0], minute=2)
    assert evaluate_due(now=minutes(5)) == 1
    assert Finding.objects.get().cleared_at == minutes(5)
    assert evaluate_due(now=minutes(60)) == 0


def test_sites_with_news_are_due_and_the_one_that_waited_longest_comes_first() -> None:
    nodes = [make_node() for _ in range(3)]
    open_door(started_at=minutes(-60), beat_at=minutes(60))
    for minute, node in enumerate(nodes):
        evaluate_site(site_id=node.site_id, now=minutes(minute))
    for node in (nodes[2], nodes[0]):
        send_inlet(node, [22.0], minute=3)
    assert evaluate_due(now=minutes(4.1), limit=1) == 1
    assert [row.site for row in DetectorState.objects.filter(evaluated_at=minutes(4.1))] == [
        nodes[0].site
    ]
    assert evaluate_due(now=minutes(4.2)) == 1
    assert evaluate_due(now=minutes(4.3)) == 0


def test_a_site_that_was_never_evaluated_is_due() -> None:
    make_site()
    assert evaluate_due(now=NOON) == 1
    assert evaluate_due(now=NOON) == 0


def test_a_late_node_makes_its_site_due_once_a_sweep(node: Node) -> None:
    evaluate_site(site_id=node.site_id, now=send_inlet(node, [22.0]))
    assert evaluate_due(now=minutes(2)) == 0
    assert evaluate_due(now=minutes(4)) == 1
    assert evaluate_due(now=minutes(4) + timedelta(seconds=4)) == 0
    assert evaluate_due(now=minutes(4) + timedelta(seconds=5)) == 1


def test_a_site_that_rests_is_looked_at_every_five_minutes() -> None:
    site = make_site()
    evaluate_site(site_id=site.pk, now=NOON)
    assert evaluate_due(now=minutes(4.9)) == 0
    assert evaluate_due(now=minutes(5)) == 1


def test_one_site_that_cannot_be_evaluated_does_not_blind_the_others(node: Node) -> None:
    broken, sound = make_node(), node
    evaluate_site(site_id=broken.site_id, now=NOON)
    DetectorState.objects.update(state={"shape": 1})
    for one in (broken, sound):
        now = send_inlet(one, [38.4, 38.4])
    assert evaluate_due(now=now) == 1
    assert [row.site for row in Finding.objects.all()] == [sound.site]
