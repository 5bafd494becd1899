"""One evaluation of one site: what is new is judged once, and late news changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from pytest_django import Settings

from fleet.models import Node, Site
from telemetry.detectors.detection import URGENT
from telemetry.jobs import Outcome, evaluate_site
from telemetry.models import DetectorState, Finding
from tests.factories import NOON, make_node, make_site
from tests.telemetry.connections import Statements, in_another_connection
from tests.telemetry.windows import (
    CPU,
    DISK,
    INLET,
    NOTHING,
    send_inlet,
    send_window,
)

pytestmark = pytest.mark.django_db(transaction=True)


def minutes(number: float) -> datetime:
    """Return the time so many minutes after noon."""
    return NOON + timedelta(minutes=number)


def open_kinds(site: Site) -> list[tuple[str, int]]:
    """Return kind and severity of what is wrong at the site."""
    rows = Finding.objects.filter(site=site, cleared_at__isnull=True).order_by("kind", "severity")
    return list(rows.values_list("kind", "severity"))


@pytest.fixture
def node() -> Node:
    """Return one node that is judged by ASHRAE A2: at most 35 °C at the inlet."""
    return make_node(name="rack-1", ashrae_class="A2", is_ashrae_class_assumed=False)


@pytest.fixture
def memory_that_cannot_be_written() -> Iterator[None]:
    """Make the database fail between the findings and the detectors' memory."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE 'the disk is full'; END $$;"
            "CREATE TRIGGER fail BEFORE UPDATE ON telemetry_detectorstate "
            "FOR EACH ROW EXECUTE FUNCTION fail()"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION IF EXISTS fail CASCADE")


def test_an_inlet_above_its_class_limit_for_two_windows_opens_one_urgent_finding(
    node: Node,
) -> None:
    evaluate_site(site_id=node.site_id, now=send_inlet(node, [38.4]))
    assert open_kinds(node.site) == []
    done = evaluate_site(site_id=node.site_id, now=send_inlet(node, [38.4], minute=1))
    finding = Finding.objects.get()
    assert (done.outcome, done.windows, done.recorded.opened) == (Outcome.DONE, 1, 1)
    assert (finding.kind, finding.severity, finding.node) == ("thermal.envelope", URGENT, node)
    assert finding.began_at == minutes(2)
    assert finding.summary.startswith("Inlet air 38.4 °C, limit 35.0 °C")


def test_the_evidence_says_what_was_measured_against_what(node: Node) -> None:
    evaluate_site(site_id=node.site_id, now=send_inlet(node, [(38.0, 36.0, 39.5)] * 4))
    evidence = Finding.objects.get().evidence
    told = {key: evidence[key] for key in ("metric", "unit", "device", "value", "limit")}
    assert told == {
        "metric": "hw.temperature",
        "unit": "Cel",
        "device": "inlet",
        "value": 38.0,
        "limit": 35.0,
    }
    assert evidence["window_end"] == minutes(4).timestamp()
    assert evidence["rate_per_minute"] == 0.0


def test_a_demonstration_need_not_wait_for_the_holds(node: Node, settings: Settings) -> None:
    settings.HEARTHWATCH_HOLD_SCALE = 0.1
    evaluate_site(site_id=node.site_id, now=send_inlet(node, [38.4]))
    assert open_kinds(node.site) == [("thermal.envelope", URGENT)]


def test_cooling_down_closes_the_finding(node: Node) -> None:
    evaluate_site(site_id=node.site_id, now=send_inlet(node, [38.4, 38.4]))
    now = send_inlet(node, [25.0, 25.0], minute=2)
    assert evaluate_site(site_id=node.site_id, now=now).recorded.cleared == 1
    assert open_kinds(node.site) == []
    assert Finding.objects.get().cleared_at == now


def test_a_backfilled_heat_wave_opens_nothing(node: Node) -> None:
    for minute in range(30):
        send_window(node, {INLET: 45.0}, minute=minute, delay=3600, is_late=True)
    now = send_inlet(node, [22.0], minute=90)
    assert evaluate_site(site_id=node.site_id, now=now).windows == 1
    assert not Finding.objects.exists()


def test_backfilled_cool_air_closes_nothing(node: Node) -> None:
    evaluate_site(site_id=node.site_id, now=send_inlet(node, [38.4, 38.4]))
    for minute in range(2, 12):
        send_window(node, {INLET: 22.0}, minute=minute, delay=3600, is_late=True)
    evaluate_site(site_id=node.site_id, now=send_inlet(node, [38.4], minute=12))
    assert open_kinds(node.site) == [("thermal.envelope", URGENT)]


def test_a_window_from_before_the_last_one_judged_is_passed_over(node: Node) -> None:
    evaluate_site(site_id=node.site_id, now=send_inlet(node, [22.0], minute=10))
    send_inlet(node, [45.0, 45.0, 45.0], minute=5)
    now = send_inlet(node, [22.0], minute=11)
    assert evaluate_site(site_id=node.site_id, now=now).windows == 1
    assert not Finding.objects.exists()


def test_a_node_without_an_inlet_sensor_is_unknown_and_not_warm(node: Node) -> None:
    for minute in range(5):
        now = send_window(node, {CPU: 0.5, INLET: NOTHING}, minute=minute)
    assert evaluate_site(site_id=node.site_id, now=now).windows == 5
    assert not Finding.objects.exists()


def test_a_temperature_in_another_unit_is_not_judged(node: Node) -> None:
    fahrenheit = INLET.__class__("hw.temperature", "[degF]", "inlet")
    for minute in range(5):
        now = send_window(node, {fahrenheit: 80.0}, minute=minute)
    evaluate_site(site_id=node.site_id, now=now)
    assert not Finding.objects.exists()


def test_each_node_is_judged_by_its_own_class() -> None:
    site = make_site()
    for name, ashrae_class in (("a1", "A1"), ("a2", "A2"), ("a3", "A3")):
        node = make_node(site=site, name=name, ashrae_class=ashrae_class)
        now = send_inlet(node, [36.0, 36.0])
    evaluate_site(site_id=site.pk, now=now)
    judged = Finding.objects.order_by("node__name").values_list("node__name", "evidence__limit")
    assert list(judged) == [("a1", 32.0), ("a2", 35.0)]


def test_a_node_that_gets_another_class_keeps_its_finding_until_it_is_cool(node: Node) -> None:
    evaluate_site(site_id=node.site_id, now=send_inlet(node, [38.0, 38.0]))
    Node.objects.update(ashrae_class="A4")
    now = send_inlet(node, [38.0, 38.0], minute=2)
    assert evaluate_site(site_id=node.site_id, now=now).recorded.cleared == 1


def test_a_limit_whose_class_is_only_assumed_says_so() -> None:
    node = make_node(name="rack-1")
    evaluate_site(site_id=node.site_id, now=send_inlet(node, [38.0, 38.0]))
    assert Finding.objects.get().evidence["basis"] == "ASHRAE A2 allowable, class not stated"


def test_a_node_that_announces_other_series_is_judged_on(node: Node) -> None:
    send_window(node, {INLET: 38.4, CPU: 0.5})
    now = send_window(node, {CPU: 0.5, DISK: 0.3, INLET: 38.4}, minute=1)
    evaluate_site(site_id=node.site_id, now=now)
    assert open_kinds(node.site) == [("thermal.envelope", URGENT)]


def test_judging_again_what_was_judged_changes_nothing(node: Node) -> None:
    now = send_inlet(node, [38.4, 38.4])
    evaluate_site(site_id=node.site_id, now=now)
    findings, state = list(Finding.objects.values()), DetectorState.objects.get().state
    again = evaluate_site(site_id=node.site_id, now=now)
    assert (again.windows, bool(again.recorded)) == (0, False)
    assert list(Finding.objects.values()) == findings
    assert DetectorState.objects.get().state == state


def test_one_window_at_a_time_gives_what_all_at_once_gives() -> None:
    course = [22.0, 28.0, 36.0, 36.0, 36.0, 33.0, 33.0, 33.0, 26.0, 26.0, 36.5, 37.0]
    slow, quick = make_node(name="rack-1"), make_node(name="rack-1")
    for minute, temperature in enumerate(course):
        now = send_inlet(slow, [temperature], minute=minute)
        evaluate_site(site_id=slow.site_id, now=now)
    evaluate_site(site_id=quick.site_id, now=send_inlet(quick, course))
    columns = ("fingerprint", "severity", "summary", "evidence", "began_at", "revision")
    of_slow, of_quick = (
        Finding.objects.filter(site=node.site).order_by("pk").values_list(*columns)
        for node in (slow, quick)
    )
    assert list(of_slow) == list(of_quick)
    assert len(of_slow) == 2
    memories = [DetectorState.objects.get(site=node.site).state for node in (slow, quick)]
    assert memories[0]["envelope"] == memories[1]["envelope"]


@pytest.mark.usefixtures("memory_that_cannot_be_written")
def test_a_crash_between_findings_and_memory_leaves_neither(node: Node) -> None:
    twin = make_node(name="rack-1", is_ashrae_class_assumed=False)
    for one in (node, twin):
        now = send_inlet(one, [38.4, 38.4, 39.0])
    with pytest.raises(DatabaseError, match="the disk is full"):
        evaluate_site(site_id=node.site_id, now=now)
    assert not Finding.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION fail CASCADE")
    for one in (node, twin):
        evaluate_site(site_id=one.site_id, now=now)
    after_crash, undisturbed = Finding.objects.order_by("site_id").values(
        "fingerprint", "severity", "summary", "evidence", "began_at", "detected_at", "revision"
    )
    assert after_crash == undisturbed


def test_a_site_somebody_else_is_at_is_left_alone(node: Node) -> None:
    now = send_inlet(node, [22.0])
    evaluate_site(site_id=node.site_id, now=now)
    now = send_inlet(node, [38.4, 38.4], minute=1)
    with transaction.atomic():
        evaluate_site(site_id=node.site_id, now=now)
        other = in_another_connection(lambda: evaluate_site(site_id=node.site_id, now=now))
    assert other.outcome == Outcome.BUSY
    assert evaluate_site(site_id=node.site_id, now=now).windows == 0
    assert Finding.objects.count() == 1


def test_a_node_that_is_watched_no_longer_has_nothing_wrong(node: Node) -> None:
    other = make_node(site=node.site, name="rack-2")
    for one in (node, other):
        now = send_inlet(one, [38.4, 38.4])
    evaluate_site(site_id=node.site_id, now=now)
    Node.objects.filter(pk=node.pk).update(is_watched=False)
    send_inlet(node, [38.4], minute=2)
    now = send_inlet(other, [38.4], minute=2)
    assert evaluate_site(site_id=node.site_id, now=now).windows == 1
    assert [row.node for row in Finding.objects.filter(cleared_at__isnull=True)] == [other]


def test_a_staging_site_is_judged_like_a_live_one() -> None:
    node = make_node(site=make_site(status=Site.Status.STAGING))
    evaluate_site(site_id=node.site_id, now=send_inlet(node, [38.4, 38.4]))
    assert open_kinds(node.site) == [("thermal.envelope", URGENT)]


def test_a_site_that_does_not_exist_is_not_watched() -> None:
    assert evaluate_site(site_id=4711, now=NOON).outcome == Outcome.NOT_WATCHED


def test_a_memory_of_another_version_is_judged_anew_and_hides_nothing(node: Node) -> None:
    evaluate_site(site_id=node.site_id, now=send_inlet(node, [38.4, 38.4]))
    DetectorState.objects.update(state={"shape": 0})
    evaluate_site(site_id=node.site_id, now=minutes(3))
    cleared, fresh = Finding.objects.order_by("pk")
    assert cleared.cleared_at == minutes(3)
    assert (fresh.cleared_at, fresh.severity) == (None, URGENT)


def test_nothing_older_than_six_hours_is_judged(node: Node) -> None:
    send_inlet(node, [45.0, 45.0, 45.0])
    now = send_inlet(node, [22.0], minute=7 * 60)
    assert evaluate_site(site_id=node.site_id, now=now).windows == 1
    assert not Finding.objects.exists()


def test_an_evaluation_asks_as_much_for_ten_nodes_as_for_one() -> None:
    statements = Statements()
    small, large = make_site(), make_site()
    make_node(site=small)
    for _ in range(10):
        make_node(site=large)
    for site in (small, large):
        for node in site.nodes.all():
            now = send_inlet(node, [22.0])
        evaluate_site(site_id=site.pk, now=now)
        for node in site.nodes.all():
            now = send_inlet(node, [22.0], minute=1)
        with statements.watched():
            evaluate_site(site_id=site.pk, now=now)
        assert statements.count == 9
