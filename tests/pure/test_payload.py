"""The body of a page, its signature, and what an answer to it means."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.paging.outcome import RETRY_SECONDS, Answer, Fate, fate_of, retry_delay
from runbooks.paging.payload import (
    LARGEST_BODY,
    PageFacts,
    SecretError,
    local_time,
    render_body,
    sign,
)

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
TOKYO = timezone(timedelta(hours=9))
#: The vector that every library of the standard is tested with.
VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"


def facts(**overrides: Any) -> PageFacts:
    fields: dict[str, Any] = {
        "base_url": "https://hearthwatch.example",
        "page_id": "msg_0123456789abcdef",
        "reason": "step 1 of Europe",
        "step": 1,
        "attempt": 2,
        "owner_name": "Ana Silva",
        "alert_id": 12,
        "severity": 1,
        "kind": "thermal.envelope",
        "summary": "Inlet 38.4 °C, limit 35 °C.",
        "condition": "firing",
        "began_at": NOON - timedelta(minutes=3),
        "opened_at": NOON,
        "evidence": {"value": 38.4},
        "site_slug": "osaka-1",
        "site_name": "Osaka-1",
        "site_time_zone": "Asia/Tokyo",
        "site_place": "1-2-3 Namba, Osaka",
        "site_owner_name": "Ken Mori",
        "node_name": "node-1",
        "node_role": "inference",
        "runbook_slug": "thermal-alarm",
        "runbook_title": "Thermal alarm",
        "runbook_version": 3,
        "runbook_hash": "ab" * 32,
        "first_steps": ["Look at {{ site.name }}", "Open the door", "Read", "Call"],
        "next_at": NOON + timedelta(minutes=5),
        "next_who": ["Ben Roth"],
    }
    return PageFacts(**(fields | overrides))


def rendered(at: datetime = NOON, **overrides: Any) -> Any:
    return json.loads(render_body(facts(**overrides), at=at))


def test_a_page_says_everything_that_the_document_promises() -> None:
    assert rendered() == {
        "type": "alert.page",
        "timestamp": "2030-01-01T12:00:00Z",
        "data": {
            "page": {
                "id": "msg_0123456789abcdef",
                "reason": "step 1 of Europe",
                "step": 1,
                "attempt": 2,
            },
            "alert": {
                "id": 12,
                "url": "https://hearthwatch.example/alerts/12/",
                "severity": 1,
                "severity_word": "urgent",
                "kind": "thermal.envelope",
                "summary": "Inlet 38.4 °C, limit 35 °C.",
                "condition": "firing",
                "began_at": "2030-01-01T11:57:00Z",
                "opened_at": "2030-01-01T12:00:00Z",
                "evidence": {"value": 38.4},
            },
            "site": {
                "slug": "osaka-1",
                "name": "Osaka-1",
                "time_zone": "Asia/Tokyo",
                "local_time": "2030-01-01T21:00:00+09:00",
                "place": "1-2-3 Namba, Osaka",
                "owner": "Ken Mori",
            },
            "node": {"name": "node-1", "role": "inference"},
            "owner": {"name": "Ana Silva"},
            "runbook": {
                "slug": "thermal-alarm",
                "title": "Thermal alarm",
                "version": 3,
                "content_hash": "ab" * 32,
                "url": "https://hearthwatch.example/runbooks/thermal-alarm/?version=3",
                "first_steps": ["Look at Osaka-1", "Open the door", "Read"],
            },
            "acknowledge_url": "https://hearthwatch.example/alerts/12/",
            "next": {"at": "2030-01-01T12:05:00Z", "who": ["Ben Roth"]},
        },
    }


def test_a_page_about_a_whole_site_names_no_node() -> None:
    assert rendered(node_name=None)["data"]["node"] is None


def test_when_nobody_comes_next_the_page_says_so() -> None:
    assert rendered(next_at=None, next_who=[])["data"]["next"] is None


def test_a_variable_that_a_page_does_not_know_becomes_a_dash() -> None:
    steps = rendered(first_steps=["Use {{ node.out_of_band }}"])["data"]["runbook"]["first_steps"]
    assert steps == ["Use —"]


def test_times_are_utc_whatever_zone_they_come_in() -> None:
    assert rendered(at=NOON.astimezone(TOKYO))["timestamp"] == "2030-01-01T12:00:00Z"


def test_evidence_that_makes_the_body_too_large_is_left_out_and_that_is_said() -> None:
    alert = rendered(evidence={"windows": ["x" * 100] * 300})["data"]["alert"]
    assert alert["evidence"] == {}
    assert alert["evidence_left_out"] is True


@given(
    evidence=st.dictionaries(st.text(), st.text() | st.floats(allow_nan=False) | st.integers()),
    name=st.text(max_size=120),
    people=st.lists(st.text(max_size=120), max_size=20),
    zone=st.text(max_size=64),
)
def test_a_body_is_json_of_at_most_20_kb(
    evidence: dict[str, Any], name: str, people: list[str], zone: str
) -> None:
    evidence = {key: value for key, value in evidence.items() if value not in (INFINITY, -INFINITY)}
    body = render_body(
        facts(
            evidence=evidence,
            site_name=_storable(name),
            next_who=[_storable(person) for person in people],
            site_time_zone=zone,
            summary="é" * 300,
            first_steps=["é" * 120] * 3,
            reason="é" * 200,
            site_place="é" * 200,
        ),
        at=NOON,
    )
    assert len(body) <= LARGEST_BODY
    assert json.loads(body)["type"] == "alert.page"


INFINITY = float("inf")


def _storable(text: str) -> str:
    """What PostgreSQL can hold: no NUL (surrogates, hypothesis does not make)."""
    return text.replace("\x00", "")


@pytest.mark.parametrize(
    "zone", ["", "Europe", "Mars/Olympus", "../etc/passwd", "\x00", "a" * 5000]
)
def test_a_zone_nobody_knows_does_not_keep_a_page_from_going_out(zone: str) -> None:
    assert local_time(NOON, zone) is None


def test_the_signature_is_that_of_the_standards_own_vector() -> None:
    headers = sign(
        b'{"test": 2432232314}',
        page_id=VECTOR_ID,
        secret=VECTOR_SECRET,
        at=datetime.fromtimestamp(1614265330, UTC),
    )
    assert headers == {
        "webhook-id": VECTOR_ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(
    body=st.text(),
    gap=st.timedeltas(-timedelta(days=3650), timedelta(days=3650)),
    zone=st.sampled_from([UTC, TOKYO]),
    key=st.binary(min_size=24, max_size=64),
)
def test_what_is_signed_is_the_very_integer_in_the_header(
    body: str, gap: timedelta, zone: tzinfo, key: bytes
) -> None:
    at = (NOON + gap).astimezone(zone)
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = sign(body.encode(), page_id="msg_1", secret=secret, at=at)
    signed = f"msg_1.{headers['webhook-timestamp']}.{body}".encode()
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"
    assert headers["webhook-timestamp"] == str(int(at.timestamp()))


@pytest.mark.parametrize("secret", ["whsec_", "whsec_é", "whsec_A", ""])
def test_a_secret_that_cannot_sign_is_refused_with_a_sentence(secret: str) -> None:
    with pytest.raises(SecretError, match="signing secret cannot be used"):
        sign(b"{}", page_id="msg_1", secret=secret, at=NOON)


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        (200, Fate.SENT),
        (202, Fate.SENT),
        (299, Fate.SENT),
        (300, Fate.DEAD),
        (302, Fate.DEAD),
        (400, Fate.DEAD),
        (401, Fate.DEAD),
        (404, Fate.DEAD),
        (408, Fate.RETRY),
        (410, Fate.GONE),
        (422, Fate.DEAD),
        (425, Fate.RETRY),
        (429, Fate.RETRY),
        (500, Fate.RETRY),
        (503, Fate.RETRY),
        (599, Fate.RETRY),
    ],
)
def test_only_2xx_is_success_and_only_some_failures_are_tried_again(
    status: int, fate: Fate
) -> None:
    assert fate_of(Answer(status=status)) is fate


def test_no_answer_is_tried_again_unless_it_can_never_be_better() -> None:
    assert fate_of(Answer(status=None)) is Fate.RETRY
    assert fate_of(Answer(status=None, is_permanent=True)) is Fate.DEAD


@pytest.fixture
def delay_after() -> Callable[..., float]:
    def seconds(attempts_made: int, retry_after: str = "", seed: int = 0) -> float:
        return retry_delay(
            Answer(status=503, retry_after=retry_after),
            attempts_made=attempts_made,
            now=NOON,
            rng=random.Random(seed),
        ).total_seconds()

    return seconds


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 5), (2, 15), (3, 30), (4, 60), (5, 120), (6, 120), (99, 120)]
)
def test_retries_wait_longer_each_time_with_a_fifth_of_jitter(
    attempt: int, seconds: int, delay_after: Callable[..., float]
) -> None:
    delays = [delay_after(attempt, seed=seed) for seed in range(200)]
    assert min(delays) >= 0.8 * seconds
    assert max(delays) <= 1.2 * seconds
    assert max(delays) - min(delays) > 0.3 * seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0", 5),
        ("3600", 10),
        ("99999999999999999999", 10),
        ("Tue, 01 Jan 2030 12:00:08 GMT", 8),
        ("Tue, 01 Jan 2030 11:00:00 GMT", 5),
        ("Tue, 01 Jan 2040 11:00:00 GMT", 10),
    ],
)
def test_retry_after_counts_between_the_scheduled_delay_and_twice_it(
    header: str, seconds: float, delay_after: Callable[..., float]
) -> None:
    assert delay_after(1, header) == seconds


@given(header=st.text(max_size=40), attempt=st.integers(1, 20))
def test_no_retry_after_can_silence_a_page_or_break_the_pager(header: str, attempt: int) -> None:
    answer = Answer(status=429, retry_after=header)
    delay = retry_delay(answer, attempts_made=attempt, now=NOON, rng=random.Random(1))
    base = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS)) - 1]
    assert 0.8 * base <= delay.total_seconds() <= 2 * base
