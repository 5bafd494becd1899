"""Programs' tokens: made once, shown once, kept as a hash; each acts for one user in its scopes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from django.db import transaction

from fleet.access import Action, may
from fleet.models import ApiToken, AuditEntry, Site
from fleet.services.tokens import hash_token, mint_token

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: So that a token is known as one wherever it turns up.
PREFIX = "hwa_"
#: A sender may come by every second; when it last came is worth one write a minute.
_USE_IS_NOTED_EVERY = timedelta(minutes=1)


class Scope(StrEnum):
    """What a token may do, at most; its user's rights narrow it further."""

    READ_ALERTS = "alerts:read"
    WRITE_ALERTS = "alerts:write"
    WRITE_SILENCES = "silences:write"


class ApiTokenError(Exception):
    """A token that cannot be made or revoked; `code` says why to machines."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


class IssuedApiToken(NamedTuple):
    """A new token; `text` is the secret itself and exists nowhere else."""

    token: ApiToken
    text: str

    def __repr__(self) -> str:
        return f"<IssuedApiToken {self.token}>"


@transaction.atomic
def create_api_token(
    *,
    user: User,
    label: str,
    scopes: Collection[str],
    now: datetime,
    site: Site | None = None,
    by: User | None = None,
) -> IssuedApiToken:
    """Make a token with which a program acts for `user`; `by` None means the command line.

    `site` is where alerts without a `site` label belong. Raises `ApiTokenError` with the code
    `no_scope`, `unknown_scope`, `user_inactive` or `site_hidden`.
    """
    _check(user, scopes, site)
    text, kept = mint_token(prefix=PREFIX)
    token = ApiToken.objects.create(
        user=user,
        label=label,
        scopes=sorted(set(scopes)),
        site=site,
        created_at=now,
        **kept,
    )
    _write_down("api_token.created", token, now, by)
    return IssuedApiToken(token, text)


@transaction.atomic
def revoke_api_token(*, token: ApiToken, now: datetime, by: User | None = None) -> None:
    """Refuse a token from now on; raises `ApiTokenError` (`token_already_revoked`)."""
    valid = ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True)
    if not valid.update(revoked_at=now):
        raise ApiTokenError(
            "token_already_revoked",
            f"The token {token} was revoked already; nothing is left to do.",
        )
    _write_down("api_token.revoked", token, now, by)


def find_api_token(*, text: str, now: datetime) -> ApiToken | None:
    """Return the token that `text` is, with its user and site, or None when it is not in force.

    A token whose user was switched off is not in force.
    """
    if not text.startswith(PREFIX):
        return None
    valid = ApiToken.objects.filter(revoked_at__isnull=True, user__is_active=True)
    token = valid.select_related("user", "site").filter(token_hash=hash_token(text=text)).first()
    if token is not None:
        before = token.last_used_at
        if before is None or now - before >= _USE_IS_NOTED_EVERY:
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def _check(user: User, scopes: Collection[str], site: Site | None) -> None:
    unknown = sorted(set(scopes) - set(Scope))
    if unknown:
        raise ApiTokenError(
            "unknown_scope",
            f"There is no scope {unknown[0]!r}. There are: {', '.join(Scope)}.",
        )
    if not scopes:
        raise ApiTokenError(
            "no_scope", f"The token could do nothing. Give it a scope: {', '.join(Scope)}."
        )
    if not user.is_active:
        raise ApiTokenError(
            "user_inactive",
            f"{user} is switched off, so the token would open nothing. Choose another user.",
        )
    if site is not None and not may(user, Action.VIEW, site):
        raise ApiTokenError(
            "site_hidden",
            f"{user} may not see {site}. Give them a role there, or choose another site.",
        )


def _write_down(action: str, token: ApiToken, now: datetime, by: User | None) -> None:
    AuditEntry.objects.create(
        at=now,
        actor=by,
        action=action,
        subject=f"{token.user} {token.prefix}"[:200],
        detail={
            "label": token.label,
            "scopes": token.scopes,
            "site": token.site.slug if token.site else None,
        },
    )
