"""One entry of a run's log, as far as it decides where the run stands. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

#: The count of an entry that was taken in by hand under another's; only the server writes it.
COUNT_WORD: Final = "count"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of a run's log, as far as it decides anything.

    `person` is an id or, for somebody without an account, a name; `id` is None while only the
    device has it. `skew` is how far the device's clock was ahead, in seconds.
    """

    kind: str
    step: str = ""
    id: int | None = None
    device: str = ""
    count: int | None = None
    person: str = ""
    is_engine: bool = False
    skew: float | None = None
    input: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """What another entry may call this one."""
        by_id = () if self.id is None else (str(self.id),)
        by_count = () if self.count is None else (f"{self.device}:{self.count}",)
        return by_id + by_count

    @property
    def told_count(self) -> int | None:
        """The device's count when it wrote this, also where another entry has that count."""
        told = self.count if self.count is not None else self.input.get(COUNT_WORD)
        return told if isinstance(told, int) else None

    @property
    def writer(self) -> tuple[str, str]:
        """Who wrote it where; the last entry of a writer is what they say."""
        return ("engine", "") if self.is_engine else (self.person, self.device)


def end_of_wait(entry: LogEntry) -> datetime | None:
    """Return the end of a wait by the server's clock; None where it is no moment."""
    try:
        until = datetime.fromisoformat(str(entry.input.get("until", "")))
        return until - timedelta(seconds=entry.skew or 0) if until.tzinfo else None
    except (ValueError, OverflowError):
        return None
