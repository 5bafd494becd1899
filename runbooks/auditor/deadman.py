"""The dead man's switch: somebody outside hears from us while all is well, and misses us else."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from runbooks.paging.outcome import Fate, fate_of
from runbooks.paging.transports import exchange

logger = logging.getLogger(__name__)


class DeadMan:
    """Pings one outside URL, at most once in `every`; without a URL it does nothing.

    A ping that does not get through is tried again in the next round. `allowed` is the allow-list
    of `runbooks.paging.addresses.find_target`.
    """

    def __init__(
        self, url: str, *, every: timedelta, timeout_seconds: float, allowed: Sequence[str]
    ) -> None:
        self._url = url
        self._every = every
        self._timeout_seconds = timeout_seconds
        self._allowed = allowed
        self._last_at: datetime | None = None

    def ping(self, *, now: datetime) -> bool:
        """GET the URL when a ping is due; True when one got through."""
        if not self._url or not self._is_due(now):
            return False
        answer = exchange.get(
            self._url, timeout_seconds=self._timeout_seconds, allowed=self._allowed
        )
        if fate_of(answer) is not Fate.SENT:
            # Without the URL: who knows it can keep the switch quiet.
            said = answer.error or f"status {answer.status}"
            logger.warning("deadman.not_reached", extra={"error": said})
            return False
        self._last_at = now
        return True

    def _is_due(self, now: datetime) -> bool:
        if self._last_at is None:
            return True
        # A clock that was set back must not keep it silent.
        return not self._last_at <= now < self._last_at + self._every
