"""Why a heartbeat is refused."""

from __future__ import annotations

from runbooks.refused import Refused


class HeartbeatError(Refused):
    """A heartbeat that cannot be had: a `code` for machines, a sentence for people."""


def already_revoked(subject: object) -> HeartbeatError:
    """Return what to say of one that is gone."""
    return HeartbeatError(
        "already_revoked", f"{subject} was revoked already; nothing is left to do."
    )
