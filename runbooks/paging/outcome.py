"""What an answer to a page means: delivered, try again and when, or give up. Pure.

The rules are those of Standard Webhooks 1.0.0, with a schedule made for paging.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus

#: Seconds between a failed attempt and the next one; the last is repeated.
RETRY_SECONDS = (5, 15, 30, 60, 120)
JITTER = 0.2
_GONE = 410
_TOO_MANY = 429
#: The least a receiver is spared that has too many requests and does not say for how long.
OVERLOAD_SECONDS = 60
_TEMPORARY = frozenset({408, 425, 429})
#: Refusals of what was sent rather than of the sender: alone, each page may be welcome.
_CONTENT_REFUSED = frozenset({400, 413, 415, 422})
#: By kinds of contact that are not answered in HTTP; apprise tells no more than that it is done.
_STATUS_WORDS: Mapping[str, str] = {
    "email": "SMTP {status}",
    "apprise": "accepted by the service",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from one attempt.

    `status` is None when no answer came; `error` then says why in a sentence. `is_gone` says that
    the receiver has gone for good, where its status alone does not. `body` is what was
    read to learn what the receiver means, and is kept nowhere; `body_head`, at most its first
    1,000 characters, is what is kept of it. `retry_after` is the header as it was sent, or empty.
    """

    status: int | None
    error: str = ""
    is_permanent: bool = False
    is_gone: bool = False
    body: str = field(default="", repr=False)
    body_head: str = ""
    retry_after: str = ""
    duration_ms: int = 0

    def __post_init__(self) -> None:
        """Replace NUL, which PostgreSQL text cannot hold, wherever a receiver sent it."""
        for name in ("error", "body_head", "retry_after"):
            text = getattr(self, name)
            if "\x00" in text:
                object.__setattr__(self, name, text.replace("\x00", "\ufffd"))


class Fate(Enum):
    """What becomes of a page after an attempt."""

    SENT = "sent"
    RETRY = "retry"
    DEAD = "dead"
    GONE = "gone"
    """Dead, and the receiver asks never to be called again."""


def fate_of(answer: Answer) -> Fate:
    """Return what the answer means. Only 2xx is success; a redirect is none and not followed."""
    status = answer.status
    if status is None:
        return Fate.DEAD if answer.is_permanent else Fate.RETRY
    if 200 <= status < 300:
        return Fate.SENT
    if status == _GONE or answer.is_gone:
        return Fate.GONE
    if status >= 500 or status in _TEMPORARY:
        return Fate.RETRY
    return Fate.DEAD


def retry_delay(
    answer: Answer, *, attempts_made: int, now: datetime, give_up_at: datetime, rng: random.Random
) -> timedelta:
    """Return how long to wait after failed attempt `attempts_made`, which counts from 1.

    `Retry-After`, in seconds or as a date, is honoured between the scheduled delay and twice it:
    a receiver can slow a page down a little, never silence it. One that answers 429 without it is
    spared a minute, where that leaves time for another attempt before `give_up_at`.
    """
    position = min(max(attempts_made, 1), len(RETRY_SECONDS)) - 1
    base = float(RETRY_SECONDS[position])
    asked = _asked_seconds(answer.retry_after, now)
    if asked is not None:
        return timedelta(seconds=min(max(asked, base), 2 * base))
    scheduled = timedelta(seconds=base * rng.uniform(1 - JITTER, 1 + JITTER))
    if answer.status != _TOO_MANY:
        return scheduled
    spared = timedelta(seconds=OVERLOAD_SECONDS * rng.uniform(1, 1 + JITTER))
    return max(scheduled, spared) if now + spared < give_up_at else scheduled


def is_content_refused(answer: Answer) -> bool:
    """Tell whether the receiver may not know bundles: then their pages are sent one by one."""
    return answer.status in _CONTENT_REFUSED


def asks_to_acknowledge(answer: Answer) -> bool:
    """Tell whether a receiver that took the page says, in its answer, that somebody has it."""
    try:
        said = json.loads(answer.body)
    # A thousand opening brackets are too deep for the decoder; that is no fault of ours.
    except (ValueError, RecursionError):
        return False
    # Exactly `true`: a word or a number there may mean anything.
    return isinstance(said, dict) and said.get("acknowledge") is True


def describe(answer: Answer, *, kind: str) -> str:
    """Return the outcome in a few words: `HTTP 503`, or why there was no answer.

    `kind` is that of the contact it came from.
    """
    return answer.error or status_words(answer.status, kind)


def status_words(status: int | None, kind: str) -> str:
    """Return a status as whoever looks for a fault knows it: `HTTP 200`, `SMTP 250`."""
    return _STATUS_WORDS.get(kind, "HTTP {status}").format(status=status)


def gone_sentence(answer: Answer, *, now: datetime) -> str:
    """Return why a contact was switched off, as a sentence."""
    status = answer.status or _GONE
    return f"The receiver answered {status} {HTTPStatus(status).phrase} at {now:%F %H:%M} UTC."


def _asked_seconds(header: str, now: datetime) -> float | None:
    header = header.strip()
    # Nine digits are decades already; more would overflow a timedelta.
    if header.isascii() and header.isdigit():
        return float(header[:9]) if len(header) <= 9 else 1e9
    try:
        return (parsedate_to_datetime(header) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
