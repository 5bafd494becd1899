"""Alertmanager, by its API v2: the alert is pushed, and pushed again as ended when it is over."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from runbooks.paging.content import SEVERITY_WORDS, PageFacts, alert_url, runbook_url
from runbooks.paging.outcome import Answer
from runbooks.paging.transports import exchange
from runbooks.paging.transports.endpoint import Endpoint

PATH = "/api/v2/alerts"
#: Alertmanager ends what nobody repeats; the end is told by a notice, and this is long past it.
HELD_FOR = timedelta(days=30)


def send(
    facts: PageFacts,
    *,
    endpoint: Endpoint,
    at: datetime,
    timeout_seconds: float,
    allowed: Sequence[str],
) -> Answer:
    """Push the alert as it is now (see `Transport`)."""
    pages = (facts, *facts.bundled)
    body = json.dumps([alert for page in pages for alert in alerts_of(page, at=at)]).encode()
    return exchange.post(
        full_url(endpoint.url),
        body=body,
        headers={},
        timeout_seconds=timeout_seconds,
        allowed=allowed,
    )


def full_url(url: str) -> str:
    """Return the address of the API, where people wrote only that of the server."""
    return url if url.rstrip("/").endswith(PATH) else url.rstrip("/") + PATH


def alerts_of(facts: PageFacts, *, at: datetime) -> Iterator[dict[str, Any]]:
    """Yield what Alertmanager should hold of one page.

    Its alerts are known by their labels, so that a changed severity is another alert there: the
    one of every other severity is ended in the same push.
    """
    if facts.purpose == "test":
        labels = {"alertname": "hearthwatch.test", "severity": "none", "page": facts.page_id}
        yield _alert(facts, labels, starts_at=at, ends_at=at + timedelta(minutes=5))
        return
    if not facts.is_about_an_alert:
        labels = {"alertname": facts.kind, "severity": SEVERITY_WORDS[facts.severity]}
        ends_at = at if facts.purpose == "recovered" else at + HELD_FOR
        yield _alert(facts, labels, starts_at=min(facts.began_at, at), ends_at=ends_at)
        return
    is_over = facts.purpose == "resolved"
    for severity, word in SEVERITY_WORDS.items():
        is_firing = severity == facts.severity and not is_over
        yield _alert(
            facts,
            _labels(facts, word),
            starts_at=min(facts.began_at, at),
            ends_at=at + HELD_FOR if is_firing else at,
        )


def _labels(facts: PageFacts, severity: str) -> dict[str, str]:
    labels = {
        "alertname": facts.kind,
        "severity": severity,
        "site": facts.site_slug,
        "node": facts.node_name or "",
        "hearthwatch_alert": str(facts.alert_id),
    }
    return {name: value for name, value in labels.items() if value}


def _alert(
    facts: PageFacts, labels: dict[str, str], *, starts_at: datetime, ends_at: datetime
) -> dict[str, Any]:
    annotations = {"summary": facts.summary}
    if facts.is_about_an_alert:
        annotations |= {"runbook_url": runbook_url(facts), "owner": facts.owner_name}
    if facts.acknowledged_by:
        annotations["acknowledged_by"] = facts.acknowledged_by
    return {
        "labels": labels,
        "annotations": annotations,
        "startsAt": starts_at.astimezone(UTC).isoformat(),
        "endsAt": ends_at.astimezone(UTC).isoformat(),
        "generatorURL": alert_url(facts) if facts.is_about_an_alert else facts.base_url,
    }
