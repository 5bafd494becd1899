"""Why a heartbeat is refused."""

from __future__ import annotations


class HeartbeatError(Exception):
    """A heartbeat that cannot be had: a `code` for machines, a sentence for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


def already_revoked(subject: object) -> HeartbeatError:
    """Return what to say of one that is gone."""
    return HeartbeatError(
        "already_revoked", f"{subject} was revoked already; nothing is left to do."
    )
