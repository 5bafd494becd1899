"""A device's key to one run, and claims: the codes with which a device gets one without a login.

A key opens one run and can only add to it; it lives 72 hours. Only hashes are kept. A claim (the QR
code) is bound to the first device that takes it, and is no key itself: whoever photographs it later
gets nothing.
"""

from __future__ import annotations

import logging
import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db import transaction

from fleet.access import Action, may
from fleet.services.tokens import hash_token
from runbooks.models import Run, RunToken
from runbooks.runs.errors import RunError, run_ended
from runbooks.runs.log import locked_run

logger = logging.getLogger(__name__)

#: So that a key is known as one wherever it turns up.
PREFIX = "hwr_"
LIFETIME = timedelta(hours=72)
#: Keys and claims a run can have; more is no crew but a mistake.
MOST_TOKENS = 50
_RANDOM_BYTES = 30
_SHOWN_CHARACTERS = 8


class IssuedToken(NamedTuple):
    """A new key or claim; `text` is the secret itself and exists nowhere else."""

    token: RunToken
    text: str

    def __repr__(self) -> str:
        return f"<IssuedToken {self.token}>"


@transaction.atomic
def issue_token(
    *, run: Run, user: User, device_id: str, now: datetime, is_end_fine: bool = False
) -> IssuedToken:
    """Make a key for a device of somebody who is logged in; raises RunError.

    With `is_end_fine` for a run that has ended, too: its device brings what it wrote before.
    """
    current = locked_run(run.pk)
    if current.state in Run.ENDED and not is_end_fine:
        raise run_ended(current)
    return _make(current, user=user, device_id=device_id, now=now)


@transaction.atomic
def make_claim(*, run: Run, now: datetime) -> IssuedToken:
    """Make a claim: for whom the run is dispatched to, or for anybody. Raises RunError."""
    current = locked_run(run.pk)
    if current.state in Run.ENDED:
        raise run_ended(current)
    text = secrets.token_urlsafe(_RANDOM_BYTES)
    made = _make(current, user=current.assigned_to, device_id="", now=now, claim=text)
    return IssuedToken(made.token, text)


@transaction.atomic
def take_claim(*, text: str, device_id: str, now: datetime) -> IssuedToken:
    """Bind a claim to the device and return a key; the same device may take it again.

    Raises RunError: claim_unknown, claim_taken, token_revoked, token_expired, run_ended.
    """
    claim = find_claim(text=text)
    run = locked_run(claim.run_id)
    claim = find_claim(text=text)  # Again under the lock: another device may have been faster.
    refuse_invalid(claim, now=now)
    if run.state in Run.ENDED:
        raise run_ended(run)
    if claim.device_id and claim.device_id != device_id:
        raise RunError(
            "claim_taken",
            f"Another device took R-{run.pk} already. Ask who gave you the code for a new one.",
        )
    RunToken.objects.filter(pk=claim.pk, device_id="").update(device_id=device_id)
    logger.info("run.claimed", extra={"run_id": run.pk, "token": claim.prefix})
    return _make(run, user=claim.user, device_id=device_id, now=now)


@transaction.atomic
def revoke_token(*, token: RunToken, now: datetime) -> None:
    """Take back a key or a claim; what its device still sends is kept aside, not lost."""
    if not RunToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=now):
        raise RunError("token_revoked", f"{token} was revoked already; nothing is left to do.")
    logger.info("run.token_revoked", extra={"run_id": token.run_id, "token": token.prefix})


@transaction.atomic
def revoke_device(*, run: Run, device_id: str, now: datetime) -> int:
    """Take back every key and claim of a device of the run; return how many there were."""
    held = RunToken.objects.filter(run=run, device_id=device_id, revoked_at__isnull=True)
    return held.update(revoked_at=now)


def find_token(*, text: str) -> RunToken | None:
    """Return the key that `text` is, in force or not, or None for an unknown one."""
    if not text.startswith(PREFIX):
        return None
    tokens = RunToken.objects.select_related("run__site", "user")
    return tokens.filter(token_hash=hash_token(text=text), claim_hash=None).first()


def find_claim(*, text: str) -> RunToken:
    """Return the claim that `text` is; raises RunError for an unknown one."""
    claims = RunToken.objects.select_related(
        "run__site", "run__runbook_version__runbook", "run__assigned_to", "user"
    )
    claim = claims.filter(claim_hash=hash_token(text=text)).first()
    if claim is None:
        raise RunError(
            "claim_unknown",
            "No run has this code. Scan it again, or ask who gave it to you for a new one.",
        )
    return claim


def refuse_unfit(token: RunToken, *, run: Run, now: datetime) -> None:
    """Raise RunError when the key is none to this run, or is not in force."""
    if token.run_id != run.pk:
        raise RunError("entry_of_another_run", f"This is no key to R-{run.pk}.")
    refuse_invalid(token, now=now)


def refuse_invalid(token: RunToken, *, now: datetime) -> None:
    """Raise RunError when the key or claim is not in force.

    A key does not outlive the rights of the person it was made for.
    """
    has_lost_rights = token.user is not None and not may(token.user, Action.RUN, token.run.site)
    if token.revoked_at is not None or has_lost_rights:
        raise RunError(
            "token_revoked",
            f"This device's key to R-{token.run_id} was taken back. Ask the lead for a new one.",
        )
    if now >= token.expires_at:
        raise RunError(
            "token_expired",
            f"This device's key to R-{token.run_id} ended after 72 hours. Ask the lead for a new "
            "one.",
        )


def _make(
    run: Run, *, user: User | None, device_id: str, now: datetime, claim: str = ""
) -> IssuedToken:
    if run.tokens.count() >= MOST_TOKENS:
        raise RunError(
            "too_many_tokens",
            f"R-{run.pk} has {MOST_TOKENS} keys already; start a new run for more devices.",
        )
    text = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    token = RunToken.objects.create(
        run=run,
        prefix=(claim or text)[:_SHOWN_CHARACTERS],
        token_hash=hash_token(text=text),
        claim_hash=hash_token(text=claim) if claim else None,
        user=user,
        device_id=device_id,
        created_at=now,
        expires_at=now + LIFETIME,
    )
    return IssuedToken(token, text)
