"""What programs that speak Alertmanager's API meet: the sites of the captures, and tokens."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django.test import Client

from fleet.models import Site
from fleet.services.api_tokens import Scope, create_api_token
from runbooks.alerts.intake import take_in_findings
from tests.captures import captured_text
from tests.factories import NOON, make_policy, make_site
from tests.runbooks.world import make_library

ALL = tuple(Scope)
UNKNOWN = "88378100-2de6-4625-81c0-0aed7039d3a2"


def make_sites() -> list[Site]:
    """Make the sites of the captures, which one policy watches."""
    make_library()
    policy = make_policy(name="hook")
    return [make_site(slug=slug, policy=policy) for slug in ("s01", "s02", "s03")]


def program(user: Any, *, scopes: tuple[str, ...] = ALL, site: Site | None = None) -> Client:
    """Return a client that sends a token of `user`."""
    issued = create_api_token(user=user, label="test", scopes=scopes, site=site, now=NOON)
    return Client(headers={"authorization": f"Bearer {issued.text}"})


def captured() -> list[Any]:
    loaded: list[Any] = json.loads(captured_text("am025_api_v2_alerts.json"))
    return loaded


def post(client: Client, path: str, body: Any) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json")


def send_captured(client: Client) -> None:
    """Send the captured alerts as Prometheus sent them, and take them in."""
    alerts = [
        {"labels": alert["labels"], "annotations": alert["annotations"]} for alert in captured()
    ]
    assert post(client, "/api/v2/alerts", alerts).status_code == 200
    take_in_findings(now=datetime.now(UTC))


def names(answer: Any) -> list[str]:
    return sorted(alert["labels"]["alertname"] for alert in answer.json())
