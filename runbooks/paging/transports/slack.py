"""Slack, by an incoming webhook."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from runbooks.paging.content import PageFacts
from runbooks.paging.outcome import Answer
from runbooks.paging.transports import exchange
from runbooks.paging.transports.endpoint import Endpoint
from runbooks.paging.transports.words import Message, message_of

# Slack refuses a message with a longer block.
LONGEST_HEADER = 150
LONGEST_SECTION = 3000


def send(
    facts: PageFacts,
    *,
    endpoint: Endpoint,
    at: datetime,
    timeout_seconds: float,
    allowed: Sequence[str],
) -> Answer:
    """Post one message (see `Transport`)."""
    body = json.dumps(document_of(message_of(facts, at=at))).encode()
    return exchange.post(
        endpoint.url, body=body, headers={}, timeout_seconds=timeout_seconds, allowed=allowed
    )


def document_of(message: Message) -> dict[str, Any]:
    """Return the message as blocks, with a plain text for notifications."""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": message.title[:LONGEST_HEADER]}},
    ]
    blocks += [_section("mrkdwn", part) for part in _parts([_escaped(x) for x in message.lines])]
    blocks += [_section("mrkdwn", part) for part in _parts([_link(*x) for x in message.links])]
    # Slack fetches the links of a message to show what they lead to; nobody needs that here.
    return {
        "text": _escaped(message.title)[:LONGEST_SECTION],
        "blocks": blocks,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _section(kind: str, text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": kind, "text": text}}


def _parts(lines: Sequence[str]) -> list[str]:
    """Join the lines into as few blocks as hold them; a line is never cut in its middle."""
    parts: list[str] = []
    for line in lines:
        line = line[:LONGEST_SECTION]
        if parts and len(parts[-1]) + 1 + len(line) <= LONGEST_SECTION:
            parts[-1] += "\n" + line
        else:
            parts.append(line)
    return parts


def _link(words: str, url: str) -> str:
    return f"<{url}|{_escaped(words)}>"


def _escaped(text: str) -> str:
    # The three characters with which a message could call everybody or disguise a link.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
