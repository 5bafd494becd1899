"""Alerts of Prometheus and Alertmanager: findings that open, repeat, end and find their runbook."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from django.db import connection, transaction

from fleet.models import Site
from runbooks.alertmanager.intake import Intake, expire_external, take_in_alerts
from runbooks.alertmanager.wire import read_alerts, read_webhook, write_time
from runbooks.alerts.intake import follow_findings, take_in_findings
from runbooks.library.match import match_runbook
from runbooks.models import Alert
from telemetry.models import Finding
from tests.captures import captured_text
from tests.factories import NOON, make_node, make_site
from tests.runbooks.world import make_runbook, seconds

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

DAY = 86_400


@pytest.fixture
def site() -> Site:
    return make_site(slug="s01")


def labelled(**labels: str) -> dict[str, Any]:
    """Return one alert as Prometheus sends it."""
    return {"labels": {"alertname": "GpuThermal", "site": "s01"} | labels}


def send(*alerts: Any, now: datetime = NOON, default: Site | None = None) -> Intake:
    """Take alerts in as `POST /api/v2/alerts` does, for somebody who may do so everywhere."""
    said = read_alerts(json.dumps(alerts).encode())
    return take_in_alerts(said=said, sites=Site.objects.all(), default_site=default, now=now)


def tell(message: Any, *, now: datetime = NOON, default: Site | None = None) -> Intake:
    """Take one webhook request in."""
    said = read_webhook(json.dumps(message).encode())
    return take_in_alerts(
        said=said, sites=Site.objects.all(), default_site=default, now=now, is_webhook=True
    )


def webhook(status: str, starts_at: datetime = NOON) -> dict[str, Any]:
    """Return a webhook about one alert."""
    alert = labelled() | {"status": status, "startsAt": write_time(starts_at)}
    return {"version": "4", "status": status, "alerts": [alert]}


def deliveries() -> list[Any]:
    """Return what a real Alertmanager 0.25 posted, in order."""
    lines = captured_text("am025_webhook_deliveries.jsonl").splitlines()
    return [json.loads(line)["body"] for line in lines]


def firing_nodes() -> list[str]:
    """Return the labels of what fires by now, told apart by node or site."""
    rows = Finding.objects.filter(cleared_at__isnull=True).order_by("pk")
    labels = [row.evidence["labels"] for row in rows]
    return [one.get("node", one["site"]) for one in labels]


def only_alert() -> Alert:
    return Alert.objects.get()


def codes(intake: Intake) -> Sequence[tuple[int, str]]:
    return [(refused.index, refused.code) for refused in intake.refused]


def test_an_alert_becomes_a_finding_with_what_its_sender_said(site: Site) -> None:
    alert = labelled(severity="critical") | {
        "annotations": {"summary": "GPU 3 is at 91 °C."},
        "startsAt": "2030-01-01T11:58:00.000Z",
        "endsAt": "2030-01-01T12:04:00Z",
        "generatorURL": "http://prometheus:9090/graph?g0.expr=x",
    }
    assert send(alert) == Intake(taken=1)
    finding = Finding.objects.get()
    assert (finding.source, finding.kind, finding.severity) == (
        Finding.Source.ALERTMANAGER,
        Finding.Kind.EXTERNAL_ALERT,
        Finding.Severity.URGENT,
    )
    assert (finding.site, finding.summary) == (site, "GPU 3 is at 91 °C.")
    assert finding.began_at == NOON - seconds(120)
    assert finding.evidence == {
        "labels": alert["labels"],
        "annotations": alert["annotations"],
        "generator_url": alert["generatorURL"],
        "starts_at": "2030-01-01T11:58:00.000Z",
        "ends_at": "2030-01-01T12:04:00.000Z",
        "window_end": NOON.timestamp(),
    }


@pytest.mark.parametrize(
    ("label", "severity"),
    [("critical", 1), ("PAGE", 1), ("urgent", 1), ("warning", 2), ("high", 2), ("info", 3)],
)
def test_the_label_severity_decides_how_urgent_it_is(site: Site, label: str, severity: int) -> None:
    send(labelled(severity=label))
    assert Finding.objects.get().severity == severity


def test_an_alert_without_a_severity_is_low(site: Site) -> None:
    send(labelled())
    assert Finding.objects.get().severity == Finding.Severity.LOW


def test_an_alert_says_what_and_where_when_it_has_no_summary(site: Site) -> None:
    send(labelled(instance="gw-1:9100"))
    assert Finding.objects.get().summary == "GpuThermal on gw-1:9100."


@pytest.mark.parametrize("labels", [{"node": "gw-1"}, {"instance": "gw-1:9100"}])
def test_an_alert_finds_its_node_by_label_or_instance(site: Site, labels: dict[str, str]) -> None:
    node = make_node(site=site, name="gw-1")
    send(labelled(**labels))
    assert Finding.objects.get().node == node


def test_an_alert_that_names_no_site_of_ours_belongs_to_the_tokens_site(site: Site) -> None:
    assert send(labelled(site="elsewhere"), default=site).taken == 1
    assert Finding.objects.get().site == site


def test_an_alert_without_any_site_is_refused_and_the_others_are_taken(site: Site) -> None:
    intake = send({"labels": {"alertname": "A"}}, labelled(), labelled(site="mars"), {"labels": {}})
    assert intake.taken == 1
    assert codes(intake) == [(0, "no_site"), (2, "unknown_site"), (3, "no_labels")]


def test_a_site_that_the_token_may_not_answer_for_is_no_site_to_it(site: Site) -> None:
    said = read_alerts(json.dumps([labelled()]).encode())
    intake = take_in_alerts(said=said, sites=Site.objects.none(), default_site=site, now=NOON)
    assert codes(intake) == [(0, "unknown_site")]
    assert not Finding.objects.exists()


def test_an_alert_that_has_fired_for_hours_still_pages_when_it_first_comes(site: Site) -> None:
    send(labelled() | {"startsAt": "2030-01-01T06:00:00Z"})
    take_in_findings(now=NOON)
    assert only_alert().began_at == NOON - seconds(6 * 3600)


def test_repeats_are_one_alert_that_was_last_seen_with_the_last(site: Site) -> None:
    send(labelled())
    take_in_findings(now=NOON)
    send(labelled(), now=NOON + seconds(60))
    take_in_findings(now=NOON + seconds(60))
    follow_findings(now=NOON + seconds(60))
    alert = only_alert()
    assert (alert.fired_count, alert.last_seen_at) == (1, NOON + seconds(60))


def test_an_end_in_the_past_clears_the_alert(site: Site) -> None:
    send(labelled())
    take_in_findings(now=NOON)
    later = NOON + seconds(30)
    send(labelled() | {"endsAt": write_time(later)}, now=later)
    take_in_findings(now=later)
    assert only_alert().condition == Alert.Condition.CLEARED
    assert Finding.objects.get().summary == "GpuThermal is over, its sender says."


def test_an_end_that_nobody_heard_the_beginning_of_is_nothing(site: Site) -> None:
    send(labelled() | {"endsAt": write_time(NOON - seconds(1))})
    assert not Finding.objects.exists()


def test_an_alert_that_is_not_repeated_is_over_after_five_minutes(site: Site) -> None:
    send(labelled())
    assert expire_external(now=NOON + seconds(299)) == 0
    assert expire_external(now=NOON + seconds(300)) == 1
    assert expire_external(now=NOON + seconds(301)) == 0
    finding = Finding.objects.get()
    assert finding.cleared_at == NOON + seconds(300)
    assert finding.summary == "GpuThermal was not repeated for 5 min, so it is taken to be over."


def test_an_alert_lasts_until_the_end_its_sender_named(site: Site) -> None:
    send(labelled() | {"endsAt": write_time(NOON + seconds(3600))})
    assert expire_external(now=NOON + seconds(3599)) == 0
    assert expire_external(now=NOON + seconds(3600)) == 1


def test_a_repeat_moves_the_end(site: Site) -> None:
    send(labelled())
    send(labelled(), now=NOON + seconds(200))
    assert expire_external(now=NOON + seconds(499)) == 0
    assert expire_external(now=NOON + seconds(500)) == 1


def test_a_thousand_repeats_are_as_few_statements_as_one(
    site: Site, django_assert_num_queries: Any
) -> None:
    storm = [labelled(node=f"n{number}") for number in range(1000)]
    send(*storm)
    later = NOON + seconds(60)
    with django_assert_num_queries(3):
        send(*storm, now=later)
    assert Finding.objects.filter(updated_at=later, revision=1).count() == 1000


def test_a_repeat_that_says_something_new_is_written_down(site: Site) -> None:
    send(labelled() | {"annotations": {"summary": "91 °C."}})
    send(labelled() | {"annotations": {"summary": "95 °C."}}, now=NOON + seconds(60))
    finding = Finding.objects.get()
    assert finding.summary == "95 °C."
    assert finding.evidence["annotations"] == {"summary": "95 °C."}
    assert finding.evidence["window_end"] == (NOON + seconds(60)).timestamp()


def test_an_alert_that_stands_twice_in_a_request_counts_in_its_order(site: Site) -> None:
    send(labelled())
    over = labelled() | {"endsAt": write_time(NOON)}
    send(over, labelled(), now=NOON + seconds(30))
    assert Finding.objects.filter(cleared_at__isnull=True).count() == 1
    send(labelled(), over, now=NOON + seconds(50))
    assert not Finding.objects.filter(cleared_at__isnull=True).exists()


def test_what_expires_is_cleared_at_every_site_up_to_the_limit(site: Site) -> None:
    make_site(slug="s02")
    send(labelled(), labelled(node="n1"), labelled(site="s02"))
    assert expire_external(now=NOON + seconds(600), limit=2) == 2
    assert expire_external(now=NOON + seconds(600), limit=2) == 1


@pytest.mark.django_db(transaction=True)
def test_a_repeat_that_is_just_being_taken_in_wins_over_the_expiry(site: Site) -> None:
    send(labelled())
    overdue = NOON + seconds(400)
    is_taken, may_commit = threading.Event(), threading.Event()

    def repeat() -> None:
        with transaction.atomic():
            send(labelled(), now=overdue)
            is_taken.set()
            assert may_commit.wait(20)
        connection.close()

    with ThreadPoolExecutor(1) as workers:
        repeating = workers.submit(repeat)
        assert is_taken.wait(20)
        assert expire_external(now=overdue) == 0
        may_commit.set()
        repeating.result(20)
    assert expire_external(now=overdue) == 0


def test_findings_of_our_own_detectors_never_expire(site: Site) -> None:
    Finding.objects.create(
        site=site,
        kind=Finding.Kind.DISK_FULL,
        fingerprint="disk",
        severity=1,
        summary="Full.",
        evidence={"ends_at": write_time(NOON)},
        began_at=NOON,
        detected_at=NOON,
        updated_at=NOON,
    )
    assert expire_external(now=NOON + seconds(DAY)) == 0


def test_a_real_alertmanagers_deliveries_end_as_it_meant_them() -> None:
    for slug in ("s01", "s02"):
        make_site(slug=slug)
    fires = []
    for number, delivery in enumerate(deliveries()):
        assert tell(delivery, now=NOON + seconds(number)).refused == ()
        fires.append(firing_nodes())
    assert fires == [
        ["n1", "n2"],
        ["n1", "n2", "s02"],
        ["n2", "s02"],
        ["n2"],
        ["n2", "n9"],
    ]


def test_the_same_delivery_twice_is_the_same_as_once() -> None:
    make_site(slug="s01")
    for _ in range(2):
        tell(deliveries()[0])
        take_in_findings(now=NOON)
    assert Alert.objects.count() == 2


def test_a_webhooks_alert_does_not_end_between_two_of_its_slow_repeats(site: Site) -> None:
    tell(webhook("firing"))
    assert expire_external(now=NOON + seconds(4 * 3600)) == 0
    assert expire_external(now=NOON + seconds(DAY)) == 1


def test_a_webhooks_alert_that_began_anew_is_a_new_firing(site: Site) -> None:
    tell(webhook("firing"))
    take_in_findings(now=NOON)
    Alert.objects.update(response=Alert.Response.CLOSED, closed_at=NOON)
    later = NOON + seconds(600)
    tell(webhook("firing", starts_at=later), now=later)
    take_in_findings(now=later)
    alert = Alert.objects.exclude(response=Alert.Response.CLOSED).get()
    assert alert.began_at == later


def test_a_webhooks_repeat_is_no_new_firing(site: Site) -> None:
    tell(webhook("firing"))
    tell(webhook("firing"), now=NOON + seconds(600))
    assert Finding.objects.get().cleared_at is None


def test_a_beginning_that_lies_ahead_is_no_new_firing_each_time(site: Site) -> None:
    ahead = NOON + seconds(600)
    tell(webhook("firing", starts_at=ahead))
    tell(webhook("firing", starts_at=ahead), now=NOON + seconds(60))
    finding = Finding.objects.get()
    assert finding.began_at == NOON


def test_prometheus_may_move_a_beginning_without_a_new_alert(site: Site) -> None:
    send(labelled() | {"startsAt": write_time(NOON)})
    send(labelled() | {"startsAt": write_time(NOON + seconds(30))}, now=NOON + seconds(60))
    assert Finding.objects.get().cleared_at is None


def test_a_thousand_alerts_in_one_request_are_all_taken(site: Site) -> None:
    assert send(*(labelled(node=f"n{number}") for number in range(1000))).taken == 1000
    assert Finding.objects.count() == 1000


def test_text_beyond_any_measure_is_kept_and_shown_short(site: Site) -> None:
    long = "x" * 5000
    send(labelled(note=long) | {"annotations": {"summary": long}})
    finding = Finding.objects.get()
    assert len(finding.summary) == 300
    assert finding.evidence["labels"]["note"] == long


@pytest.mark.parametrize(
    ("labels", "slug"),
    [
        ({"runbook": "fan-swap"}, "fan-swap"),
        ({"alertname": "FanSwap"}, "fan-swap"),
        ({"alertname": "FanSwap", "runbook": "gpu-thermal"}, "gpu-thermal"),
        ({"alertname": "GPUThermal"}, "gpu-thermal"),
        ({"runbook": "never-written"}, "gpu-thermal"),
        ({"alertname": "NobodyWroteThis"}, "generic"),
    ],
)
def test_an_alert_finds_the_runbook_it_names(site: Site, labels: dict[str, str], slug: str) -> None:
    make_runbook("fan-swap")
    make_runbook("gpu-thermal")
    send(labelled(**labels))
    finding = Finding.objects.get()
    version = match_runbook(kind=finding.kind, site=site, evidence=finding.evidence)
    assert version.runbook.slug == slug


def test_the_runbook_that_an_alert_names_is_pinned_to_it(site: Site) -> None:
    make_runbook("fan-swap")
    send(labelled(runbook="fan-swap"))
    take_in_findings(now=NOON)
    assert only_alert().runbook_version.runbook.slug == "fan-swap"
