"""Alertmanager is told what fires, and that it has ended, under labels that stay the same."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from runbooks.paging.content import PageFacts
from runbooks.paging.outcome import Fate, fate_of
from runbooks.paging.transports.alertmanager import full_url
from runbooks.paging.transports.endpoint import Endpoint
from runbooks.paging.transports.registry import TRANSPORTS
from tests.captures import captured_text
from tests.page_facts import NOON, contact_test_facts, page_facts
from tests.processes import free_port, wait_until
from tests.receiver import Receiver


def pushed(receiver: Receiver, facts: PageFacts, *, at: datetime = NOON) -> list[dict[str, Any]]:
    """Push the page; return what Alertmanager was given."""
    answer = TRANSPORTS["alertmanager"](
        facts,
        endpoint=Endpoint(kind="alertmanager", url=receiver.url),
        at=at,
        timeout_seconds=5,
        allowed=["127.0.0.0/8"],
    )
    assert fate_of(answer) is Fate.SENT
    alerts: list[dict[str, Any]] = receiver.requests[-1].json
    return alerts


def firing(alerts: list[dict[str, Any]], *, at: datetime = NOON) -> list[dict[str, Any]]:
    return [one for one in alerts if datetime.fromisoformat(one["endsAt"]) > at]


def test_a_page_fires_one_alert_that_says_what_and_where(receiver: Receiver) -> None:
    (alert,) = firing(pushed(receiver, page_facts()))
    assert receiver.requests[0].path == "/pager/api/v2/alerts"
    assert alert["labels"] == {
        "alertname": "thermal.envelope",
        "severity": "urgent",
        "site": "osaka-1",
        "node": "node-1",
        "hearthwatch_alert": "12",
    }
    assert alert["annotations"]["summary"] == "Inlet 38.4 °C, limit 35 °C."
    assert alert["generatorURL"] == "https://hearthwatch.example/alerts/12/"
    assert datetime.fromisoformat(alert["startsAt"]) == NOON - timedelta(minutes=3)


def test_it_goes_on_firing_until_it_is_said_to_have_ended(receiver: Receiver) -> None:
    (alert,) = firing(pushed(receiver, page_facts()))
    assert datetime.fromisoformat(alert["endsAt"]) - NOON >= timedelta(days=30)
    later = NOON + timedelta(hours=2)
    over = pushed(receiver, page_facts(purpose="resolved"), at=later)
    assert firing(over, at=later) == []
    assert alert["labels"] in [one["labels"] for one in over]


def test_a_changed_severity_ends_the_alert_of_the_old_one(receiver: Receiver) -> None:
    (before,) = firing(pushed(receiver, page_facts(severity=2)))
    after = pushed(receiver, page_facts(severity=1))
    assert [one["labels"]["severity"] for one in firing(after)] == ["urgent"]
    assert before["labels"] in [one["labels"] for one in after]


def test_who_has_an_acknowledged_alert_is_said_and_it_goes_on_firing(receiver: Receiver) -> None:
    facts = page_facts(purpose="acknowledged", acknowledged_by="Ana Silva")
    (alert,) = firing(pushed(receiver, facts))
    assert alert["annotations"]["acknowledged_by"] == "Ana Silva"


def test_no_label_is_empty(receiver: Receiver) -> None:
    alerts = pushed(receiver, page_facts(node_name=None))
    assert all(all(one["labels"].values()) for one in alerts)


def test_a_test_ends_by_itself(receiver: Receiver) -> None:
    (alert,) = pushed(receiver, contact_test_facts())
    assert alert["labels"]["alertname"] == "hearthwatch.test"
    assert datetime.fromisoformat(alert["endsAt"]) == NOON + timedelta(minutes=5)


def test_what_is_pushed_has_the_fields_that_alertmanager_gives_back(receiver: Receiver) -> None:
    known = {
        name for alert in json.loads(captured_text("am025_api_v2_alerts.json")) for name in alert
    }
    for alert in pushed(receiver, page_facts()):
        assert set(alert) - {"generatorURL"} <= known


@pytest.mark.parametrize(
    "url", ["http://am:9093", "http://am:9093/", "http://am:9093/api/v2/alerts"]
)
def test_the_address_of_the_server_is_enough(url: str) -> None:
    assert full_url(url) == "http://am:9093/api/v2/alerts"


def answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    """Run Debian's Alertmanager; yields its address."""
    program = shutil.which("prometheus-alertmanager")
    if program is None:
        pytest.skip("Debian's prometheus-alertmanager is not installed")
    config = tmp_path / "alertmanager.yml"
    config.write_text("route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n")
    url = f"http://127.0.0.1:{free_port()}"
    options = [
        f"--config.file={config}",
        f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--cluster.listen-address=",
    ]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen([program, *options], stdout=log, stderr=log) as running,
    ):
        try:
            wait_until(lambda: answers(f"{url}/-/ready"), what="Alertmanager is up")
            yield url
        finally:
            running.kill()


def test_a_real_alertmanager_holds_what_fires_and_drops_what_has_ended(alertmanager: str) -> None:
    # It judges by a clock of its own, so this test cannot bring one.
    now = datetime.now(UTC)

    def held_after(**facts: Any) -> list[str]:
        answer = TRANSPORTS["alertmanager"](
            page_facts(**({"began_at": now - timedelta(minutes=3)} | facts)),
            endpoint=Endpoint(kind="alertmanager", url=alertmanager),
            at=datetime.now(UTC),
            timeout_seconds=20,
            allowed=["127.0.0.0/8"],
        )
        assert (answer.status, answer.body_head) == (200, "")
        alerts = httpx.get(full_url(alertmanager)).json()
        return [alert["labels"]["severity"] for alert in alerts]

    assert held_after(severity=2) == ["high"]
    assert held_after(severity=1) == ["urgent"]
    assert held_after(severity=1, purpose="acknowledged", acknowledged_by="Ana") == ["urgent"]
    assert held_after(severity=1, purpose="resolved") == []
    assert held_after(purpose="test") == ["none"]
