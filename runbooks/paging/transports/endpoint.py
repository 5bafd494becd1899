"""Where a page goes and what its receiver knows us by, free of rows so that threads can use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from fleet.models import Contact
from runbooks.paging.content import PageFacts
from runbooks.paging.outcome import Answer
from runbooks.refused import Refused


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One contact as a transport sees it; `secrets` holds the newest first, and may be empty."""

    kind: str
    # Left out of what is printed: the address of a chat room is as good as a password.
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def secret(self) -> str:
        """The secret in force, or nothing."""
        return self.secrets[0] if self.secrets else ""


class Transport(Protocol):
    """A way to get a page out. Runs in a thread, without the database; does not raise.

    `at` is the time of the attempt; it ends within `timeout_seconds`. `allowed` is the allow-list
    of `runbooks.paging.addresses.find_target`.
    """

    def __call__(
        self,
        facts: PageFacts,
        *,
        endpoint: Endpoint,
        at: datetime,
        timeout_seconds: float,
        allowed: Sequence[str],
    ) -> Answer: ...


class Asker(Protocol):
    """A way to ask a receiver what became of a page it took; bound by what binds a Transport.

    `webhook_id` is the id it knows the page by. Its answer's body says `receipt` and `seq`.
    """

    def __call__(
        self,
        webhook_id: str,
        *,
        endpoint: Endpoint,
        at: datetime,
        timeout_seconds: float,
        allowed: Sequence[str],
    ) -> Answer: ...


class EndpointError(Refused):
    """An address or a secret that its kind cannot use: a `code` for machines, a sentence."""


def endpoint_of(contact: Contact, at: datetime) -> Endpoint:
    """Return where `contact` is paged at `at`; during a change of secret it has two of them."""
    secrets = [contact.secret] if contact.secret else []
    until = contact.previous_secret_until
    if contact.previous_secret and until is not None and until > at:
        secrets.append(contact.previous_secret)
    return Endpoint(kind=contact.kind, url=contact.url, secrets=tuple(secrets))
