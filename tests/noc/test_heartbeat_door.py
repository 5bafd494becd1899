"""The door of heartbeats, as the things that are watched meet it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client

from fleet.logs import EventFormatter
from runbooks.heartbeats.services import create_heartbeat
from runbooks.models import Heartbeat
from tests.factories import NOON, make_site
from tests.telemetry.connections import in_another_connection

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


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that any logger of ours or of Django says, as it would be written down."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(EventFormatter())
    talkers = [
        logging.getLogger(),
        logging.getLogger("django"),
        logging.getLogger("django.request"),
    ]
    levels = [talker.level for talker in talkers]
    for talker in talkers:
        talker.setLevel(logging.DEBUG)
    talkers[0].addHandler(handler)
    yield written
    talkers[0].removeHandler(handler)
    for talker, level in zip(talkers, levels, strict=True):
        talker.setLevel(level)


def end_the_connection() -> None:
    """Have PostgreSQL end our connection, as a restart of it does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()

    def terminate() -> None:
        with connection.cursor() as cursor:
            # Waits until it has ended.
            cursor.execute("SELECT pg_terminate_backend(%s, 20000)", [pid])

    in_another_connection(terminate)


@pytest.mark.django_db(transaction=True)
def test_a_database_that_fails_puts_no_key_into_any_log(key: str, log: io.StringIO) -> None:
    caller = Client(raise_request_exception=False)
    end_the_connection()
    answer = caller.post(f"/api/v1/heartbeat/{key}")
    connection.close()
    assert answer.status_code == 500
    assert "Internal Server Error: /api/v1/heartbeat/-" in log.getvalue()
    assert "OperationalError" in log.getvalue()
    assert key[12:] not in log.getvalue()


def test_what_is_refused_puts_no_key_into_any_log(
    caller: Client, key: str, log: io.StringIO
) -> None:
    caller.put(f"/api/v1/heartbeat/{key}")
    caller.get(f"/api/v1/heartbeat/{key}/more")
    caller.get(f"/api/v1/heartbeat/{key}", headers={"host": "evil.example"})
    said = log.getvalue()
    assert [code in said for code in ("Method Not Allowed", "Not Found", "DisallowedHost")] == [
        True,
        True,
        True,
    ]
    assert key[12:] not in said


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("/api/v1/heartbeat/hwb_abcdefgh" + "x" * 24, "/api/v1/heartbeat/hwb_abcdefgh•••"),
        (
            "GET /oncall/feeds/hwc_abcdefgh" + "z" * 32 + ".ics",
            "GET /oncall/feeds/hwc_abcdefgh•••.ics",
        ),
        ("token hw_abcdefgh" + "y-_" * 10 + ", bad", "token hw_abcdefgh•••, bad"),
        ("shown as hwb_abcdefgh", "shown as hwb_abcdefgh"),
        ("GET /p/" + "ab12." * 12 + "/ failed", "GET /p/•••/ failed"),
        ("/srv/p/some-long-name-of-a-file.txt", "/srv/p/some-long-name-of-a-file.txt"),
    ],
)
def test_a_log_line_shows_which_key_it_was_and_no_key(text: str, written: str) -> None:
    record = logging.makeLogRecord({"msg": "%s", "args": (text,), "levelname": "INFO"})
    assert EventFormatter().format(record).endswith(written)
