"""Agents' tokens: made once, shown once, kept as a hash, revoked for good."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from django.db import transaction

from fleet.models import AgentToken, AuditEntry, Site

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: So that a token is known as one wherever it turns up.
PREFIX = "hw_"
#: 30 random bytes are 40 URL-safe characters and 240 bits: too many to guess, so nobody has to
#: count wrong guesses.
_RANDOM_BYTES = 30
_SHOWN_CHARACTERS = 12


class TokenAlreadyRevoked(Exception):
    """The token was revoked before; nothing is left to do."""

    code = "token_already_revoked"

    def __init__(self, token: AgentToken) -> None:
        super().__init__(f"The token {token} was revoked already; nothing is left to do.")


class IssuedToken(NamedTuple):
    """A new token; `text` is the secret itself and exists nowhere else."""

    token: AgentToken
    text: str

    def __repr__(self) -> str:
        return f"<IssuedToken {self.token}>"


def mint_token(*, prefix: str) -> tuple[str, dict[str, str]]:
    """Return a new token, which begins with `prefix`, and all that is kept of it."""
    text = prefix + secrets.token_urlsafe(_RANDOM_BYTES)
    return text, {"prefix": text[:_SHOWN_CHARACTERS], "token_hash": hash_token(text=text)}


def hash_token(*, text: str) -> str:
    """Return what is kept of a token: its SHA-256 in hex; the token itself is random enough."""
    return hashlib.sha256(text.encode()).hexdigest()


@transaction.atomic
def create_agent_token(
    *, site: Site, label: str, now: datetime, by: User | None = None
) -> IssuedToken:
    """Make a token with which agents of `site` sign on; `by` None means the command line."""
    text, kept = mint_token(prefix=PREFIX)
    token = AgentToken.objects.create(site=site, label=label, created_at=now, **kept)
    _write_down("agent_token.created", token, now, by)
    return IssuedToken(token, text)


@transaction.atomic
def revoke_agent_token(*, token: AgentToken, now: datetime, by: User | None = None) -> None:
    """Refuse a token from now on; connections that use it are closed within 30 s.

    Raises `TokenAlreadyRevoked` when somebody was quicker.
    """
    valid = AgentToken.objects.filter(pk=token.pk, revoked_at__isnull=True)
    if not valid.update(revoked_at=now):
        raise TokenAlreadyRevoked(token)
    _write_down("agent_token.revoked", token, now, by)


def _write_down(action: str, token: AgentToken, now: datetime, by: User | None) -> None:
    AuditEntry.objects.create(
        at=now,
        actor=by,
        action=action,
        subject=f"{token.site.slug} {token.prefix}",
        detail={"label": token.label},
    )
