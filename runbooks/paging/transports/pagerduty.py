"""PagerDuty, by its Events API v2: trigger, acknowledge and resolve under one dedup key."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from runbooks.paging.content import PageFacts, alert_url, runbook_url, steps_filled
from runbooks.paging.outcome import Answer
from runbooks.paging.transports import exchange
from runbooks.paging.transports.endpoint import Endpoint, EndpointError
from runbooks.paging.transports.words import place_of

DEFAULT_URL = "https://events.pagerduty.com/v2/enqueue"
LONGEST_SUMMARY = 1024
_KEY = re.compile(r"[A-Za-z0-9]{32}")
_ACTIONS: Mapping[str, str] = {
    "page": "trigger",
    "test": "trigger",
    "acknowledged": "acknowledge",
    "resolved": "resolve",
    "trouble": "trigger",
    "recovered": "resolve",
}
_SEVERITIES: Mapping[int, str] = {1: "critical", 2: "error", 3: "warning"}


def check(endpoint: Endpoint) -> None:
    """Raise EndpointError where the integration key cannot be one."""
    if not _KEY.fullmatch(endpoint.secret):
        raise EndpointError(
            "bad_integration_key",
            "A PagerDuty integration key has 32 letters and digits. Copy it from the service's "
            "integration of the kind Events API V2.",
        )


def send(
    facts: PageFacts,
    *,
    endpoint: Endpoint,
    at: datetime,
    timeout_seconds: float,
    allowed: Sequence[str],
) -> Answer:
    """Send one event (see `Transport`)."""
    body = json.dumps(event_of(facts, routing_key=endpoint.secret)).encode()
    return exchange.post(
        endpoint.url, body=body, headers={}, timeout_seconds=timeout_seconds, allowed=allowed
    )


def event_of(facts: PageFacts, *, routing_key: str) -> dict[str, Any]:
    """Return the event that tells what the page tells."""
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": _ACTIONS[facts.purpose],
        "dedup_key": _dedup_key(facts),
    }
    if event["event_action"] != "trigger":
        return event
    event |= {"client": "Hearthwatch", "client_url": facts.base_url, "payload": _payload(facts)}
    if facts.purpose == "page":
        event["links"] = [
            {"href": alert_url(facts), "text": f"Alert A-{facts.alert_id}"},
            {"href": runbook_url(facts), "text": f"Runbook: {facts.runbook_title}"},
        ]
    return event


def _dedup_key(facts: PageFacts) -> str:
    # Two Hearthwatches may page one service, and both have an alert 12.
    here = urlsplit(facts.base_url).netloc
    name = f"alert-{facts.alert_id}"
    if not facts.is_about_an_alert:
        name = facts.page_id if facts.purpose == "test" else "pager"
    return f"{here}/{name}"[-255:]


def _payload(facts: PageFacts) -> dict[str, Any]:
    if not facts.is_about_an_alert:
        severity = "info" if facts.purpose == "test" else "critical"
        summary = facts.summary[:LONGEST_SUMMARY]
        return {"summary": summary, "source": "Hearthwatch", "severity": severity}
    return {
        "summary": facts.summary[:LONGEST_SUMMARY],
        "source": place_of(facts),
        "severity": _SEVERITIES.get(facts.severity, "error"),
        "timestamp": facts.began_at.astimezone(UTC).isoformat(timespec="seconds"),
        "component": facts.node_name or facts.site_slug,
        "group": facts.site_slug,
        "class": facts.kind,
        "custom_details": {
            "owner": facts.owner_name,
            "reason": facts.reason,
            "where": facts.site_place,
            "runbook": facts.runbook_title,
            "first_steps": steps_filled(facts),
        },
    }
