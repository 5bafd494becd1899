"""Reboots at a site: told once each, whatever clocks and windows say."""

from __future__ import annotations

import pytest

from fleet.models import Node, Site
from telemetry.detectors.detection import HIGH, LOW
from telemetry.jobs import evaluate_site
from telemetry.models import Finding
from tests.factories import make_node
from tests.telemetry.windows import report_boot, send_inlet

pytestmark = pytest.mark.django_db


def open_kinds(site: Site) -> list[tuple[str, int]]:
    """Return kind and severity of what is wrong at the site."""
    rows = Finding.objects.filter(site=site, cleared_at__isnull=True).order_by("kind", "severity")
    return list(rows.values_list("kind", "severity"))


@pytest.fixture
def node() -> Node:
    """Return one node."""
    return make_node(name="rack-1")


def test_one_reboot_is_low_and_a_loop_of_three_is_high(node: Node) -> None:
    report_boot(node, "boot-1", minute=-600)
    evaluate_site(site_id=node.site_id, now=send_inlet(node, [22.0]))
    evaluate_site(site_id=node.site_id, now=report_boot(node, "boot-2", minute=5))
    assert open_kinds(node.site) == [("node.reboot", LOW)]
    report_boot(node, "boot-3", minute=15)
    evaluate_site(site_id=node.site_id, now=report_boot(node, "boot-4", minute=25))
    assert open_kinds(node.site) == [("node.reboot", HIGH)]
    now = send_inlet(node, [22.0], minute=40)
    evaluate_site(site_id=node.site_id, now=now)
    assert open_kinds(node.site) == []


def test_boots_from_before_a_node_was_first_seen_are_nobodys_news(node: Node) -> None:
    for number in range(4):
        report_boot(node, f"boot-{number}", minute=-40 + number)
    evaluate_site(site_id=node.site_id, now=send_inlet(node, [22.0]))
    assert not Finding.objects.exists()


def test_a_node_was_down_from_its_last_window_to_its_boot(node: Node) -> None:
    report_boot(node, "boot-1", minute=-600)
    evaluate_site(site_id=node.site_id, now=send_inlet(node, [22.0]))
    send_inlet(node, [22.0], minute=5)
    evaluate_site(site_id=node.site_id, now=report_boot(node, "boot-2", minute=10, uptime=60))
    assert Finding.objects.get().evidence["down_seconds"] == 180


def test_a_reboot_of_a_node_whose_clock_runs_ahead_is_seen(node: Node) -> None:
    report_boot(node, "boot-1", minute=-600)
    evaluate_site(site_id=node.site_id, now=send_inlet(node, [22.0], minute=9))
    report_boot(node, "boot-2", minute=5)
    evaluate_site(site_id=node.site_id, now=send_inlet(node, [22.0], minute=12))
    assert open_kinds(node.site) == [("node.reboot", LOW)]
