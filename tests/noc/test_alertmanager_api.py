"""Alertmanager's API as other programs meet it: who may, what is listed, what is refused."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from fleet.models import Site
from fleet.noc.api_auth import MOST_BYTES
from fleet.services.api_tokens import Scope, create_api_token, revoke_api_token
from runbooks.alerts.intake import take_in_findings
from runbooks.alerts.services import acknowledge_alert
from runbooks.models import Alert
from runbooks.suppression.shelf import shelve_alert
from telemetry.models import Finding
from tests.captures import captured_text
from tests.factories import NOON, make_user
from tests.noc.alertmanager_world import (
    ALL,
    UNKNOWN,
    captured,
    make_sites,
    names,
    post,
    program,
    send_captured,
)
from tests.runbooks.world import make_finding

pytestmark = [pytest.mark.django_db, pytest.mark.urls("fleet.noc.urls_api")]


@pytest.fixture
def sites() -> list[Site]:
    return make_sites()


@pytest.fixture
def client(sites: list[Site]) -> Client:
    """A program that may do everything everywhere."""
    return program(make_user("operator", username="prometheus"))


# --- who may -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer hwa_wrong",
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Digest x",
    ],
)
def test_without_a_valid_token_nothing_opens(sites: list[Site], header: str) -> None:
    answer = Client(headers={"authorization": header}).get("/api/v2/alerts")
    assert answer.status_code == 401
    assert answer.json()["code"] == "token_missing"
    assert answer["WWW-Authenticate"].startswith("Basic ")


def test_a_session_opens_nothing(sites: list[Site]) -> None:
    client = Client()
    client.force_login(make_user("admin"))
    assert client.get("/api/v2/alerts").status_code == 401


def test_the_token_may_be_the_password_of_basic_authentication(sites: list[Site]) -> None:
    issued = create_api_token(user=make_user("viewer"), label="x", scopes=ALL, now=NOON)
    word = base64.b64encode(f"anybody:{issued.text}".encode()).decode()
    client = Client(headers={"authorization": f"Basic {word}"})
    assert client.get("/api/v2/alerts").status_code == 200


def test_a_revoked_token_opens_nothing(sites: list[Site]) -> None:
    issued = create_api_token(user=make_user("viewer"), label="x", scopes=ALL, now=NOON)
    revoke_api_token(token=issued.token, now=NOON)
    client = Client(headers={"authorization": f"Bearer {issued.text}"})
    assert client.get("/api/v2/status").status_code == 401


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        (Scope.READ_ALERTS, "post", "/api/v2/alerts"),
        (Scope.READ_ALERTS, "post", "/api/v1/alertmanager/webhook"),
        (Scope.READ_ALERTS, "post", "/api/v2/silences"),
        (Scope.READ_ALERTS, "delete", f"/api/v2/silence/{UNKNOWN}"),
        (Scope.WRITE_ALERTS, "get", "/api/v2/alerts"),
        (Scope.WRITE_ALERTS, "get", "/api/v2/alerts/groups"),
        (Scope.WRITE_ALERTS, "get", "/api/v2/status"),
        (Scope.WRITE_ALERTS, "get", "/api/v2/receivers"),
        (Scope.WRITE_ALERTS, "post", "/api/v2/silences"),
        (Scope.WRITE_SILENCES, "post", "/api/v2/alerts"),
        (Scope.WRITE_SILENCES, "get", "/api/v2/silences"),
    ],
)
def test_a_token_does_no_more_than_its_scopes_say(
    sites: list[Site], scope: Scope, method: str, path: str
) -> None:
    client = program(make_user("admin"), scopes=(scope,))
    answer = getattr(client, method)(path)
    assert answer.status_code == 403
    assert answer.json()["code"] == "scope_missing"


def test_another_method_is_refused_with_those_that_work(client: Client) -> None:
    answer = client.put("/api/v2/alerts")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, POST")


def test_a_program_sees_the_alerts_of_its_users_sites_alone(
    client: Client, sites: list[Site]
) -> None:
    send_captured(client)
    reader = program(make_user("viewer", site=sites[2]))
    assert names(reader.get("/api/v2/alerts")) == ["FanFail"]


def test_a_program_of_a_viewer_files_no_alerts(sites: list[Site]) -> None:
    answer = post(program(make_user("viewer")), "/api/v2/alerts", [captured()[0]])
    assert answer.status_code == 400
    assert answer["Hearthwatch-Error"] == "unknown_site"
    assert not Finding.objects.exists()


# --- alerts in -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alerts", "says"),
    [
        ([{"labels": {}}], "at least one label pair required"),
        ([{"labels": {"a-b": "x"}}], 'invalid label set: invalid name "a-b"'),
    ],
)
def test_a_bad_alert_is_refused_in_alertmanagers_words(
    client: Client, alerts: Any, says: str
) -> None:
    answer = post(client, "/api/v2/alerts", alerts)
    assert (answer.status_code, answer.json()) == (400, says)


def test_one_bad_alert_does_not_lose_the_good_ones(client: Client) -> None:
    good = {"labels": captured()[0]["labels"]}
    answer = post(client, "/api/v2/alerts", [{"labels": {}}, good, {"labels": {}}])
    assert answer.status_code == 400
    assert answer.json() == "at least one label pair required; at least one label pair required"
    assert Finding.objects.get().evidence["labels"]["alertname"] == "FanFail"


@pytest.mark.parametrize("body", [b"{}", b"x", b"", b"\xff\xfe"])
def test_a_body_that_is_no_array_is_refused(client: Client, body: bytes) -> None:
    answer = client.post("/api/v2/alerts", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, 400)


def test_a_body_beyond_the_limit_is_refused_with_what_to_do(client: Client) -> None:
    body = b"[" * (MOST_BYTES + 1)
    answer = client.post("/api/v2/alerts", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_long")


def test_a_storm_in_one_request_is_longer_than_any_form_and_is_taken(client: Client) -> None:
    note = "x" * 1000
    alerts = [{"labels": {"site": "s01", "node": f"n{n}", "note": note}} for n in range(3000)]
    assert post(client, "/api/v2/alerts", alerts).status_code == 200
    assert Finding.objects.count() == 3000


def test_a_webhook_says_what_was_taken_and_what_was_not(client: Client) -> None:
    message = {
        "version": "4",
        "truncatedAlerts": 2,
        "alerts": [
            {"status": "firing", "labels": {"alertname": "A"}},
            {"status": "firing", "labels": {"alertname": "B", "site": "s01"}},
        ],
    }
    answer = post(client, "/api/v1/alertmanager/webhook", message)
    assert answer.status_code == 422
    assert answer.json() == {
        "taken": 1,
        "left_out": 2,
        "code": "alerts_refused",
        "message": "1 alerts were not taken; `refused` says why.",
        "refused": [
            {
                "index": 0,
                "code": "no_site",
                "message": "alert 'A' names no site; give it a label `site`, or the token a site",
            }
        ],
    }


def test_a_real_alertmanagers_webhooks_are_taken(client: Client) -> None:
    for line in captured_text("am025_webhook_deliveries.jsonl").splitlines():
        answer = post(client, "/api/v1/alertmanager/webhook", json.loads(line)["body"])
        assert answer.status_code == 200
    assert answer.json() == {"taken": 1, "left_out": 0}


def test_a_body_that_is_no_webhook_is_refused(client: Client) -> None:
    answer = post(client, "/api/v1/alertmanager/webhook", [])
    assert (answer.status_code, answer.json()["code"]) == (400, "not_a_webhook")


# --- alerts out ----------------------------------------------------------------------------


def test_alerts_sent_to_us_are_listed_as_alertmanager_lists_them(client: Client) -> None:
    send_captured(client)
    listed = client.get("/api/v2/alerts").json()
    for ours, theirs in zip(listed, captured(), strict=True):
        assert ours["fingerprint"] == theirs["fingerprint"]
        assert ours["receivers"] == [{"name": "hook"}]
        assert theirs["labels"].items() <= ours["labels"].items()
        assert theirs["annotations"].items() <= ours["annotations"].items()
        assert theirs.keys() <= ours.keys()
        assert ours["status"]["state"] == "active"


def test_an_alert_of_our_own_is_listed_with_its_runbook_and_page(
    client: Client, sites: list[Site]
) -> None:
    make_finding(site=sites[0], kind=Finding.Kind.THERMAL_ENVELOPE)
    take_in_findings(now=NOON)
    (listed,) = client.get("/api/v2/alerts").json()
    alert = Alert.objects.get()
    assert listed["labels"]["alertname"] == "thermal.envelope"
    assert listed["labels"]["site"] == "s01"
    assert "" not in listed["labels"].values()
    assert listed["annotations"]["runbook"] == "Thermal alarm v1"
    assert listed["generatorURL"].endswith(f"/alerts/{alert.pk}/")


def test_two_alerts_with_the_same_labels_are_two(client: Client, sites: list[Site]) -> None:
    for _ in range(2):
        make_finding(site=sites[0])
    take_in_findings(now=NOON)
    prints = {alert["fingerprint"] for alert in client.get("/api/v2/alerts").json()}
    assert len(prints) == 2


def test_an_alert_that_somebody_took_says_who(client: Client) -> None:
    send_captured(client)
    alert = Alert.objects.get(summary__startswith="FanFail")
    acknowledge_alert(alert=alert, by=make_user("operator", username="aiko"), now=datetime.now(UTC))
    by_name = {alert["labels"]["alertname"]: alert for alert in client.get("/api/v2/alerts").json()}
    assert by_name["FanFail"]["annotations"]["acknowledged_by"] == "aiko"


def test_alerts_are_chosen_by_matchers_and_by_receiver(client: Client) -> None:
    send_captured(client)

    def chosen(**query: Any) -> list[str]:
        return names(client.get("/api/v2/alerts", query))

    assert chosen(filter='alertname="SiteDown"') == ["SiteDown"]
    assert chosen(filter=['alertname=~"Gpu.*"', 'node!="n1"']) == ["GpuThermal"]
    assert chosen(filter='site!~"s0[12]"') == ["FanFail"]
    assert chosen(receiver="ho.k", filter="site=s03") == ["FanFail"]
    assert chosen(receiver="ho") == []


@pytest.mark.parametrize("query", ["filter=a%3D~(", "filter=%3D", "receiver=%5B", "filter=a%00"])
def test_conditions_that_cannot_be_read_are_refused(client: Client, query: str) -> None:
    answer = client.get(f"/api/v2/alerts?{query}")
    assert answer.status_code == 400
    assert isinstance(answer.json(), str)


def test_groups_are_those_of_the_captures(client: Client) -> None:
    send_captured(client)
    expected = json.loads(captured_text("am025_api_v2_alerts_groups.json"))
    listed = client.get("/api/v2/alerts/groups").json()

    def outline(groups: Any) -> list[Any]:
        return [
            (group["labels"], group["receiver"], [one["fingerprint"] for one in group["alerts"]])
            for group in groups
        ]

    assert outline(listed) == outline(expected)


def test_status_and_receivers_tell_of_the_policies(client: Client) -> None:
    assert client.get("/api/v2/receivers").json() == [{"name": "hook"}]
    status = client.get("/api/v2/status").json()
    assert status["cluster"]["status"] == "disabled"
    assert "- name: 'hook'" in status["config"]["original"]


def test_listing_takes_the_same_few_queries_however_many_alerts(
    client: Client, sites: list[Site], django_assert_num_queries: Any
) -> None:
    client.get("/api/v2/status")
    for number in (1, 5):
        for _ in range(number):
            make_finding(site=sites[0])
        take_in_findings(now=NOON)
        with django_assert_num_queries(3) as queries:
            client.get("/api/v2/alerts")
        # An edition is some 40 kB, and 10,000 alerts may be open.
        assert not any('"document"' in query["sql"] for query in queries.captured_queries)


def test_an_alert_on_the_shelf_is_muted_and_says_so(client: Client) -> None:
    send_captured(client)
    now = datetime.now(UTC)
    alert = Alert.objects.get(summary__startswith="FanFail")
    user = make_user("operator")
    shelve_alert(alert=alert, by=user, until=now + timedelta(hours=1), reason="spare", now=now)
    (held,) = client.get("/api/v2/alerts", {"active": "false"}).json()
    assert (held["status"]["mutedBy"], held["status"]["state"]) == (["shelf"], "suppressed")
    assert client.get("/api/v2/alerts", {"active": "false", "muted": "false"}).json() == []
