"""The body of a page and its signature, as `docs/paging-webhook.md` promises them. Pure."""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

LARGEST_BODY = 20_000
FIRST_STEPS = 3
SEVERITY_WORDS: Mapping[int, str] = {1: "urgent", 2: "high", 3: "low"}
_SLOT = re.compile(r"\{\{([^{}\n]*)\}\}")


class SecretError(ValueError):
    """A signing secret that cannot be used; the text says what one looks like."""

    code = "bad_secret"

    def __init__(self) -> None:
        super().__init__(
            "The contact's signing secret cannot be used; write 'whsec_' and the base64 of "
            "24 to 64 random bytes."
        )


@dataclass(frozen=True, slots=True)
class PageFacts:
    """Everything a page says. Times are aware; `first_steps` are the titles of runbook steps.

    `next_at` is None when no further step will be carried out.
    """

    base_url: str
    page_id: str
    reason: str
    step: int
    attempt: int
    owner_name: str
    alert_id: int
    severity: int
    kind: str
    summary: str
    condition: str
    began_at: datetime
    opened_at: datetime
    evidence: Mapping[str, Any]
    site_slug: str
    site_name: str
    site_time_zone: str
    site_place: str
    site_owner_name: str
    node_name: str | None
    node_role: str
    runbook_slug: str
    runbook_title: str
    runbook_version: int
    runbook_hash: str
    first_steps: Sequence[str]
    next_at: datetime | None
    next_who: Sequence[str]


def render_body(facts: PageFacts, *, at: datetime) -> bytes:
    """Return the JSON body of the attempt made at `at`, at most LARGEST_BODY bytes.

    Evidence that would make it larger is left out, and `evidence_left_out` says so.
    """
    body = _body(facts, at, dict(facts.evidence), is_whole=True)
    encoded = _encode(body)
    if len(encoded) > LARGEST_BODY:
        encoded = _encode(_body(facts, at, {}, is_whole=False))
    return encoded


def sign(body: bytes, *, page_id: str, secret: str, at: datetime) -> dict[str, str]:
    """Return the headers that sign `body` for an attempt at `at`; raises SecretError.

    The id is that of the page, so every attempt carries the same one.
    """
    # The library takes a local time for UTC and floors fractions (its issue 251): what it signs
    # must be the very integer that stands in the header.
    seconds = int(at.timestamp())
    try:
        signature = Webhook(secret).sign(
            page_id, datetime.fromtimestamp(seconds, UTC), body.decode("utf-8")
        )
    except (EmptyWebhookSecretError, binascii.Error, ValueError):
        raise SecretError from None
    return {
        "webhook-id": page_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": signature,
    }


def local_time(at: datetime, zone: str) -> str | None:
    """Return `at` on the clocks of `zone`, with its offset; None for a zone nobody knows."""
    try:
        return at.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")
    # A bad name must not keep a page from going out. A folder of zones ("Europe") is an OSError.
    except (KeyError, ValueError, OSError):
        return None


def _body(
    facts: PageFacts, at: datetime, evidence: dict[str, Any], *, is_whole: bool
) -> dict[str, Any]:
    alert_url = f"{facts.base_url}/alerts/{facts.alert_id}/"
    alert: dict[str, Any] = {
        "id": facts.alert_id,
        "url": alert_url,
        "severity": facts.severity,
        "severity_word": SEVERITY_WORDS.get(facts.severity, "unknown"),
        "kind": facts.kind,
        "summary": facts.summary,
        "condition": facts.condition,
        "began_at": _utc(facts.began_at),
        "opened_at": _utc(facts.opened_at),
        "evidence": evidence,
    }
    if not is_whole:
        alert["evidence_left_out"] = True
    return {
        "type": "alert.page",
        "timestamp": _utc(at),
        "data": {
            "page": {
                "id": facts.page_id,
                "reason": facts.reason,
                "step": facts.step,
                "attempt": facts.attempt,
            },
            "alert": alert,
            "site": _site(facts, at),
            "node": _node(facts),
            "owner": {"name": facts.owner_name},
            "runbook": _runbook(facts),
            "acknowledge_url": alert_url,
            "next": _next(facts),
        },
    }


def _node(facts: PageFacts) -> dict[str, Any] | None:
    if facts.node_name is None:
        return None
    return {"name": facts.node_name, "role": facts.node_role}


def _next(facts: PageFacts) -> dict[str, Any] | None:
    if facts.next_at is None:
        return None
    return {"at": _utc(facts.next_at), "who": list(facts.next_who)}


def _site(facts: PageFacts, at: datetime) -> dict[str, Any]:
    return {
        "slug": facts.site_slug,
        "name": facts.site_name,
        "time_zone": facts.site_time_zone,
        "local_time": local_time(at, facts.site_time_zone),
        "place": facts.site_place,
        "owner": facts.site_owner_name,
    }


def _runbook(facts: PageFacts) -> dict[str, Any]:
    values = {
        "site.name": facts.site_name,
        "site.place": facts.site_place,
        "node.name": facts.node_name or "",
        "owner.name": facts.site_owner_name,
        "alert.summary": facts.summary,
    }
    return {
        "slug": facts.runbook_slug,
        "title": facts.runbook_title,
        "version": facts.runbook_version,
        "content_hash": facts.runbook_hash,
        "url": f"{facts.base_url}/runbooks/{facts.runbook_slug}/?version={facts.runbook_version}",
        "first_steps": [_filled(title, values) for title in facts.first_steps[:FIRST_STEPS]],
    }


def _filled(title: str, values: Mapping[str, str]) -> str:
    """Put the values that a page knows in place of a title's variables, a dash for the others."""
    return _SLOT.sub(lambda found: values.get(found[1].strip()) or "—", title)


def _encode(body: dict[str, Any]) -> bytes:
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8")


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
