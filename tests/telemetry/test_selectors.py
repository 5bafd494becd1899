"""What pages ask of telemetry: readings, charts, states, and since when somebody listens."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from fleet.models import Site
from telemetry import selectors
from telemetry.models import Finding
from telemetry.protocol import Series
from tests.factories import NOON, make_node, make_site
from tests.telemetry.connections import Statements
from tests.telemetry.windows import CPU, DISK, INLET, NOTHING, open_door, send_window

pytestmark = pytest.mark.django_db


def minutes(number: float) -> datetime:
    """Return the time so many minutes after noon."""
    return NOON + timedelta(minutes=number)


def make_finding(**overrides: Any) -> Finding:
    """Make one open finding."""
    fields: dict[str, Any] = {
        "kind": Finding.Kind.NODE_SILENT,
        "severity": Finding.Severity.HIGH,
        "summary": "Nothing from rack-1 for 62 s",
        "began_at": NOON,
        "detected_at": NOON,
        "updated_at": NOON,
    }
    fields["fingerprint"] = f"{overrides.get('kind', 'node.silent')}/{overrides.get('node', '')}"
    return Finding.objects.create(**(fields | overrides))


def test_a_reading_is_the_newest_windows_mean_ready_to_show() -> None:
    node = make_node()
    send_window(node, {INLET: 20.0, CPU: 0.1})
    send_window(node, {INLET: (38.4, 36.0, 39.5), CPU: 0.708}, minute=1)
    inlet, cpu = selectors.current_readings(nodes=[node])[node.pk]
    assert (inlet.metric, inlet.unit, inlet.device) == ("hw.temperature", "Cel", "inlet")
    assert (inlet.label, inlet.shown, inlet.end) == ("Temperature", "38.4 °C", minutes(2))
    assert (inlet.low, inlet.high) == (36.0, 39.5)
    assert inlet.value == pytest.approx(38.4)
    assert (cpu.label, cpu.shown) == ("CPU in use", "71 %")


@pytest.mark.parametrize(
    ("series", "value", "shown"),
    [
        (Series("hw.fan.speed", "rpm"), 2399.6, "2400 rpm"),
        (Series("hw.temperature", "Cel"), -0.04, "0.0 °C"),
        (Series("system.cpu.load_1m", "1"), 1.5, "1.50"),
        (Series("system.uptime", "s"), 7200.0, "2.0 h"),
        (Series("acme.pressure", "Pa"), 101.25, "101.2 Pa"),
    ],
)
def test_a_reading_is_shown_as_people_write_it(series: Series, value: float, shown: str) -> None:
    node = make_node()
    send_window(node, {series: value})
    assert [one.shown for one in selectors.current_readings(nodes=[node])[node.pk]] == [shown]


def test_a_series_without_a_sample_has_no_reading() -> None:
    node = make_node()
    send_window(node, {INLET: NOTHING, CPU: 0.5})
    readings = selectors.current_readings(nodes=[node])[node.pk]
    assert [reading.metric for reading in readings] == [CPU.metric]


def test_a_node_that_never_sent_anything_has_no_readings_and_no_series() -> None:
    node = make_node()
    assert selectors.current_readings(nodes=[node]) == {node.pk: []}
    assert selectors.series_of(node=node) == []


def test_series_are_those_the_node_announced_last() -> None:
    node = make_node()
    send_window(node, {INLET: 20.0, CPU: 0.1})
    send_window(node, {DISK: 0.4, CPU: 0.1}, minute=1)
    assert selectors.series_of(node=node) == [DISK, CPU]


def test_a_chart_shows_late_windows_too() -> None:
    node = make_node()
    send_window(node, {INLET: (21.0, 20.0, 22.0)}, minute=1)
    send_window(node, {INLET: 25.0}, minute=0, delay=3600, is_late=True)
    points = selectors.chart_points(
        node=node, metric="hw.temperature", device="inlet", since=NOON, until=minutes(10)
    )
    assert points.start.tolist() == [minutes(0).timestamp(), minutes(1).timestamp()]
    assert points.mean.tolist() == [25.0, 21.0]
    assert (points.min[1], points.max[1]) == (20.0, 22.0)


def test_open_findings_are_those_of_the_given_sites_most_urgent_first() -> None:
    here, elsewhere = make_site(), make_site()
    low = make_finding(site=here, severity=3, fingerprint="a")
    urgent = make_finding(site=here, severity=1, fingerprint="b")
    make_finding(site=here, cleared_at=NOON, fingerprint="c")
    make_finding(site=elsewhere)
    mine = selectors.open_findings(sites=Site.objects.filter(pk=here.pk))
    assert list(mine) == [urgent, low]


@pytest.mark.parametrize(
    ("age_seconds", "state"), [(None, "expected"), (0, "fresh"), (120, "fresh"), (121, "stale")]
)
def test_a_node_is_as_fresh_as_its_last_receipt(age_seconds: float | None, state: str) -> None:
    heard = None if age_seconds is None else NOON - timedelta(seconds=age_seconds)
    node = make_node(last_received_at=heard, window_seconds=60)
    assert selectors.node_states(nodes=[node], now=NOON) == {node.pk: state}


def test_a_silent_node_is_silent_and_its_neighbour_is_not() -> None:
    silent = make_node(last_received_at=NOON - timedelta(hours=1))
    fresh = make_node(site=silent.site, last_received_at=NOON)
    make_finding(site=silent.site, node=silent)
    make_finding(site=silent.site, node=fresh, cleared_at=NOON)
    states = selectors.node_states(nodes=[silent, fresh], now=NOON)
    assert states == {silent.pk: "silent", fresh.pk: "fresh"}


def test_nothing_is_known_of_the_nodes_of_a_dark_site() -> None:
    node = make_node(last_received_at=NOON - timedelta(hours=1))
    never = make_node(site=node.site)
    elsewhere = make_node(last_received_at=NOON)
    make_finding(site=node.site, kind="site.dark")
    states = selectors.node_states(nodes=[node, never, elsewhere], now=NOON)
    assert states == {node.pk: "unknown", never.pk: "expected", elsewhere.pk: "fresh"}


def test_nobody_listens_where_no_door_is_open() -> None:
    assert selectors.listening_since(now=NOON) is None
    open_door(started_at=minutes(-60), beat_at=NOON - timedelta(seconds=16))
    assert selectors.listening_since(now=NOON) is None


def test_one_door_listens_since_it_opened() -> None:
    open_door(started_at=minutes(-60), beat_at=NOON - timedelta(seconds=15))
    assert selectors.listening_since(now=NOON) == minutes(-60)


def test_a_door_that_opened_before_the_last_one_closed_keeps_the_line() -> None:
    open_door(started_at=minutes(-60), beat_at=minutes(-20))
    open_door(started_at=minutes(-21), beat_at=minutes(-5))
    open_door(started_at=minutes(-6), beat_at=NOON)
    assert selectors.listening_since(now=NOON) == minutes(-60)


def test_a_moment_without_a_door_breaks_the_line() -> None:
    open_door(started_at=minutes(-60), beat_at=minutes(-20))
    open_door(started_at=minutes(-19.9), beat_at=NOON)
    assert selectors.listening_since(now=NOON) == minutes(-19.9)


def test_we_were_away_until_the_door_opened_again_and_are_while_it_is_shut() -> None:
    assert selectors.unheard_until(now=NOON) is None
    open_door(started_at=minutes(-60), beat_at=minutes(-20))
    assert selectors.unheard_until(now=NOON) == NOON
    open_door(started_at=minutes(-3), beat_at=NOON)
    assert selectors.unheard_until(now=NOON) == minutes(-3)


def test_a_young_door_beside_an_old_one_shortens_nothing() -> None:
    open_door(started_at=minutes(-1), beat_at=NOON)
    open_door(started_at=minutes(-60), beat_at=NOON - timedelta(seconds=5))
    assert selectors.listening_since(now=NOON) == minutes(-60)


def test_pages_ask_as_much_for_ten_nodes_as_for_one() -> None:
    statements = Statements()
    site = make_site()
    nodes = [make_node(site=site) for _ in range(10)]
    for node in nodes:
        send_window(node, {INLET: 22.0})
    make_finding(site=site, node=nodes[0])
    for some in (nodes[:1], nodes):
        with statements.watched():
            selectors.current_readings(nodes=some)
            assert statements.count == 1
            selectors.node_states(nodes=some, now=NOON)
            assert statements.count == 2
            found = selectors.open_findings(sites=Site.objects.all())
            assert [(row.site.name, row.node) for row in found] == [(site.name, nodes[0])]
            assert statements.count == 3
