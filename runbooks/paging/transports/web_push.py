"""Web Push to a browser (RFC 8030), encrypted for it alone (RFC 8291), signed (RFC 8292)."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import http_ece  # type: ignore[import-untyped]  # No types are published.
import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from py_vapid import (  # type: ignore[import-untyped]  # No types are published.
    Vapid02,
    VapidException,
)

from runbooks.paging.content import PageFacts, acknowledge_url, alert_url
from runbooks.paging.outcome import Answer
from runbooks.paging.timeline import clip
from runbooks.paging.transports import exchange
from runbooks.paging.transports.endpoint import Endpoint, EndpointError
from runbooks.paging.transports.words import message_of

#: A page that a browser could not be given by then is old news; the next person was paged.
TIME_TO_LIVE = timedelta(minutes=10)
LONGEST_BODY_CHARACTERS = 900
#: The longest a push service must accept is 4096 bytes once encrypted, which adds 103.
_LONGEST_BYTES = 4096 - 103
_ENDED = frozenset({404, 410})
_TOKEN_LIFE = timedelta(hours=12)
_KEY_BYTES = {"p256dh": 65, "auth": 16}


class WebPushNotSetUp(Exception):
    """The server has no key of its own that push services could know it by."""

    code = "web_push_not_set_up"
    sentence = (
        "This server cannot send Web Push yet. Set HEARTHWATCH_VAPID_PRIVATE_KEY and "
        "HEARTHWATCH_VAPID_SUBJECT; docs/contacts.md says how to make the key."
    )


def check(endpoint: Endpoint) -> None:
    """Raise EndpointError where the subscription cannot be encrypted for."""
    try:
        _encrypted(b"{}", endpoint.secret)
    except ValueError:
        raise EndpointError(
            "bad_subscription",
            "The browser's subscription cannot be read. Subscribe anew in that browser.",
        ) from None


def public_key() -> str:
    """Return the server's key that a browser subscribes with; raises WebPushNotSetUp."""
    key = _vapid().private_key.public_key()
    return _text_of(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def send(
    facts: PageFacts,
    *,
    endpoint: Endpoint,
    at: datetime,
    timeout_seconds: float,
    allowed: Sequence[str],
) -> Answer:
    """Push one message to the browser's push service (see `Transport`)."""
    try:
        headers = _headers(endpoint.url, facts, at)
        body = _encrypted(notification_of(facts, at=at), endpoint.secret)
    except WebPushNotSetUp as refusal:
        return Answer(status=None, error=refusal.sentence, is_permanent=True)
    except (ValueError, VapidException, httpx.InvalidURL):
        sentence = "The browser's subscription cannot be used; subscribe anew in that browser."
        return Answer(status=None, error=sentence, is_permanent=True)
    answer = exchange.post(
        endpoint.url, body=body, headers=headers, timeout_seconds=timeout_seconds, allowed=allowed
    )
    # A push service says either of a subscription that has ended (RFC 8030, 7.3).
    return replace(answer, is_gone=answer.status in _ENDED)


def notification_of(facts: PageFacts, *, at: datetime) -> bytes:
    """Return what the service worker is given.

    `title`, `body`, `url`, `acknowledge_url`, `tag`; and `shown_url`, where it says that it showed
    the page, empty where nobody asks.
    """
    message = message_of(facts, at=at)
    has_ack = facts.is_about_an_alert and not facts.bundled
    elsewhere = facts.notice_url or facts.base_url
    body = {
        "title": clip(message.title, 200),
        "body": clip("\n".join(message.lines), LONGEST_BODY_CHARACTERS),
        "url": alert_url(facts) if facts.is_about_an_alert else elsewhere,
        "acknowledge_url": acknowledge_url(facts) if has_ack else "",
        "shown_url": facts.shown_url,
        "tag": _topic(facts),
    }
    encoded = _encode(body)
    left_over = len(encoded) - _LONGEST_BYTES
    if left_over > 0:
        # Letters of some scripts take three or four bytes; one may be cut in two at the end.
        short = body["body"].encode()[: -(left_over + len("…".encode()))]
        encoded = _encode(body | {"body": short.decode(errors="ignore") + "…"})
    return encoded


def _encode(body: dict[str, str]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _headers(url: str, facts: PageFacts, at: datetime) -> dict[str, str]:
    where = httpx.URL(url)
    claims = {
        "aud": f"{where.scheme}://{where.netloc.decode('ascii')}",
        "sub": settings.HEARTHWATCH_VAPID_SUBJECT,
        "exp": int((at + _TOKEN_LIFE).timestamp()),
    }
    return {
        "authorization": _vapid().sign(claims)["Authorization"],
        "content-encoding": "aes128gcm",
        "content-type": "application/octet-stream",
        "ttl": str(int(TIME_TO_LIVE.total_seconds())),
        "urgency": "high",
        # A later page of the same alert takes the place of one that was not shown yet.
        "topic": _topic(facts),
    }


def _topic(facts: PageFacts) -> str:
    if facts.is_about_an_alert:
        return f"alert-{facts.alert_id}"
    if facts.purpose == "notice":
        return f"notice-{facts.page_id[-24:]}"
    return "test" if facts.purpose == "test" else "pager"


def _encrypted(message: bytes, secret: str) -> bytes:
    """Return the message as only the browser can read it; raises ValueError."""
    try:
        said = json.loads(secret)
        keys = {name: _bytes_of(said[name]) for name in _KEY_BYTES}
    except (KeyError, TypeError, AttributeError) as fault:
        raise ValueError("not a subscription") from fault
    if any(len(keys[name]) != length for name, length in _KEY_BYTES.items()):
        raise ValueError("a key of the wrong length")
    sender = ec.generate_private_key(ec.SECP256R1())
    encrypted: bytes = http_ece.encrypt(
        message, private_key=sender, dh=keys["p256dh"], auth_secret=keys["auth"]
    )
    return encrypted


def _vapid() -> Vapid02:
    text = settings.HEARTHWATCH_VAPID_PRIVATE_KEY
    if not text or not settings.HEARTHWATCH_VAPID_SUBJECT:
        raise WebPushNotSetUp
    try:
        return Vapid02.from_raw(text.encode())
    except ValueError:
        raise WebPushNotSetUp from None


def _bytes_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text_of(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).rstrip(b"=").decode()
