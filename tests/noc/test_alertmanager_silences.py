"""Silences that other programs make through Alertmanager's API, and what they then see."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from fleet.models import Site
from runbooks.alertmanager.wire import write_time
from runbooks.models import InhibitionRule, Silence
from runbooks.suppression.cycle import apply_suppressions
from tests.captures import captured_text
from tests.factories import NOON, make_user
from tests.noc.alertmanager_world import (
    UNKNOWN,
    make_sites,
    names,
    post,
    program,
    send_captured,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("fleet.noc.urls_api")]


@pytest.fixture
def sites() -> list[Site]:
    return make_sites()


@pytest.fixture
def client(sites: list[Site]) -> Client:
    """A program that may do everything everywhere."""
    return program(make_user("operator", username="prometheus"))


def silence_body(**changes: Any) -> dict[str, Any]:
    """Return a silence of an hour for the fans of s03."""
    now = datetime.now(UTC)
    body: dict[str, Any] = {
        "matchers": [
            {"name": "alertname", "value": "FanFail", "isRegex": False, "isEqual": True},
            {"name": "site", "value": "s03", "isRegex": False, "isEqual": True},
        ],
        "startsAt": write_time(now),
        "endsAt": write_time(now + timedelta(hours=1)),
        "createdBy": "remote-hands",
        "comment": "planned fan swap",
    }
    return body | changes


def test_a_silence_holds_back_the_alerts_it_matches_and_says_so(client: Client) -> None:
    send_captured(client)
    silence_id = post(client, "/api/v2/silences", silence_body()).json()["silenceID"]
    apply_suppressions(now=datetime.now(UTC))
    held = client.get("/api/v2/alerts", {"active": "false"}).json()
    assert [alert["labels"]["alertname"] for alert in held] == ["FanFail"]
    assert held[0]["status"]["silencedBy"] == [silence_id]
    assert held[0]["status"]["state"] == "suppressed"
    assert "FanFail" not in names(client.get("/api/v2/alerts", {"silenced": "false"}))


def test_what_is_held_back_is_what_amtool_listed_so(client: Client) -> None:
    InhibitionRule.objects.create(
        name="a site that is down",
        source_matchers=[{"name": "alertname", "value": "SiteDown"}],
        target_matchers=[{"name": "severity", "value": "warning"}],
        equal=["site"],
        created_at=NOON,
    )
    send_captured(client)
    post(client, "/api/v2/silences", silence_body())
    apply_suppressions(now=datetime.now(UTC))

    def held(alerts: Any) -> list[Any]:
        return [
            (one["fingerprint"], one["status"]["state"], one["status"]["inhibitedBy"])
            for one in alerts
        ]

    expected = json.loads(captured_text("amtool_alert_query.json"))
    assert held(client.get("/api/v2/alerts", {"active": "false"}).json()) == held(expected)
    unsilenced = client.get("/api/v2/alerts", {"active": "false", "silenced": "false"})
    assert names(unsilenced) == ["NodeSilent"]
    uninhibited = client.get("/api/v2/alerts", {"active": "false", "inhibited": "false"})
    assert names(uninhibited) == ["FanFail"]


def test_a_silence_is_listed_as_it_was_made(client: Client, sites: list[Site]) -> None:
    body = silence_body()
    silence_id = post(client, "/api/v2/silences", body).json()["silenceID"]
    (listed,) = client.get("/api/v2/silences").json()
    assert client.get(f"/api/v2/silence/{silence_id}").json() == listed
    assert listed["id"] == silence_id
    assert listed["matchers"] == body["matchers"]
    assert (listed["createdBy"], listed["comment"]) == ("remote-hands", "planned fan swap")
    assert listed["endsAt"] == body["endsAt"]
    assert listed["status"] == {"state": "active"}
    assert Silence.objects.get().site == sites[2]


def test_silences_are_chosen_by_what_they_match(client: Client) -> None:
    post(client, "/api/v2/silences", silence_body())
    assert len(client.get("/api/v2/silences", {"filter": 'alertname="FanFail"'}).json()) == 1
    assert client.get("/api/v2/silences", {"filter": 'alertname="Other"'}).json() == []


def test_ending_a_silence_twice_is_the_same_as_once(client: Client) -> None:
    silence_id = post(client, "/api/v2/silences", silence_body()).json()["silenceID"]
    for _ in range(2):
        assert client.delete(f"/api/v2/silence/{silence_id}").status_code == 200
    (listed,) = client.get("/api/v2/silences").json()
    assert listed["status"] == {"state": "expired"}


def test_a_changed_silence_is_in_force_with_its_change(client: Client) -> None:
    silence_id = post(client, "/api/v2/silences", silence_body()).json()["silenceID"]
    later = write_time(datetime.now(UTC) + timedelta(hours=3))
    listed = client.get(f"/api/v2/silence/{silence_id}").json()
    changed = silence_body(id=silence_id, startsAt=listed["startsAt"], endsAt=later)
    answer = post(client, "/api/v2/silences", changed)
    assert answer.status_code == 200
    in_force = [
        silence["endsAt"]
        for silence in client.get("/api/v2/silences").json()
        if silence["status"]["state"] == "active"
    ]
    assert in_force == [later]


def test_a_silence_moved_to_another_site_holds_back_there(
    client: Client, sites: list[Site]
) -> None:
    silence_id = post(client, "/api/v2/silences", silence_body()).json()["silenceID"]
    moved = [{"name": "site", "value": "s01", "isRegex": False}]
    post(client, "/api/v2/silences", silence_body(id=silence_id, matchers=moved))
    old = Silence.objects.get(pk=silence_id)
    new = Silence.objects.get(replaces=old)
    assert (old.ended_at is None, new.ended_at is None) == (False, True)
    assert (old.site, new.site) == (sites[2], sites[0])


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"comment": ""}, 400),
        ({"endsAt": "2020-01-01T00:00:00Z"}, 400),
        ({"matchers": []}, 400),
        ({"matchers": [{"name": "a", "value": "(b", "isRegex": True}]}, 400),
        ({"id": UNKNOWN}, 404),
        ({"id": "no id"}, 404),
        ({"comment": "x" * 5000}, 400),
        ({"createdBy": "x" * 5000}, 200),
    ],
)
def test_what_is_odd_about_a_silence_is_answered(
    client: Client, changes: dict[str, Any], status: int
) -> None:
    answer = post(client, "/api/v2/silences", silence_body(**changes))
    assert answer.status_code == status
    assert answer.json()


@pytest.mark.parametrize(("silence_id", "status"), [(UNKNOWN, 404), ("zzz", 422)])
@pytest.mark.parametrize("method", ["get", "delete"])
def test_a_silence_that_does_not_exist_is_not_found(
    client: Client, method: str, silence_id: str, status: int
) -> None:
    assert getattr(client, method)(f"/api/v2/silence/{silence_id}").status_code == status


def test_somebody_of_one_site_silences_that_site_alone(sites: list[Site]) -> None:
    narrow = program(make_user("operator", site=sites[0]))
    refused = post(narrow, "/api/v2/silences", silence_body())
    assert (refused.status_code, refused["Hearthwatch-Error"]) == (403, "silence_too_wide")
    wide = [{"name": "alertname", "value": ".+", "isRegex": True}]
    assert post(narrow, "/api/v2/silences", silence_body(matchers=wide)).status_code == 403
    own = [{"name": "site", "value": "s01", "isRegex": False}]
    assert post(narrow, "/api/v2/silences", silence_body(matchers=own)).status_code == 200
    assert Silence.objects.get().site == sites[0]


def test_a_token_of_one_site_silences_that_site_where_it_names_none(sites: list[Site]) -> None:
    narrow = program(make_user("operator", site=sites[0]), site=sites[0])
    wide = [{"name": "alertname", "value": "FanFail", "isRegex": False}]
    assert post(narrow, "/api/v2/silences", silence_body(matchers=wide)).status_code == 200
    assert Silence.objects.get().site == sites[0]


def test_a_viewer_sees_a_silence_and_cannot_end_it(client: Client, sites: list[Site]) -> None:
    silence_id = post(client, "/api/v2/silences", silence_body()).json()["silenceID"]
    viewer = program(make_user("viewer", site=sites[2]))
    assert len(viewer.get("/api/v2/silences").json()) == 1
    answer = viewer.delete(f"/api/v2/silence/{silence_id}")
    assert (answer.status_code, answer["Hearthwatch-Error"]) == (403, "silence_forbidden")
    stranger = program(make_user("viewer", site=sites[0]))
    assert stranger.get("/api/v2/silences").json() == []
    assert stranger.delete(f"/api/v2/silence/{silence_id}").status_code == 404
