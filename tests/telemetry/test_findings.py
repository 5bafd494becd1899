"""Detections become findings: one open for each fingerprint, and nothing said twice is news."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.conf import settings
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries, Settings

from fleet.hints import hints
from fleet.live import GROUP
from fleet.models import Site
from fleet.queue import Job
from telemetry.detectors.detection import HIGH, LOW, URGENT, Detection
from telemetry.findings import Recorded, record_detections
from telemetry.models import Finding
from tests.factories import NOON, make_node, make_site
from tests.telemetry.connections import in_another_connection

pytestmark = pytest.mark.django_db(transaction=True)

LATER = NOON + timedelta(minutes=1)


def say(**overrides: Any) -> Detection:
    """Return one detection that fires at noon."""
    fields: dict[str, Any] = {
        "kind": "thermal.envelope",
        "fingerprint": "thermal.envelope/rack-1/inlet",
        "is_firing": True,
        "severity": LOW,
        "at": NOON.timestamp(),
        "node": None,
        "summary": "Inlet air 28.0 °C, limit 27.0 °C",
        "evidence": {"value": 28.0},
    }
    return Detection(**(fields | overrides))


@pytest.fixture
def browser(settings: Settings) -> InMemoryChannelLayer:
    """Listen as browsers do; what they were told waits in the queue of the channel `browser`."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    layer = get_channel_layer()
    assert isinstance(layer, InMemoryChannelLayer)
    async_to_sync(layer.group_add)(GROUP, "browser")
    return layer


@pytest.fixture
def broker() -> Any:
    """Return the empty broker."""
    client = redis.from_url(settings.REDIS_URL)
    client.flushdb()
    return client


def heard_by(layer: InMemoryChannelLayer) -> list[dict[str, Any]]:
    """Return what the browsers were told."""
    hints.wait_until_sent()
    queue = layer.channels.get("browser")
    return [] if queue is None else [queue.get_nowait()[1] for _ in range(queue.qsize())]


def test_a_detection_opens_a_finding_that_began_when_the_data_say() -> None:
    node = make_node(name="rack-1")
    hour_ago = NOON - timedelta(hours=1)
    said = say(at=hour_ago.timestamp(), node="rack-1")
    assert record_detections(site=node.site, detections=[said], now=NOON) == Recorded(opened=1)
    finding = Finding.objects.get()
    assert (finding.site, finding.node, finding.kind) == (node.site, node, "thermal.envelope")
    assert (finding.began_at, finding.detected_at) == (hour_ago, NOON)
    assert (finding.summary, finding.evidence) == (said.summary, {"value": 28.0})
    assert (finding.revision, finding.taken_in_revision) == (1, 0)


def test_saying_the_same_again_is_no_news(browser: InMemoryChannelLayer, broker: Any) -> None:
    site = make_site()
    record_detections(site=site, detections=[say()], now=NOON)
    heard_by(browser)
    hints.wait_until_sent()
    broker.flushdb()
    assert not record_detections(site=site, detections=[say()], now=LATER)
    assert Finding.objects.get().updated_at == NOON
    assert heard_by(browser) == []
    assert broker.llen("celery") == 0


def test_another_reading_is_told_to_browsers_but_not_to_the_alerts(
    browser: InMemoryChannelLayer, broker: Any
) -> None:
    site = make_site()
    record_detections(site=site, detections=[say()], now=NOON)
    heard_by(browser)
    hints.wait_until_sent()
    broker.flushdb()
    warmer = say(summary="Inlet air 29.0 °C, limit 27.0 °C", evidence={"value": 29.0})
    assert record_detections(site=site, detections=[warmer], now=LATER) == Recorded(changed=1)
    finding = Finding.objects.get()
    assert (finding.summary, finding.evidence) == (warmer.summary, {"value": 29.0})
    assert (finding.began_at, finding.updated_at, finding.revision) == (NOON, LATER, 1)
    assert heard_by(browser) == [{"type": "site.changed", "site": site.pk, "id": site.pk}]
    assert broker.llen("celery") == 0


def test_a_change_of_severity_must_be_heard_by_the_alerts(broker: Any) -> None:
    site = make_site()
    record_detections(site=site, detections=[say()], now=NOON)
    hints.wait_until_sent()
    broker.flushdb()
    record_detections(site=site, detections=[say(severity=URGENT)], now=LATER)
    finding = Finding.objects.get()
    assert (finding.severity, finding.revision) == (URGENT, 2)
    hints.wait_until_sent()
    assert Job.TAKE_IN_FINDINGS.encode() in broker.lindex("celery", 0)


def test_a_finding_is_cleared_and_keeps_what_was_known() -> None:
    site = make_site()
    record_detections(site=site, detections=[say()], now=NOON)
    over = say(is_firing=False, summary="Inlet air back inside the limit", evidence={"worst": 29.0})
    assert record_detections(site=site, detections=[over], now=LATER) == Recorded(cleared=1)
    finding = Finding.objects.get()
    assert (finding.cleared_at, finding.revision) == (LATER, 2)
    assert finding.summary == "Inlet air back inside the limit"
    assert finding.evidence == {"value": 28.0, "worst": 29.0}


def test_what_fires_again_after_it_cleared_is_a_new_finding() -> None:
    site = make_site()
    said = [say(), say(is_firing=False), say(severity=HIGH)]
    recorded = record_detections(site=site, detections=said, now=NOON)
    assert recorded == Recorded(opened=2, cleared=1)
    assert [row.severity for row in Finding.objects.filter(cleared_at__isnull=True)] == [HIGH]
    assert Finding.objects.filter(cleared_at=NOON).count() == 1


def test_an_open_finding_that_clears_and_fires_again_is_followed_by_a_new_one() -> None:
    site = make_site()
    record_detections(site=site, detections=[say()], now=NOON)
    record_detections(site=site, detections=[say(is_firing=False), say()], now=LATER)
    assert [row.cleared_at for row in Finding.objects.order_by("pk")] == [LATER, None]


def test_the_end_of_what_was_never_open_is_nothing(browser: InMemoryChannelLayer) -> None:
    site = make_site()
    assert not record_detections(site=site, detections=[say(is_firing=False)], now=NOON)
    assert not Finding.objects.exists()
    assert heard_by(browser) == []


def test_new_windows_alone_are_told_to_browsers_once(browser: InMemoryChannelLayer) -> None:
    site = make_site()
    record_detections(site=site, detections=[], now=NOON, has_new_windows=True)
    record_detections(site=site, detections=[say()], now=NOON, has_new_windows=True)
    assert len(heard_by(browser)) == 2


def test_nobody_is_told_of_what_was_rolled_back(browser: InMemoryChannelLayer, broker: Any) -> None:
    site = make_site()
    with transaction.atomic():
        record_detections(site=site, detections=[say()], now=NOON)
        transaction.set_rollback(True)
    assert not Finding.objects.exists()
    assert heard_by(browser) == []
    assert broker.llen("celery") == 0


def test_a_number_that_is_none_never_reaches_the_database() -> None:
    evidence = {"value": math.nan, "nodes": [{"rate": math.inf}], "limit": 27.0}
    record_detections(site=make_site(), detections=[say(evidence=evidence)], now=NOON)
    expected = {"value": None, "nodes": [{"rate": None}], "limit": 27.0}
    assert Finding.objects.get().evidence == expected


def test_names_that_are_too_long_still_tell_two_findings_apart() -> None:
    site = make_site()
    said = [say(fingerprint="f" * 400 + end, summary="s" * 400) for end in ("a", "b")]
    assert record_detections(site=site, detections=said, now=NOON).opened == 2
    assert not record_detections(site=site, detections=said, now=LATER)
    assert {len(row.summary) for row in Finding.objects.all()} == {300}


def test_one_fingerprint_at_two_sites_is_two_findings() -> None:
    for site in (make_site(), make_site()):
        record_detections(site=site, detections=[say()], now=NOON)
    assert Finding.objects.count() == Site.objects.count() == 2


def test_a_storm_costs_as_many_queries_as_one_finding(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    site = make_site()
    node = make_node(site=site, name="rack-1")
    storm = [say(fingerprint=f"f/{number}", node=node.name) for number in range(300)]
    end = [say(fingerprint=f"f/{number}", is_firing=False) for number in range(300)]
    with django_assert_num_queries(5):
        record_detections(site=site, detections=storm, now=NOON)
    with django_assert_num_queries(4):
        record_detections(site=site, detections=end, now=LATER)
    assert Finding.objects.filter(cleared_at=LATER, node=node).count() == 300


def test_two_who_find_the_same_at_once_leave_one_open_finding() -> None:
    site = make_site()

    def somebody_else_was_faster(execute: Any, sql: str, *rest: Any) -> Any:
        first = sql.startswith('INSERT INTO "telemetry_finding"')
        assert not first or in_another_connection(
            lambda: record_detections(site=site, detections=[say()], now=NOON)
        )
        return execute(sql, *rest)

    with connection.execute_wrapper(somebody_else_was_faster):
        record_detections(site=site, detections=[say(summary="Inlet air 29.0 °C")], now=LATER)
    assert [row.detected_at for row in Finding.objects.all()] == [NOON]
    record_detections(site=site, detections=[say(summary="Inlet air 29.0 °C")], now=LATER)
    assert [row.summary for row in Finding.objects.all()] == ["Inlet air 29.0 °C"]


def test_event_time_is_kept_to_the_microsecond() -> None:
    at = datetime(2030, 1, 1, 11, 59, 59, 123456, tzinfo=UTC)
    record_detections(site=make_site(), detections=[say(at=at.timestamp())], now=NOON)
    assert Finding.objects.get().began_at == at
