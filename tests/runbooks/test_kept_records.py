"""What is pruned is readings: of trouble that lasts nothing is forgotten, so nothing fires anew."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fleet.management.commands.sweep import (
    asking_stages,
    deciding_stages,
    delivering_stages,
    detecting_stages,
)
from fleet.models import Node
from runbooks.models import Alert, AlertEvent, Escalation
from telemetry import store
from telemetry.detectors.detection import HIGH, Detection
from telemetry.findings import record_detections
from telemetry.models import Finding
from tests.factories import NOON, make_node
from tests.runbooks.world import make_alert
from tests.telemetry.windows import INLET, send_window

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

YEARS_LATER = NOON + timedelta(days=1000)


def windows_of(node: Node) -> int:
    return len(store.read_windows(node_ids=[node.pk], since=NOON - timedelta(days=1)))


def test_trouble_that_lasts_past_every_retention_stays_one_alert() -> None:
    alert = make_alert(severity=HIGH)
    store.ensure_partitions(now=NOON)
    node = make_node(site=alert.site)
    send_window(node, {INLET: 22.0}, minute=0)
    assert windows_of(node) == 1
    escalation = Escalation.objects.get(alert=alert)

    stages = [*detecting_stages(), *deciding_stages(), *asking_stages()]
    for stage in [*stages, *delivering_stages(lambda: True)]:
        stage.run(YEARS_LATER)
    # The jobs that prune have done so, or nothing would be proven here.
    assert windows_of(node) == 0
    still = Detection(
        alert.kind, alert.dedup_key, True, HIGH, NOON.timestamp(), None, "Hot still.", {}
    )
    record_detections(site=alert.site, detections=[still], now=YEARS_LATER)
    for stage in deciding_stages():
        stage.run(YEARS_LATER + timedelta(minutes=1))

    known = Finding.objects.get(cleared_at=None)
    assert Finding.objects.count() == 1
    assert known == alert.finding
    assert Alert.objects.get() == alert
    alert.refresh_from_db()
    assert alert.finding == known
    assert (alert.condition, alert.response) == ("firing", "unacknowledged")
    assert Escalation.objects.get() == escalation
    opened = AlertEvent.objects.filter(alert=alert, kind=AlertEvent.Kind.OPENED)
    assert opened.count() == 1
