"""The webhook transport: one signed POST, as `docs/paging-webhook.md` promises it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from runbooks.paging.content import PageFacts
from runbooks.paging.outcome import Answer
from runbooks.paging.payload import render_body
from runbooks.paging.signature import SecretError, is_strong, sign_with_each
from runbooks.paging.transports import exchange
from runbooks.paging.transports.endpoint import Endpoint, EndpointError


def check(endpoint: Endpoint) -> None:
    """Raise EndpointError where the secret cannot sign, or anybody could guess it."""
    if not is_strong(endpoint.secret):
        refusal = SecretError()
        raise EndpointError(refusal.code, str(refusal))


def send(
    facts: PageFacts,
    *,
    endpoint: Endpoint,
    at: datetime,
    timeout_seconds: float,
    allowed: Sequence[str],
) -> Answer:
    """POST the page, signed with every secret of the endpoint (see `Transport`)."""
    body = render_body(facts, at=at)
    try:
        headers = sign_with_each(body, page_id=facts.page_id, secrets=endpoint.secrets, at=at)
    except SecretError as refusal:
        return Answer(status=None, error=str(refusal), is_permanent=True)
    return exchange.post(
        endpoint.url, body=body, headers=headers, timeout_seconds=timeout_seconds, allowed=allowed
    )


def ask(
    webhook_id: str,
    *,
    endpoint: Endpoint,
    at: datetime,
    timeout_seconds: float,
    allowed: Sequence[str],
) -> Answer:
    """POST the question what became of a page, signed like one (see `Asker`)."""
    asked_at = at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    question = {
        "type": "page.receipt.ask",
        "timestamp": asked_at,
        "data": {"page": {"id": webhook_id}},
    }
    body = json.dumps(question, separators=(",", ":")).encode()
    # An id of its own: a receiver that knows the page by its id would take this for a repetition.
    question_id = f"{webhook_id}_asked_{int(at.timestamp())}"
    try:
        headers = sign_with_each(body, page_id=question_id, secrets=endpoint.secrets, at=at)
    except SecretError as refusal:
        return Answer(status=None, error=str(refusal), is_permanent=True)
    return exchange.post(
        endpoint.url, body=body, headers=headers, timeout_seconds=timeout_seconds, allowed=allowed
    )
