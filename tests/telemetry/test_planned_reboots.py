"""Reboots during maintenance are no news; those before and after it are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fleet.models import MaintenanceWindow, Node
from telemetry.jobs import evaluate_site
from telemetry.jobs.rules import planned_reboots
from telemetry.models import Finding
from tests.factories import NOON, make_node
from tests.telemetry.windows import report_boot, send_inlet

pytestmark = pytest.mark.django_db


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def plan(at: Node, **overrides: Any) -> MaintenanceWindow:
    """Plan work on the node's site from noon for half an hour."""
    fields: dict[str, Any] = {
        "site": at.site,
        "reason": "Work.",
        "starts_at": NOON,
        "ends_at": NOON + minutes(30),
        "time_zone": "UTC",
        "created_at": NOON,
    }
    return MaintenanceWindow.objects.create(**(fields | overrides))


def reboot(node: Node, *, minute: float) -> bool:
    """Reboot a node known since long before; tell whether a finding was made of it."""
    report_boot(node, "boot-1", minute=-600)
    evaluate_site(site_id=node.site_id, now=send_inlet(node, [22.0], minute=minute - 5))
    evaluate_site(site_id=node.site_id, now=report_boot(node, "boot-2", minute=minute))
    return Finding.objects.filter(kind=Finding.Kind.NODE_REBOOT).exists()


def test_a_reboot_during_maintenance_of_the_site_is_no_finding() -> None:
    node = make_node()
    plan(node)
    assert not reboot(node, minute=20)


def test_a_reboot_during_maintenance_of_the_node_is_no_finding() -> None:
    node = make_node()
    plan(node, node=node)
    assert not reboot(node, minute=20)


def test_a_reboot_reported_after_the_maintenance_it_happened_in_is_no_finding() -> None:
    node = make_node()
    plan(node)
    assert not reboot(node, minute=33)


def test_a_reboot_in_a_later_span_of_recurring_maintenance_is_no_finding() -> None:
    node = make_node()
    plan(
        node,
        every="day",
        starts_at=NOON - timedelta(days=9),
        ends_at=NOON - timedelta(days=9) + minutes(30),
    )
    assert not reboot(node, minute=20)


def test_a_reboot_without_maintenance_is_a_finding() -> None:
    assert reboot(make_node(), minute=20)


def test_a_reboot_long_after_the_maintenance_is_a_finding() -> None:
    node = make_node()
    plan(node)
    assert reboot(node, minute=90)


@pytest.mark.parametrize(
    "fields",
    [
        {"cancelled_at": NOON},
        {"starts_at": NOON + timedelta(days=1), "ends_at": NOON + timedelta(days=2)},
        {"matchers": [{"name": "kind", "value": "disk.full"}]},
    ],
)
def test_maintenance_that_is_not_on_or_holds_back_something_else_plans_no_reboot(
    fields: dict[str, Any],
) -> None:
    node = make_node()
    plan(node, **fields)
    assert reboot(node, minute=20)


def test_maintenance_of_another_node_plans_no_reboot() -> None:
    node = make_node()
    plan(node, node=make_node(site=node.site))
    assert reboot(node, minute=20)


def test_the_latest_end_of_several_spans_counts() -> None:
    node = make_node()
    plan(node)
    plan(node, node=node, ends_at=NOON + minutes(60))
    planned = planned_reboots([node], NOON + minutes(10))
    assert planned == {node.name: (NOON + minutes(60)).timestamp()}
