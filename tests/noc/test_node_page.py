"""The node page: what is this machine doing, and since when can we say so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from fleet.models import Node
from fleet.noc.node_board import MOST_CHARTS, NodeBoard, node_board
from telemetry.models import AgentSource, Gap
from telemetry.protocol import Series
from tests.factories import NOON, make_node, make_site, make_user
from tests.noc.detail_world import HTMX, NOW, figure_in, hot_alert, hot_node, signed_in, stop_clock
from tests.telemetry.windows import CPU, DISK, INLET, report_boot, send_window

pytestmark = pytest.mark.django_db

EVERYTHING = {
    INLET: 24.0,
    Series("hw.temperature", "Cel", "cpu"): 60.0,
    CPU: 0.4,
    Series("system.memory.utilization", "1"): 0.6,
    Series("hw.gpu.utilization", "1", "gpu0"): 0.7,
    DISK: 0.5,
    Series("mdc.psi.cpu.some", "1"): 0.02,
    Series("system.network.receive", "By/s", "eth0"): 2e6,
    Series("acme.flux", "T"): 1.21,
}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


def page_of(node: Node, query: str = "", user: Any = None, **headers: str) -> str:
    client = signed_in(user or make_user("operator"))
    answer = client.get(reverse("noc:node", args=[node.pk]) + query, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def board_of(node: Node, window: str = "1h") -> NodeBoard:
    return node_board(user=make_user("operator"), node=node, window=window, now=NOW)


def test_the_identity_says_what_is_assumed_and_what_is_not_known() -> None:
    node = make_node(hardware_class="SE450", out_of_band="10.3.0.12")
    report_boot(node, "b-1", minute=0, uptime=3600)
    AgentSource.objects.create(
        site=node.site,
        agent=node.name,
        epoch="e",
        agent_version="0.1.0",
        first_hello_at=NOON,
        last_hello_at=NOON,
    )
    page = page_of(node)
    assert "A2, assumed" in page
    assert "SE450" in page
    assert "10.3.0.12" in page
    assert "1 h 20 min" in page
    assert "0.1.0" in page
    assert (
        page_of(make_node(ashrae_class="A3", is_ashrae_class_assumed=False)).count("assumed") == 0
    )


def test_a_node_shows_at_most_six_charts_the_important_ones() -> None:
    node = make_node()
    send_window(node, EVERYTHING, minute=19)
    charts = board_of(node).charts
    assert len(charts) == MOST_CHARTS
    assert [chart.title for chart in charts] == [
        "Inlet air",
        "Temperatures inside",
        "CPU in use",
        "Memory in use",
        "GPU in use",
        "Disk in use",
    ]


def test_a_node_shows_only_what_it_reports() -> None:
    node = make_node()
    send_window(node, {CPU: 0.4}, minute=19)
    assert [chart.title for chart in board_of(node).charts] == ["CPU in use"]


def test_every_reading_is_listed_also_one_nobody_knows() -> None:
    node = make_node()
    send_window(node, EVERYTHING, minute=19)
    page = page_of(node)
    assert "acme.flux" in page
    assert "1.2 T" in page


def test_the_inlet_is_drawn_with_the_limit_of_its_class() -> None:
    figure = figure_in(page_of(hot_node(), "?window=1h"), "chart-inlet-data")
    [note] = figure["layout"]["annotations"]
    assert note["text"] == "limit 35.0 °C, class A2, assumed"


def test_of_more_devices_than_strokes_the_highest_are_drawn() -> None:
    node = make_node()
    disks = {Series("system.filesystem.utilization", "1", f"/d{n}"): n / 10 for n in range(7)}
    send_window(node, disks, minute=19)
    [chart] = board_of(node).charts
    assert [one.label for one in chart.readouts] == ["/d3", "/d4", "/d5", "/d6"]


@pytest.mark.parametrize(
    ("query", "since"),
    [("?window=1h", "20:20"), ("?window=24h", "21:"), ("?window=9y", "15:21"), ("", "15:21")],
)
def test_the_window_is_chosen_in_the_address(query: str, since: str) -> None:
    page = page_of(hot_node(), query)
    assert f'<th scope="row">{since}' in page


def test_coverage_is_told_in_words() -> None:
    page = page_of(hot_node(), "?window=1h")
    assert "Heard for 33 % of the last 1 h." in page


def test_windows_that_will_never_come_are_told() -> None:
    node = hot_node()
    Gap.objects.create(
        node=node,
        start=NOON - timedelta(minutes=30),
        end=NOON - timedelta(minutes=10),
        windows=20,
        cause="agent_down",
        reported_at=NOON,
    )
    assert "20 windows: agent down" in page_of(node)


def test_a_node_that_never_reported_says_so() -> None:
    page = page_of(make_node())
    assert "waits for its first reading" in page
    assert "No reading yet." in page


def test_an_open_alert_is_the_first_sentence() -> None:
    alert = hot_alert()
    assert alert.node is not None
    page = page_of(alert.node)
    heading = page[page.index("<h1") : page.index("</h1>")]
    assert alert.summary in heading


def test_a_node_of_a_hidden_site_does_not_exist() -> None:
    stranger = signed_in(make_user("operator", site=make_site()))
    assert stranger.get(reverse("noc:node", args=[make_node().pk])).status_code == 404


def test_the_changing_part_alone_is_fetched_where_the_page_asks() -> None:
    page = page_of(hot_node(), "?window=1h", **HTMX)
    assert page.startswith('<div id="node"')
    assert "?window=1h" in page


def test_an_alert_of_the_site_that_names_the_node_is_its_alert_too() -> None:
    node, other = make_node(name="named"), make_node(name="other")
    hot_alert(node, node=None, evidence={"nodes": ["named", "third"]})
    assert len(board_of(node).alerts) == 1
    assert board_of(other).alerts == []
