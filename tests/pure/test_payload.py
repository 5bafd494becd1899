"""The body of a page, and what an answer to it means."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.paging.content import local_time
from runbooks.paging.outcome import RETRY_SECONDS, Answer, Fate, fate_of, retry_delay
from runbooks.paging.payload import LARGEST_BODY, render_body
from tests.page_facts import NOON, bundle_facts, contact_test_facts, page_facts

TOKYO = timezone(timedelta(hours=9))
HOUR = timedelta(hours=1)


def rendered(at: datetime = NOON, **overrides: Any) -> Any:
    return json.loads(render_body(page_facts(**overrides), at=at))


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


def test_the_link_of_a_page_is_where_it_is_acknowledged() -> None:
    data = rendered(ack_url="https://hearthwatch.example/p/abc/")["data"]
    assert data["acknowledge_url"] == "https://hearthwatch.example/p/abc/"
    assert data["alert"]["url"] == "https://hearthwatch.example/alerts/12/"


@pytest.mark.parametrize(
    ("purpose", "kind"),
    [
        ("page", "alert.page"),
        ("acknowledged", "alert.acknowledged"),
        ("resolved", "alert.resolved"),
    ],
)
def test_a_notice_can_be_told_from_a_page(purpose: str, kind: str) -> None:
    assert rendered(purpose=purpose)["type"] == kind


def test_a_test_page_says_that_it_is_one_and_names_no_alert() -> None:
    assert json.loads(render_body(contact_test_facts(), at=NOON)) == {
        "type": "contact.test",
        "timestamp": "2030-01-01T12:00:00Z",
        "data": {
            "page": {
                "id": "msg_0123456789abcdef",
                "reason": "step 1 of Europe",
                "step": 1,
                "attempt": 2,
            },
            "owner": {"name": "Ana Silva"},
            "summary": "Test page for Ana Silva.",
        },
    }


def test_a_bundle_names_every_page_in_it_the_one_that_carries_it_first() -> None:
    body = json.loads(render_body(bundle_facts(3), at=NOON))
    assert body["type"] == "alert.pages"
    data = body["data"]
    assert data["count"] == 3
    assert [page["alert"]["id"] for page in data["pages"]] == [12, 101, 102]
    assert [page["id"] for page in data["pages"]] == ["msg_0123456789abcdef", "msg_1", "msg_2"]
    assert data["more_alert_ids"] == []
    assert data["page"]["id"] == "msg_0123456789abcdef"


@given(count=st.integers(2, 100), summary=st.text(max_size=300), place=st.text(max_size=120))
def test_a_bundle_is_never_too_large_and_never_loses_an_alert(
    count: int, summary: str, place: str
) -> None:
    body = render_body(
        bundle_facts(count, summary=summary, site_name=place, runbook_title="é" * 120), at=NOON
    )
    assert len(body) <= LARGEST_BODY
    data = json.loads(body)["data"]
    named = [page["alert"]["id"] for page in data["pages"]] + data["more_alert_ids"]
    assert named == [12, *(100 + number for number in range(1, count))]
    assert len(data["pages"]) >= min(count, 5)


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
        page_facts(
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
            give_up_at=NOON + HOUR,
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
    answer = Answer(status=503, retry_after=header)
    delay = retry_delay(
        answer, attempts_made=attempt, now=NOON, give_up_at=NOON + HOUR, rng=random.Random(1)
    )
    base = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS)) - 1]
    assert 0.8 * base <= delay.total_seconds() <= 2 * base


@pytest.mark.parametrize(
    ("retry_after", "seconds_left", "least", "most"),
    [
        ("", 300, 60, 72),
        ("soon", 300, 60, 72),
        # A minute would be past the end of the step: better another attempt than none.
        ("", 60, 4, 6),
        # It says itself for how long.
        ("7", 300, 7, 7),
    ],
)
def test_a_receiver_with_too_many_requests_is_spared_a_minute(
    retry_after: str, seconds_left: int, least: float, most: float
) -> None:
    delays = [
        retry_delay(
            Answer(status=429, retry_after=retry_after),
            attempts_made=1,
            now=NOON,
            give_up_at=NOON + timedelta(seconds=seconds_left),
            rng=random.Random(seed),
        ).total_seconds()
        for seed in range(100)
    ]
    assert least <= min(delays) <= max(delays) <= most


def test_after_many_attempts_a_busy_receiver_is_spared_as_long_as_any_other() -> None:
    answer = Answer(status=429)
    delay = retry_delay(
        answer, attempts_made=9, now=NOON, give_up_at=NOON + HOUR, rng=random.Random(1)
    )
    assert 96 <= delay.total_seconds() <= 144
