"""Calendars of others follow a schedule: by an address that is a key and may be revoked."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from icalendar import Calendar

from fleet.logs import EventFormatter
from fleet.models import AuditEntry
from runbooks.models import CalendarFeed, Schedule
from runbooks.oncall.errors import OnCallError
from runbooks.oncall.feeds import MOST_FEEDS, create_feed, feed_named, revoke_feed
from runbooks.oncall.services import add_override
from tests.factories import make_owner, make_user
from tests.noc.detail_world import NOW, signed_in, stop_clock
from tests.noc.paging_world import make_europe

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.fixture
def europe() -> Schedule:
    anne = make_owner(name="Anne Roux", user=make_user("viewer", email="anne@example.org"))
    return make_europe(anne, make_owner(name="Mei Tanaka"), now=NOW)


@pytest.fixture
def viewer() -> Any:
    return make_user("viewer")


def made_by(user: Any) -> str:
    """The page that shows an address which somebody just made."""
    answer = signed_in(user).post(reverse("noc:feed-create", args=["europe"]))
    assert answer.status_code == 200
    return str(answer.content.decode())


def address_in(page: str) -> str:
    found = re.search(r"https?://[^/]+(/oncall/feeds/[\w-]+\.ics)</code>", page)
    assert found is not None
    return found[1]


def turns_at(address: str) -> list[str]:
    answer = Client().get(address)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    events = Calendar.from_ical(answer.content).walk("VEVENT")
    return [str(event["SUMMARY"]) for event in events]


def test_an_address_is_shown_once_and_read_without_a_login(europe: Schedule, viewer: Any) -> None:
    page = made_by(viewer)
    address = address_in(page)
    assert {"Anne Roux", "Mei Tanaka"} <= set(turns_at(address))
    again = signed_in(viewer).get(reverse("noc:schedule", args=["europe"])).content.decode()
    assert address not in again
    assert CalendarFeed.objects.get().prefix in again
    assert "Last read" in again


def test_a_calendar_sees_what_changed_and_no_addresses(europe: Schedule, viewer: Any) -> None:
    address = address_in(made_by(viewer))
    zoe, tomorrow = make_owner(name="Zoe"), NOW + timedelta(days=1)
    end = tomorrow + timedelta(hours=2)
    span = {"starts_at": tomorrow, "ends_at": end, "reason": "Anne is ill."}
    add_override(schedule=europe, owner=zoe, by=None, now=NOW, **span)
    assert "Zoe" in turns_at(address)
    calendar = Client().get(address).content
    assert b"example.org" not in calendar
    assert b"ill" not in calendar


def test_read_twice_on_a_day_it_says_the_same(
    europe: Schedule, viewer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = address_in(made_by(viewer))
    first = Client().get(address).content
    stop_clock(monkeypatch, NOW + timedelta(hours=5))
    assert Client().get(address).content == first


def test_a_revoked_address_answers_nobody(europe: Schedule, viewer: Any) -> None:
    address = address_in(made_by(viewer))
    feed = CalendarFeed.objects.get()
    signed_in(viewer).post(reverse("noc:feed-revoke", args=["europe", feed.pk]))
    answer = Client().get(address)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_calendar")
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))[-2:] == [
        "calendar_feed.created",
        "calendar_feed.revoked",
    ]


def test_an_address_ends_with_its_makers_account_and_with_their_last_role(
    europe: Schedule, viewer: Any
) -> None:
    address = address_in(made_by(viewer))
    viewer.memberships.all().delete()
    assert Client().get(address).status_code == 404
    other = make_user("viewer")
    second = address_in(made_by(other))
    other.is_active = False
    other.save()
    assert Client().get(second).status_code == 404


def test_nobody_revokes_the_address_of_another(europe: Schedule, viewer: Any) -> None:
    address = address_in(made_by(make_user("admin")))
    feed = CalendarFeed.objects.get()
    url = reverse("noc:feed-revoke", args=["europe", feed.pk])
    assert signed_in(viewer).post(url).status_code == 404
    assert turns_at(address)


@pytest.mark.parametrize("token", ["x", "hwc_" + "A" * 40, "\N{FIRE}", "%00", "hwc_%FF"])
def test_what_is_no_address_is_answered_with_a_code(europe: Schedule, token: str) -> None:
    assert Client().get(f"/oncall/feeds/{token}.ics").status_code == 404


def test_one_address_too_many_is_refused_and_says_what_to_do(europe: Schedule, viewer: Any) -> None:
    for _ in range(MOST_FEEDS):
        create_feed(schedule=europe, by=viewer, now=NOW)
    with pytest.raises(OnCallError, match="revoke one that you no longer use") as refusal:
        create_feed(schedule=europe, by=viewer, now=NOW)
    assert refusal.value.code == "too_many_feeds"
    answer = signed_in(viewer).post(reverse("noc:feed-create", args=["europe"]))
    assert answer.status_code == 422
    assert "revoke one that you no longer use" in answer.content.decode()
    assert CalendarFeed.objects.count() == MOST_FEEDS


def test_when_it_was_read_is_kept_to_the_hour(europe: Schedule, viewer: Any) -> None:
    token = create_feed(schedule=europe, by=viewer, now=NOW).token
    for minutes, kept in ((0, 0), (30, 0), (60, 60), (119, 60)):
        feed_named(token=token, now=NOW + timedelta(minutes=minutes))
        found = CalendarFeed.objects.get()
        assert found.last_read_at == NOW + timedelta(minutes=kept)


def test_revoked_twice_the_first_time_stays(europe: Schedule, viewer: Any) -> None:
    feed = create_feed(schedule=europe, by=viewer, now=NOW).feed
    for minutes in (1, 2):
        revoke_feed(feed=feed, by=viewer, now=NOW + timedelta(minutes=minutes))
    feed.refresh_from_db()
    assert feed.revoked_at == NOW + timedelta(minutes=1)


def test_no_log_learns_the_address(europe: Schedule, viewer: Any) -> None:
    issued = create_feed(schedule=europe, by=viewer, now=NOW)
    path = f"/oncall/feeds/{issued.token}.ics"
    with what_is_logged() as written:
        assert Client().post(path).status_code == 405
    assert "/oncall/feeds/-.ics" in written.getvalue()
    assert issued.token not in written.getvalue()
    record = logging.makeLogRecord({"msg": f"GET {path} failed", "levelname": "INFO"})
    assert issued.token not in EventFormatter().format(record)
    assert issued.token not in repr(issued)


@contextmanager
def what_is_logged() -> Iterator[io.StringIO]:
    """Everything that Django says of requests, as it would be written down."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(EventFormatter())
    talker = logging.getLogger("django.request")
    before = talker.level
    talker.setLevel(logging.DEBUG)
    talker.addHandler(handler)
    yield written
    talker.removeHandler(handler)
    talker.setLevel(before)
