"""Signatures of Standard Webhooks 1.0.0: made for pages, checked for what receivers send. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from secrets import token_bytes

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from runbooks.refused import Refused

TOLERANCE_SECONDS = 300
SHORTEST_KEY_BYTES, LONGEST_KEY_BYTES = 24, 64
_PREFIX = "whsec_"
_NEW_KEY_BYTES = 32
#: More than any honest sender makes; each costs a comparison.
_MOST_SIGNATURES = 16
_LONGEST_STAMP = 12


class SecretError(ValueError):
    """A signing secret that cannot be used; the text says what one looks like."""

    code = "bad_secret"

    def __init__(self) -> None:
        super().__init__(
            "The contact's signing secret cannot be used; write 'whsec_' and the base64 of "
            "24 to 64 random bytes."
        )


class SignatureError(Refused):
    """A request that is not shown to be genuine: a `code` for machines, a sentence for people."""


def is_strong(secret: str) -> bool:
    """Tell whether `secret` is `whsec_` and the base64 of 24 to 64 bytes."""
    key = _key(secret)
    is_long_enough = key is not None and SHORTEST_KEY_BYTES <= len(key) <= LONGEST_KEY_BYTES
    return secret.startswith(_PREFIX) and is_long_enough


def new_secret() -> str:
    """Return a new random secret."""
    return _PREFIX + base64.b64encode(token_bytes(_NEW_KEY_BYTES)).decode("ascii")


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


def sign_with_each(
    body: bytes, *, page_id: str, secrets: Sequence[str], at: datetime
) -> dict[str, str]:
    """Return the headers of `sign` with one signature a secret, parted by spaces.

    Raises SecretError where there is no secret or one cannot be used.
    """
    signed = [sign(body, page_id=page_id, secret=secret, at=at) for secret in secrets]
    if not signed:
        raise SecretError
    signatures = " ".join(headers["webhook-signature"] for headers in signed)
    return {**signed[0], "webhook-signature": signatures}


def verify(
    body: bytes, headers: Mapping[str, str], *, secrets: Sequence[str], now: datetime
) -> None:
    """Return where one of `secrets` signed `body` within five minutes of `now`.

    Header names are lower-case. Raises SignatureError (`signature_missing`,
    `signature_malformed`, `signature_too_old`, `signature_wrong`), and nothing else whatever the
    request holds. The library's own check lets malformed headers escape as ValueError.
    """
    page_id, stamp, given = (
        headers.get(name) or "" for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
    )
    if not (page_id and stamp and given):
        raise SignatureError(
            "signature_missing",
            "The request is not signed. Send webhook-id, webhook-timestamp and webhook-signature.",
        )
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= _LONGEST_STAMP):
        raise SignatureError(
            "signature_malformed",
            "The header webhook-timestamp cannot be read. Send whole seconds since 1970.",
        )
    if abs(now.timestamp() - int(stamp)) > TOLERANCE_SECONDS:
        raise SignatureError(
            "signature_too_old",
            "The request was signed more than five minutes away from this server's clock. Set "
            "your clock and sign it anew.",
        )
    # Surrogates, which some servers make of bytes that are no text, cannot be signed.
    signed = f"{page_id}.{stamp}.".encode("utf-8", "replace") + body
    if not _is_any_right(given, [_digest(secret, signed) for secret in secrets]):
        raise SignatureError(
            "signature_wrong",
            "The signature does not fit. Sign the id, the timestamp and the very bytes of the "
            "body with the contact's secret.",
        )


def _digest(secret: str, signed: bytes) -> bytes | None:
    """Return the right signature; None for a secret with which anybody could sign."""
    key = _key(secret)
    if key is None or len(key) < SHORTEST_KEY_BYTES:
        return None
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())


def _key(secret: str) -> bytes | None:
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        return None


def _is_any_right(given: str, expected: Sequence[bytes | None]) -> bool:
    is_right = False
    for signature in given.split(" ")[:_MOST_SIGNATURES]:
        version, _, value = signature.partition(",")
        text = value.encode("utf-8", "replace")
        for digest in expected:
            # No early end: how long it takes must not tell which signature was nearly right.
            if digest is not None and hmac.compare_digest(digest, text) and version == "v1":
                is_right = True
    return is_right
