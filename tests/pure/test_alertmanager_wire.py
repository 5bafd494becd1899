"""Alertmanager's words, read and written; held against what Alertmanager 0.25 itself said."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.alertmanager.documents import (
    ShownAlert,
    ShownSilence,
    alert_documents,
    group_documents,
    silence_document,
    status_document,
)
from runbooks.alertmanager.wire import (
    WireError,
    fingerprint,
    read_alerts,
    read_silence,
    read_time,
    read_webhook,
    write_time,
)
from tests.captures import captured_text

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ALERT_LIKE = st.fixed_dictionaries(
    {},
    optional={
        "labels": st.dictionaries(st.sampled_from(["a", "site", "b-c", ""]), JSON) | JSON,
        "annotations": st.dictionaries(st.sampled_from(["summary", "x"]), JSON) | JSON,
        "startsAt": st.sampled_from(["2026-01-01T00:00:00Z", "0001-01-01T00:00:00+05:00"]) | JSON,
        "endsAt": st.sampled_from(["9999-12-31T23:59:59-12:00", "x"]) | JSON,
        "generatorURL": JSON,
        "status": JSON,
    },
)


def captured(name: str) -> Any:
    return json.loads(captured_text(name))


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def shown(document: dict[str, Any]) -> ShownAlert:
    """Return the alert that a captured document shows."""
    return ShownAlert(
        fingerprint=document["fingerprint"],
        labels=document["labels"],
        annotations=document["annotations"],
        receiver=document["receivers"][0]["name"],
        starts_at=datetime.fromisoformat(document["startsAt"]),
        updated_at=datetime.fromisoformat(document["updatedAt"]),
        ends_at=datetime.fromisoformat(document["endsAt"]),
        silenced_by=tuple(document["status"]["silencedBy"]),
        inhibited_by=tuple(document["status"]["inhibitedBy"]),
    )


def without_what_is_newer(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as 0.25 wrote it: it did not know `mutedBy` yet."""
    status = {name: value for name, value in document["status"].items() if name != "mutedBy"}
    return document | {"status": status}


def test_fingerprints_are_alertmanagers_own() -> None:
    alerts = captured("am025_api_v2_alerts.json")
    assert [fingerprint(alert["labels"]) for alert in alerts] == [
        alert["fingerprint"] for alert in alerts
    ]


def test_alerts_are_listed_as_alertmanager_lists_them() -> None:
    expected = captured("am025_api_v2_alerts.json")
    listed = alert_documents(reversed([shown(alert) for alert in expected]), now=NOON)
    assert [without_what_is_newer(alert) for alert in listed] == expected


def test_groups_are_listed_as_alertmanager_lists_them() -> None:
    expected = captured("am025_api_v2_alerts_groups.json")
    members = [shown(alert) for group in expected for alert in group["alerts"]]
    listed = group_documents(reversed(members), now=NOON)
    plain = [
        group | {"alerts": [without_what_is_newer(alert) for alert in group["alerts"]]}
        for group in listed
    ]
    assert plain == expected


def test_an_alert_held_back_by_maintenance_is_suppressed_and_says_by_what() -> None:
    alert = ShownAlert("f", {"a": "b"}, {}, "p", NOON, NOON, muted_by=("maintenance 7",))
    (document,) = alert_documents([alert], now=NOON)
    assert document["status"]["state"] == "suppressed"
    assert document["status"]["mutedBy"] == ["maintenance 7"]


def test_an_alert_that_names_no_end_ends_a_little_later_than_now() -> None:
    (document,) = alert_documents([ShownAlert("f", {"a": "b"}, {}, "p", NOON, NOON)], now=NOON)
    assert document["endsAt"] == "2030-01-01T12:05:00.000Z"


def test_a_silence_is_listed_as_alertmanager_lists_it() -> None:
    (expected,) = captured("am025_api_v2_silences.json")
    silence = ShownSilence(
        id=expected["id"],
        matchers=[
            {"name": "alertname", "value": "FanFail", "is_regex": False, "is_equal": True},
            {"name": "site", "value": "s03", "is_regex": False, "is_equal": True},
        ],
        starts_at=datetime.fromisoformat(expected["startsAt"]),
        ends_at=datetime.fromisoformat(expected["endsAt"]),
        updated_at=datetime.fromisoformat(expected["updatedAt"]),
        created_by="remote-hands",
        comment="planned fan swap",
    )
    assert silence_document(silence) == expected


def test_the_status_has_what_alertmanagers_has() -> None:
    expected = captured("am025_api_v2_status.json")
    said = status_document(receivers=["Night's watch"], started_at=NOON)
    assert said.keys() == expected.keys()
    assert said["versionInfo"].keys() == expected["versionInfo"].keys()
    assert expected["cluster"].items() <= said["cluster"].items()
    assert "- name: 'Night''s watch'" in said["config"]["original"]


def test_each_member_of_a_mixed_webhook_counts_by_its_own_status() -> None:
    lines = captured_text("am025_webhook_deliveries.jsonl").splitlines()
    mixed = json.loads(lines[2])["body"]
    assert mixed["status"] == "firing"
    alerts = read_webhook(body(mixed)).alerts
    assert [(alert.labels["node"], alert.is_over(NOON)) for alert in alerts] == [
        ("n1", True),
        ("n2", False),
    ]


def test_the_year_one_is_no_end() -> None:
    lines = captured_text("am025_webhook_deliveries.jsonl").splitlines()
    (first, _) = read_webhook(body(json.loads(lines[0])["body"])).alerts
    assert first.ends_at is None
    assert first.starts_at == datetime(2026, 11, 23, 9, 1, 36, 693157, UTC)


def test_alerts_that_a_webhook_left_out_are_counted() -> None:
    assert read_webhook(body({"alerts": [], "truncatedAlerts": 7})).left_out == 7


@pytest.mark.parametrize(
    ("alert", "code", "message"),
    [
        ({"labels": {}}, "no_labels", "at least one label pair required"),
        ({"labels": {"a": ""}}, "no_labels", "at least one label pair required"),
        ({}, "no_labels", "at least one label pair required"),
        ({"labels": {"a-b": "x"}}, "bad_label_name", 'invalid label set: invalid name "a-b"'),
        ({"labels": {"a": 1}}, "not_a_string", "labels.a in body must be of type string"),
        ({"labels": []}, "no_labels", "at least one label pair required"),
        ({"labels": [1]}, "not_an_object", "labels in body must be of type object"),
        (
            {"labels": {"a": "b"}, "startsAt": "x"},
            "not_a_time",
            'startsAt in body must be of type date-time: "x"',
        ),
        (
            {
                "labels": {"a": "b"},
                "startsAt": "2026-01-02T00:00:00Z",
                "endsAt": "2026-01-01T00:00:00Z",
            },
            "ends_before_start",
            "start time must be before end time",
        ),
        (7, "not_an_object", 'An alert is no object. Send `{"labels": {...}}`.'),
    ],
)
def test_an_alert_that_cannot_be_read_is_refused_in_words(
    alert: Any, code: str, message: str
) -> None:
    (refused,) = read_alerts(body([alert])).refused
    assert (refused.code, refused.message) == (code, message)


def test_one_bad_alert_does_not_lose_the_good_ones() -> None:
    said = read_alerts(body([{"labels": {}}, {"labels": {"alertname": "Good"}}]))
    assert [(alert.index, alert.name) for alert in said.alerts] == [(1, "Good")]
    assert [refused.index for refused in said.refused] == [0]


@pytest.mark.parametrize("said", [b"{}", b"null", b"x", b"", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_array_is_refused_whole(said: bytes) -> None:
    with pytest.raises(WireError) as caught:
        read_alerts(said)
    assert caught.value.code in {"not_json", "not_an_array"}


@pytest.mark.parametrize("said", [b"[]", b"{}", b'{"alerts": {}}', b"x"])
def test_a_body_without_alerts_is_no_webhook(said: bytes) -> None:
    with pytest.raises(WireError):
        read_webhook(said)


def test_characters_that_the_database_cannot_keep_are_replaced() -> None:
    (alert,) = read_alerts(
        b'[{"labels": {"a": "x\\u0000y"}, "annotations": {"b": "\\ud800"}}]'
    ).alerts
    assert (alert.labels, alert.annotations) == ({"a": "x�y"}, {"b": "�"})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"matchers": []}, "matchers_missing"),
        ({"matchers": [7]}, "not_an_object"),
        ({"matchers": [{"name": "a", "value": "b", "isRegex": "no"}]}, "not_a_boolean"),
        ({"startsAt": None}, "time_missing"),
        ({"endsAt": "soon"}, "not_a_time"),
        ({"comment": 7}, "not_a_string"),
    ],
)
def test_a_silence_that_cannot_be_read_is_refused_with_a_code(
    change: dict[str, Any], code: str
) -> None:
    silence = captured("am025_api_v2_silences.json")[0]
    with pytest.raises(WireError) as caught:
        read_silence(body(silence | change))
    assert caught.value.code == code


def test_a_matcher_is_an_equality_unless_it_says_otherwise() -> None:
    silence = captured("am025_api_v2_silences.json")[0] | {
        "matchers": [{"name": "a", "value": "b"}]
    }
    (matcher,) = read_silence(body(silence)).matchers
    assert matcher == {"name": "a", "value": "b", "is_regex": False, "is_equal": True}


@given(st.integers(1, 4_000_000_000_000).map(lambda ms: datetime.fromtimestamp(ms / 1000, UTC)))
def test_a_time_that_is_written_reads_as_itself_to_the_millisecond(at: datetime) -> None:
    read = read_time(write_time(at))
    assert read == at.replace(microsecond=at.microsecond // 1000 * 1000)


@given(st.lists(ALERT_LIKE | JSON, max_size=5))
def test_whatever_comes_is_either_taken_or_refused_with_a_reason(alerts: list[Any]) -> None:
    said = read_alerts(body(alerts))
    places = sorted([*(one.index for one in said.alerts), *(one.index for one in said.refused)])
    assert places == list(range(len(alerts)))
    assert all(refused.code and refused.message for refused in said.refused)
    assert all(alert.labels and write_time(alert.ends_at or NOON) for alert in said.alerts)


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_never_a_crash(said: bytes) -> None:
    for read in (read_alerts, read_webhook, read_silence):
        with pytest.raises(WireError):
            read(b"\x00" + said)
