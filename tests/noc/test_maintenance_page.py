"""The maintenance page: plan work on the site's clocks, see when it is on, call it off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse

from fleet.models import MaintenanceWindow
from tests.factories import make_node, make_site, make_user
from tests.noc.detail_world import NOW, hot_alert, signed_in, stop_clock

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


def page_for(user: Any) -> str:
    answer = signed_in(user).get(reverse("noc:maintenance"))
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def plan(user: Any, site: Any, **said: str) -> Any:
    fields = {"site": site.slug, "hours": "2", "every": "once", "reason": "filter change"}
    return signed_in(user).post(reverse("noc:maintenance"), fields | said)


def test_an_empty_page_says_what_planning_is_good_for() -> None:
    page = page_for(make_user("operator"))
    assert "No work goes on" in page
    assert "Plan work before it starts, and nobody is woken by it." in page


def test_work_that_begins_now_holds_back_what_fires() -> None:
    alert = hot_alert()
    user = make_user("operator")
    assert plan(user, alert.site).status_code == 302
    alert.refresh_from_db()
    assert alert.is_suppressed
    page = page_for(user)
    assert "1 site has work going on" in page
    assert "filter change" in page


def test_times_are_those_of_the_site() -> None:
    site = make_site(time_zone="Asia/Tokyo")
    assert plan(make_user("operator"), site, starts="2030-01-02T09:00").status_code == 302
    window = MaintenanceWindow.objects.get()
    assert window.starts_at == datetime(2030, 1, 2, 0, 0, tzinfo=UTC)
    assert window.ends_at - window.starts_at == timedelta(hours=2)
    assert window.time_zone == "Asia/Tokyo"


def test_planned_work_says_its_days_on_the_sites_clocks() -> None:
    user = make_user("operator")
    plan(user, make_site(time_zone="Asia/Tokyo"), starts="2030-01-03T23:00")
    assert "Thu 3 Jan, 23:00 to Fri 4 Jan, 01:00 in Tokyo" in page_for(user)


def test_a_time_that_clocks_leave_out_is_refused() -> None:
    site = make_site(time_zone="Europe/Paris")
    answer = plan(make_user("operator"), site, starts="2030-03-31T02:30")
    assert answer.status_code == 422
    assert "does not exist in Europe/Paris: clocks go forward then." in answer.content.decode()


@pytest.mark.parametrize(
    "said",
    [
        {"hours": "x"},
        {"every": "fortnight"},
        {"last_day": "never"},
        {"matchers": "=="},
        {"reason": ""},
        {"starts": "2029-01-01T00:00"},
        {"starts": "0001-01-01T00:00+14:00"},
        {"starts": "9999-12-31T23:59"},
        {"every": "week", "last_day": "9999-12-31"},
        {"node": "node-that-was-renamed"},
    ],
)
def test_what_cannot_be_planned_is_refused_with_a_sentence(said: dict[str, str]) -> None:
    answer = plan(make_user("operator"), make_site(), **said)
    assert answer.status_code == 422
    assert 'class="fault"' in answer.content.decode()
    assert not MaintenanceWindow.objects.exists()


def test_recurring_work_says_how_often() -> None:
    user = make_user("operator")
    plan(user, make_site(), every="week", starts="2030-01-03T22:00", last_day="2030-06-30")
    page = page_for(user)
    assert "every week on this day, until 30 Jun 2030" in page


def test_work_on_one_node_leaves_the_others_alone() -> None:
    alert = hot_alert()
    other = make_node(site=alert.site, name="node-other")
    plan(make_user("operator"), alert.site, node=other.name)
    alert.refresh_from_db()
    assert not alert.is_suppressed


def test_calling_off_lets_go() -> None:
    alert = hot_alert()
    user = make_user("operator")
    plan(user, alert.site)
    window = MaintenanceWindow.objects.get()
    answer = signed_in(user).post(reverse("noc:maintenance-cancel", args=[window.pk]))
    assert answer.status_code == 302
    alert.refresh_from_db()
    assert not alert.is_suppressed
    assert "No work goes on" in page_for(user)


def test_work_at_a_site_that_is_not_mine_cannot_be_planned_or_called_off() -> None:
    site = make_site()
    plan(make_user("operator"), site)
    window = MaintenanceWindow.objects.get()
    viewer = make_user("viewer")
    assert plan(viewer, site).status_code == 403
    answer = signed_in(viewer).post(reverse("noc:maintenance-cancel", args=[window.pk]))
    assert answer.status_code == 403
    stranger = make_user("operator", site=make_site())
    assert plan(stranger, site).status_code == 404


def test_work_that_ends_soon_is_marked() -> None:
    user = make_user("operator")
    site = make_site()
    plan(user, site, hours="1")
    assert "then paging goes on" not in page_for(user)
    MaintenanceWindow.objects.update(ends_at=NOW + timedelta(minutes=12))
    assert page_for(user).count("then paging goes on") == 1
