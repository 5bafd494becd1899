"""Whose line is it: bearer tokens, scoped to one site and revocable at any time."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from fleet.models import AgentToken
from fleet.services.tokens import hash_token

#: `last_used_at` is written at most this often, in seconds.
USE_NOTED_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Identity:
    """The token that opened a connection, and the one site it speaks for."""

    token_id: int
    site_id: int


def bearer_token(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the token of an `Authorization: Bearer` header, empty when there is none."""
    for name, value in headers:
        scheme, _, token = value.partition(b" ")
        if name.lower() == b"authorization" and scheme.lower() == b"bearer":
            return token.strip().decode("ascii", "replace")
    return ""


def identify(*, token: str) -> Identity | None:
    """Return whose token it is; None when it is unknown or was revoked."""
    if not token:
        return None
    known = AgentToken.objects.filter(token_hash=hash_token(text=token), revoked_at__isnull=True)
    row = known.values_list("pk", "site_id").first()
    return None if row is None else Identity(*row)


def valid_token_ids(*, among: Collection[int]) -> set[int]:
    """Return those of the tokens that still exist and were not revoked."""
    tokens = AgentToken.objects.filter(pk__in=among, revoked_at__isnull=True)
    return set(tokens.order_by().values_list("pk", flat=True))


def note_use(*, token_ids: Collection[int], now: datetime) -> None:
    """Write down that the tokens are in use, where that was not done within a minute."""
    noted_before = Q(last_used_at__isnull=True) | Q(
        last_used_at__lt=now - timedelta(seconds=USE_NOTED_SECONDS)
    )
    AgentToken.objects.filter(noted_before, pk__in=token_ids).update(last_used_at=now)
