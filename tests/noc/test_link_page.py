"""The page behind the link in a page: without a login, one alert, one button."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from fleet.noc import link_views
from runbooks.alerts.services import acknowledge_alert, close_alert, release_alert
from runbooks.models import Alert, Page
from runbooks.paging.links import token_for
from tests.factories import make_site, make_user
from tests.noc.test_security import faults_of
from tests.runbooks.conftest import library
from tests.runbooks.world import make_alert, only_page, policy_of
from tests.runbooks.world import run as sweep_once

__all__ = ["library"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def page() -> Page:
    """A page that its owner got a minute ago, by the real clock."""
    began_at = now() - timedelta(minutes=1)
    alert = make_alert(site=make_site(policy=policy_of((["site_owner"], 300))), now=began_at)
    sweep_once(began_at)
    return only_page(alert)


def link_of(page: Page, *, at: datetime | None = None) -> str:
    return f"/p/{token_for(page, at=at or now())}/"


def text_of(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def response_of(page: Page) -> str:
    page.alert.refresh_from_db()
    return page.alert.response


def test_the_link_shows_the_alert_and_one_button_without_a_login(
    client: Client, page: Page
) -> None:
    answer = client.get(link_of(page))
    text = answer.content.decode()
    assert answer.status_code == 200
    assert page.alert.summary.rstrip(".") in text.replace("\u00a0", " ")
    assert page.alert.site.name in text
    assert "Nobody has it yet" in text
    assert text.count("<button") == text.count("<form") == 1


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_mere_visit_acknowledges_nothing(client: Client, page: Page, method: str) -> None:
    getattr(client, method)(link_of(page))
    assert response_of(page) == "unacknowledged"


def test_a_press_takes_the_alert_for_the_owner_and_says_so(page: Page) -> None:
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post(link_of(page), follow=True)
    assert answer.redirect_chain[0][1] == 303
    assert "You have it" in answer.content.decode()
    assert "<button" not in answer.content.decode()
    page.alert.refresh_from_db()
    assert page.alert.acknowledged_owner == page.owner
    assert page.alert.events.get(kind="acknowledged").channel == "link"


def test_a_second_press_sees_what_the_first_one_did(client: Client, page: Page) -> None:
    client.post(link_of(page))
    answer = client.post(link_of(page))
    assert answer.status_code == 200
    assert "You have it" in answer.content.decode()
    assert page.alert.events.filter(kind="acknowledged").count() == 1


def test_a_link_used_once_says_so_when_the_alert_waits_again(client: Client, page: Page) -> None:
    client.post(link_of(page))
    release_alert(alert=page.alert, by=make_user(), now=now())
    answer = client.post(link_of(page))
    assert answer.status_code == 409
    assert "This link was used" in answer.content.decode()
    assert "<button" not in answer.content.decode()
    assert response_of(page) == "unacknowledged"


def test_who_else_has_it_is_named(client: Client, page: Page) -> None:
    mei = make_user(first_name="Mei", last_name="Tanaka")
    acknowledge_alert(alert=page.alert, by=mei, now=now())
    assert "Mei Tanaka has it" in text_of(client, link_of(page))
    answer = client.post(link_of(page))
    assert answer.status_code == 409
    assert "Mei Tanaka has it" in answer.content.decode()


def test_a_closed_alert_says_how_it_ended(client: Client, page: Page) -> None:
    mei = make_user(first_name="Mei", last_name="Tanaka")
    close_alert(alert=page.alert, by=mei, reason="mended", now=now())
    answer = client.post(link_of(page))
    assert answer.status_code == 409
    assert "was closed by Mei Tanaka" in answer.content.decode()
    assert "stays closed" in answer.content.decode()


def test_what_is_over_is_acknowledged_and_closes(client: Client, page: Page) -> None:
    Alert.objects.update(condition=Alert.Condition.CLEARED, cleared_at=now())
    assert "Over for now" in text_of(client, link_of(page))
    client.post(link_of(page))
    assert response_of(page) == "closed"


def test_after_a_day_the_link_opens_nothing(client: Client, page: Page) -> None:
    old = link_of(page, at=now() - timedelta(hours=24))
    for answer in (client.get(old), client.post(old)):
        text = answer.content.decode()
        assert answer.status_code == 410
        assert "more than a day old" in text
        assert page.alert.site.name not in text
    assert response_of(page) == "unacknowledged"


@pytest.mark.parametrize("token", ["x", "garbage.garbage", "0" * 500, "é", "%00", "a:b"])
def test_garbage_is_told_that_it_is_no_link(client: Client, token: str) -> None:
    for answer in (client.get(f"/p/{token}/"), client.post(f"/p/{token}/")):
        assert answer.status_code == 404
        assert "This link cannot be read" in answer.content.decode()


def test_the_link_opens_nothing_else(client: Client, page: Page) -> None:
    client.post(link_of(page))
    assert client.get(f"/alerts/{page.alert_id}/").status_code == 302
    assert client.cookies == {}


def test_the_page_holds_no_script_no_style_and_no_other_host(client: Client, page: Page) -> None:
    pages = [text_of(client, link_of(page)), text_of(client, "/p/garbage/")]
    client.post(link_of(page))
    pages.append(text_of(client, link_of(page)))
    assert [faults_of(text) for text in pages] == [[], [], []]
    assert all("<script" not in text for text in pages)


def test_no_cache_no_search_engine_and_no_other_site_learns_the_link(
    client: Client, page: Page
) -> None:
    answer = client.get(link_of(page))
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["X-Robots-Tag"] == "noindex, nofollow"
    assert "default-src 'none'" in answer["Content-Security-Policy"]


def test_no_log_holds_the_link(
    client: Client, page: Page, caplog: pytest.LogCaptureFixture
) -> None:
    path = link_of(page)
    with caplog.at_level(logging.DEBUG, logger="django.request"):
        client.get(path)
        client.post(path)
        client.put(path)
        client.get(path[:-9] + "wrong/")
    assert path.split("/")[2][:20] not in caplog.text
    assert "/p/-/" in caplog.text


def test_what_machines_report_is_text_on_the_page(client: Client, page: Page) -> None:
    Alert.objects.update(summary="<script>alert(1)</script>")
    Page.objects.update(reason="<b>you</b>")
    text = text_of(client, link_of(page))
    assert "<script" not in text
    assert "<b>you" not in text


def test_every_refusal_has_its_words() -> None:
    assert set(link_views._TITLES) == set(link_views._STATUSES)
