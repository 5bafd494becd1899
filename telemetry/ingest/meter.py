"""How many refusals of one connection are kept one by one. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from telemetry.ingest.intake import Refusal
from telemetry.protocol import RejectCode

#: Refusals of one connection that get a row each within a minute; the rest are counted in one.
REFUSALS_PER_MINUTE = 50


class RefusalMeter:
    """Lets a limited number of refusals a minute be kept one by one and counts the others."""

    def __init__(self) -> None:
        self._minute_ends: datetime | None = None
        self._kept = 0
        self._codes: Counter[str] = Counter()

    def admit(self, refusals: Sequence[Refusal], now: datetime) -> list[Refusal]:
        """Return the refusals to tell: kept ones first, the rest as one that is not kept."""
        if self._minute_ends is None or now >= self._minute_ends:
            self._minute_ends, self._kept = now + timedelta(minutes=1), 0
        room = max(0, REFUSALS_PER_MINUTE - self._kept)
        kept, rest = list(refusals[:room]), refusals[room:]
        self._kept += len(kept)
        self.count(rest)
        if len(rest) > 1:
            message = f"{len(rest)} windows were refused; this is the first: {rest[0].message}"
            kept.append(replace(rest[0], message=message, is_kept=False))
        elif rest:
            kept.append(replace(rest[0], is_kept=False))
        return kept

    def count(self, refusals: Sequence[Refusal]) -> None:
        """Note refusals that get no row of their own."""
        self._codes.update(refusal.code.value for refusal in refusals)

    def summary(self, now: datetime | None) -> Refusal | None:
        """Return one refusal for all that were only counted, once their minute is over.

        `now` None means that the connection ends, so that nothing more can come.
        """
        is_over = now is None or self._minute_ends is None or now >= self._minute_ends
        if not self._codes or not is_over:
            return None
        words = ", ".join(f"{code} {count}" for code, count in self._codes.most_common())
        code = RejectCode(self._codes.most_common(1)[0][0])
        message = f"{self._codes.total()} more were refused within a minute: {words}."
        self._codes.clear()
        return Refusal(code, "$", message, b"", 0)
