"""Microsoft Teams, by the webhook of a workflow: one adaptive card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from runbooks.paging.content import PageFacts
from runbooks.paging.outcome import Answer
from runbooks.paging.transports import exchange
from runbooks.paging.transports.endpoint import Endpoint
from runbooks.paging.transports.words import Message, message_of

#: Teams shows at most this many buttons on a card.
MOST_ACTIONS = 6
#: How the older connectors begin their answer, status 200, when the message was not posted.
_FAILED_AFTER_ALL = "webhook message delivery failed"


def send(
    facts: PageFacts,
    *,
    endpoint: Endpoint,
    at: datetime,
    timeout_seconds: float,
    allowed: Sequence[str],
) -> Answer:
    """Post one card (see `Transport`)."""
    body = json.dumps(document_of(message_of(facts, at=at))).encode()
    answer = exchange.post(
        endpoint.url, body=body, headers={}, timeout_seconds=timeout_seconds, allowed=allowed
    )
    if answer.status == 200 and answer.body_head.lower().startswith(_FAILED_AFTER_ALL):
        return replace(answer, status=None, error="Teams answered 200 but did not post the page.")
    return answer


def document_of(message: Message) -> dict[str, Any]:
    """Return the message as one card."""
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            _text(message.title, size="Large", weight="Bolder"),
            *(_text(line) for line in message.lines),
        ],
        "actions": [
            {"type": "Action.OpenUrl", "title": words, "url": url}
            for words, url in message.links[:MOST_ACTIONS]
        ],
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _text(text: str, **look: str) -> dict[str, Any]:
    # A text run is shown as it is; a text block would read Markdown, and so links, out of it.
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **look}]}
