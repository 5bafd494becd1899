"""The door of heartbeats, as the things that are watched meet it."""

from __future__ import annotations

import pytest
from django.test import Client

from runbooks.heartbeats.services import create_heartbeat
from runbooks.models import Heartbeat
from tests.factories import NOON, make_site

pytestmark = [pytest.mark.django_db, pytest.mark.urls("fleet.noc.urls_heartbeats")]


@pytest.fixture
def key() -> str:
    """The key of a heartbeat that was expected since NOON."""
    return create_heartbeat(
        site=make_site(),
        node=None,
        name="backup",
        period_seconds=300,
        grace_seconds=60,
        by=None,
        now=NOON,
    ).key


@pytest.fixture
def caller() -> Client:
    """A program that has no session and sends no CSRF token."""
    return Client(enforce_csrf_checks=True)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_heartbeat_is_noted(caller: Client, key: str, method: str, slash: str) -> None:
    answer = caller.generic(method, f"/api/v1/heartbeat/{key}{slash}")
    assert answer.status_code == 200
    heartbeat = Heartbeat.objects.get()
    assert heartbeat.last_seen_at is not None
    assert "no-store" in answer["Cache-Control"]


def test_the_answer_says_when_the_next_one_would_be_late(caller: Client, key: str) -> None:
    said = caller.post(f"/api/v1/heartbeat/{key}", b"anything", content_type="text/plain").json()
    late_at = Heartbeat.objects.get().late_at
    assert said == {"ok": True, "name": "backup", "late_at": late_at.isoformat()}


def test_a_key_that_opens_nothing_is_answered_with_a_code(caller: Client, key: str) -> None:
    answer = caller.get(f"/api/v1/heartbeat/{key}x")
    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown_heartbeat"
    assert Heartbeat.objects.get().last_seen_at is None


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS"])
def test_any_other_method_is_refused_and_notes_nothing(
    caller: Client, key: str, method: str
) -> None:
    answer = caller.generic(method, f"/api/v1/heartbeat/{key}")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, POST")
    assert answer.json()["code"] == "method_not_allowed"
    assert Heartbeat.objects.get().last_seen_at is None
