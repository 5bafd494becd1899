"""The detail pages in a real browser: the chart is drawn, one key acknowledges, nothing is lost."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from fleet.models import Node
from runbooks.alerts.services import acknowledge_alert, comment_on_alert
from runbooks.library.services import publish_builtin_library
from runbooks.models import Alert
from runbooks.models import Page as Notice
from tests.browser.conftest import OpenPage
from tests.browser.screens import against, elsewhere, settle, without_news
from tests.factories import NOON, make_node, make_user
from tests.noc.detail_world import EVIDENCE
from tests.runbooks.world import make_alert
from tests.runbooks.world import run as sweep_once
from tests.telemetry.windows import CPU, INLET, send_window

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

minute = timedelta(minutes=1)
KEPT = "window.kept = true"
AT_THE_END = """() => {
  const list = document.querySelector(".timeline");
  return list.scrollHeight - list.clientHeight - list.scrollTop < 2;
}"""


def hot_node(**overrides: Any) -> Node:
    """Make a node whose inlet rose during the last twenty minutes of the real clock."""
    node = make_node(**overrides)
    begun = (datetime.now(UTC) - NOON) / minute - 20
    for step in range(20):
        send_window(node, {INLET: 24 + 0.76 * step, CPU: 0.4}, minute=begun + step)
    return node


def hot_alert(**overrides: Any) -> Alert:
    """Make an alert that opened ten minutes ago; the owner's page waits to be sent."""
    node = hot_node()
    publish_builtin_library(now=NOON)
    began_at = datetime.now(UTC) - 10 * minute
    fields: dict[str, Any] = {
        "site": node.site,
        "node": node,
        "now": began_at,
        "summary": "Inlet air 38.4 °C, limit 35.0 °C",
        "evidence": EVIDENCE,
    }
    return make_alert(**(fields | overrides))


def acknowledge(alert: Alert, by: Any) -> None:
    elsewhere(lambda: acknowledge_alert(alert=alert, by=by, now=datetime.now(UTC)))


def comment_on(alert: Alert, by: Any, text: str) -> None:
    elsewhere(lambda: comment_on_alert(alert=alert, by=by, text=text, now=datetime.now(UTC)))


def operator(first_name: str = "Mei", last_name: str = "Tanaka") -> Any:
    return make_user("operator", first_name=first_name, last_name=last_name)


def address(alert: Alert) -> str:
    return reverse("noc:alert", args=[alert.pk])


def test_the_chart_that_proves_the_alert_is_drawn(open_page: OpenPage) -> None:
    page = open_page(operator(), address(hot_alert()))
    expect(page.locator("#proof-chart .scatterlayer path.js-line").first).to_be_visible()
    expect(page.locator("#proof-chart .annotation-text").first).to_contain_text("limit 35.0 °C")
    expect(page.locator(".modebar-btn")).to_have_count(0)


def test_one_key_acknowledges_without_a_reload_and_calls_the_page_off(open_page: OpenPage) -> None:
    alert = hot_alert()
    sweep_once(datetime.now(UTC) - 9 * minute)
    Notice.objects.update(state=Notice.State.PENDING, sent_at=None)
    page = open_page(operator(), address(alert))
    expect(page.locator("#proof-chart .js-line").first).to_be_visible()
    page.evaluate(KEPT)
    page.keyboard.press("a")
    expect(page.locator(".standing")).to_contain_text("Mei Tanaka (you) has it")
    expect(page.get_by_role("button", name="Release")).to_be_visible()
    assert page.evaluate("window.kept") is True
    assert list(Notice.objects.values_list("state", flat=True)) == [Notice.State.CANCELLED]
    expect(page.locator(".ladder").first).to_contain_text("Cancelled: no longer needed.")
    expect(page.locator("#proof-chart .js-line").first).to_be_visible()


def test_a_press_keeps_the_reader_where_the_answer_is(open_page: OpenPage) -> None:
    page = open_page(operator(), address(hot_alert()))
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".standing")).to_be_focused()


def test_the_second_operator_reads_who_was_first_beside_the_button(open_page: OpenPage) -> None:
    alert = hot_alert()
    # The other's acknowledgement must not reach this screen before the press does: it gets no news.
    page = open_page(operator(), address(alert), before=without_news)
    acknowledge(alert, by=operator("Anne", "Roux"))
    page.keyboard.press("a")
    expect(page.locator(".acts .fault")).to_contain_text("already taken: Anne Roux")
    expect(page.locator(".standing")).to_contain_text("Anne Roux has it")
    expect(page.locator("#said")).to_be_empty()


def test_what_others_do_appears_by_itself_and_nothing_typed_is_lost(open_page: OpenPage) -> None:
    alert = hot_alert()
    page = open_page(operator(), address(alert))
    page.locator("#proof-chart summary").click()
    page.locator("#closing summary").click()
    page.get_by_label("Why it is over").fill("filter bl")
    expect(page.locator("html")).to_have_attribute("data-live", "on")
    acknowledge(alert, by=operator("Anne", "Roux"))
    expect(page.locator(".standing")).to_contain_text("Anne Roux has it")
    expect(page.get_by_label("Why it is over")).to_have_value("filter bl")
    expect(page.get_by_label("Why it is over")).to_be_focused()
    expect(page.locator("#proof-chart table")).to_be_visible()


def test_escape_closes_a_sheet_and_another_takes_its_place(open_page: OpenPage) -> None:
    page = open_page(operator(), address(hot_alert()))
    page.locator("#more summary").click()
    page.locator("#closing summary").click()
    expect(page.locator("#more")).not_to_have_attribute("open", "")
    page.get_by_label("Why it is over").fill("filter bl")
    page.keyboard.press("Escape")
    expect(page.locator("#closing")).not_to_have_attribute("open", "")
    expect(page.locator("#closing summary")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("c")
    expect(page.get_by_label("Why it is over")).to_have_value("filter bl")
    expect(page.get_by_label("Why it is over")).to_be_focused()


def test_a_sheet_closes_once_its_act_is_taken(open_page: OpenPage) -> None:
    page = open_page(operator(), address(hot_alert()))
    page.keyboard.press("m")
    expect(page.locator("#more summary")).to_be_focused()
    page.get_by_label("Why", exact=True).fill("part ordered")
    page.get_by_role("button", name="Shelve").click()
    expect(page.locator(".standing")).to_contain_text("Held back")
    expect(page.locator("#more")).not_to_have_attribute("open", "")
    expect(page.locator(".standing")).to_be_focused()


def test_a_refused_act_says_why_in_sight_and_news_do_not_wipe_it_away(open_page: OpenPage) -> None:
    alert = hot_alert()
    user = operator()
    over = {"condition": Alert.Condition.CLEARED, "cleared_at": datetime.now(UTC)}
    Alert.objects.filter(pk=alert.pk).update(**over)
    page = settle(open_page(user, address(alert)))
    page.keyboard.press("m")
    page.get_by_role("button", name="Escalate now").click()
    expect(page.locator(".acts > .fault")).to_contain_text("nobody is paged")
    expect(page.locator("#more")).not_to_have_attribute("open", "")
    comment_on(alert, by=user, text="News")
    expect(page.locator(".timeline li").last).to_contain_text("News")
    expect(page.locator(".acts > .fault")).to_contain_text("nobody is paged")


def test_the_newest_of_a_long_timeline_is_in_sight(open_page: OpenPage) -> None:
    alert = hot_alert()
    user = operator()
    for number in range(30):
        comment_on(alert, by=user, text=f"Note {number}")
    page = settle(open_page(user, address(alert)))
    expect(page.locator(".timeline li").last).to_contain_text("Note 29")
    assert page.evaluate(AT_THE_END)
    comment_on(alert, by=user, text="The last one")
    expect(page.locator(".timeline li").last).to_contain_text("The last one")
    assert page.evaluate(AT_THE_END)


def test_the_chart_takes_the_colours_of_the_theme(open_page: OpenPage) -> None:
    page = open_page(operator(), address(hot_alert()))
    line = page.locator("#proof-chart .js-line").last
    expect(line).to_have_css("stroke", "rgb(47, 58, 69)")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    expect(line).to_have_css("stroke", "rgb(213, 218, 222)")


def test_a_page_without_its_chart_is_still_whole(open_page: OpenPage) -> None:
    user = operator()
    page = open_page(user, reverse("noc:runbooks"))
    page.route("**/plotly-*.js", lambda route: route.abort())
    page.goto(address(hot_alert()))
    expect(page.locator("#proof-chart .plot")).to_have_attribute("data-failed", "")
    expect(page.locator("#proof-chart figcaption")).to_contain_text("38.4 °C")


def test_a_chart_out_of_sight_is_not_drawn(open_page: OpenPage) -> None:
    page = open_page(operator(), address(hot_alert()), width=390, height=400)
    expect(page.locator("#proof-chart-plot")).to_be_attached()
    assert page.evaluate("typeof window.Plotly") == "undefined"
    page.locator("#proof-chart").scroll_into_view_if_needed()
    expect(page.locator("#proof-chart .js-line").last).to_be_visible()


def test_another_time_window_is_another_address_without_a_reload(open_page: OpenPage) -> None:
    node = hot_node()
    page = open_page(operator(), reverse("noc:node", args=[node.pk]))
    page.evaluate(KEPT)
    page.get_by_role("link", name="1 h", exact=True).click()
    expect(page.get_by_text("of the last 1 h.")).to_be_visible()
    expect(page).to_have_url(re.compile("window=1h$"))
    expect(page.locator("#chart-inlet .js-line").last).to_be_visible()
    assert page.evaluate("window.kept") is True


def test_choosing_a_time_window_gives_up_what_was_asked_of_the_one_before(
    open_page: OpenPage,
) -> None:
    node = hot_node()
    page = settle(open_page(operator(), reverse("noc:node", args=[node.pk])))
    page.wait_for_load_state("networkidle")
    before = re.compile(r"/nodes/\d+/\?window=(?!1h$)")
    # Never answered: what comes late would put the window before back.
    page.route(before, lambda route: None)
    with page.expect_request(before):
        page.evaluate("document.body.dispatchEvent(new CustomEvent('live-resumed'))")
    with page.expect_event("requestfailed", lambda one: bool(before.search(one.url)), timeout=5000):
        page.get_by_role("link", name="1 h", exact=True).click()
    expect(page.get_by_text("of the last 1 h.")).to_be_visible()


def test_the_queue_is_worked_by_keys_alone(open_page: OpenPage) -> None:
    alert = hot_alert()
    page = open_page(operator(), reverse("noc:alerts"))
    page.evaluate(KEPT)
    page.keyboard.press("j")
    expect(page.locator(f"#alert-{alert.pk} .what a").first).to_be_focused()
    page.keyboard.press("a")
    expect(page.locator(f"#alert-{alert.pk} .who")).to_contain_text("you")
    assert page.evaluate("window.kept") is True
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"{address(alert)}$"))


def test_the_list_keeps_still_while_somebody_is_in_it(open_page: OpenPage) -> None:
    first = hot_alert()
    page = open_page(operator(), reverse("noc:alerts"))
    expect(page.locator("html")).to_have_attribute("data-live", "on")
    page.keyboard.press("j")
    again = {"site": first.site, "node": first.node, "summary": "Inlet air 41.0 °C"}
    elsewhere(lambda: hot_alert(**again))
    expect(page.locator(".heldnote")).to_be_visible()
    second = Alert.objects.exclude(pk=first.pk).get()
    expect(page.locator(f"#alert-{second.pk}")).to_have_count(0)
    page.keyboard.press(".")
    expect(page.locator(f"#alert-{second.pk}")).to_be_visible()
    expect(page.locator(f"#alert-{first.pk}")).to_be_visible()
    expect(page.locator(".heldnote")).to_be_hidden()


def test_enter_in_the_reason_closes_and_never_acknowledges(open_page: OpenPage) -> None:
    alert = hot_alert()
    page = open_page(operator(), reverse("noc:alerts"))
    page.get_by_label(f"Select A-{alert.pk}").check()
    page.get_by_text("Close chosen").click()
    page.get_by_label("Why they are over").fill("filter changed")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 alert closed.")).to_be_visible()
    expect(page.locator("#bulk-close[open]")).to_have_count(0)
    alert.refresh_from_db()
    assert alert.acknowledged_at is None
    assert (alert.response, alert.close_reason) == (Alert.Response.CLOSED, "filter changed")


@pytest.mark.parametrize("width", [390, 1024, 1920])
def test_no_page_is_wider_than_its_screen(open_page: OpenPage, width: int) -> None:
    alert = hot_alert()
    page = open_page(operator(), address(alert), width=width)
    for path in _pages(alert):
        page.goto(path)
        assert page.evaluate("main.scrollWidth - main.clientWidth") <= 0


@pytest.mark.parametrize("dark", [False, True])
def test_no_page_shuts_anybody_out(open_page: OpenPage, dark: bool) -> None:
    alert = hot_alert()
    user = operator()
    page = open_page(user, address(alert), dark=dark)
    for path in _pages(alert):
        page.goto(path)
        assert against(page, {}) == []


def test_on_a_phone_the_runbook_comes_first(open_page: OpenPage) -> None:
    page = open_page(operator(), address(hot_alert()), width=390, height=844)
    book = page.locator("#pinned-runbook").bounding_box()
    chart = page.locator("#proof-chart").bounding_box()
    assert book is not None
    assert chart is not None
    assert book["y"] < chart["y"]


def _pages(alert: Alert) -> list[str]:
    return [
        address(alert),
        reverse("noc:alerts"),
        reverse("noc:site", args=[alert.site.slug]),
        reverse("noc:node", args=[alert.node_id]),
        reverse("noc:runbooks"),
        reverse("noc:runbook", args=["thermal-alarm"]),
    ]
