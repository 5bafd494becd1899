"""When maintenance takes place, once or recurring, on local clocks. Pure.

A recurring span keeps its local times of day. Where clocks skip its beginning, it begins as much
later as they skip; where an hour comes twice, it begins in the first and ends in the second, so
that work that was announced for these hours is covered. A monthly span of the 31st takes place on
the last day of a shorter month.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

#: How far back a span that is still on can have begun, counted in turns.
_TURNS_BACK: Final = 2
#: The longest a span may be, by how often it comes: two never overlap.
LONGEST: Final = {
    "once": timedelta(days=90),
    "day": timedelta(hours=23),
    "week": timedelta(days=6),
    "month": timedelta(days=27),
}


class Window(Protocol):
    """What the spans of a maintenance window follow from."""

    starts_at: datetime
    ends_at: datetime
    every: str
    last_day: date | None
    time_zone: str


@dataclass(frozen=True, slots=True)
class Span:
    """One time the work takes place, `ends_at` not included; both UTC."""

    starts_at: datetime
    ends_at: datetime

    def holds(self, at: datetime) -> bool:
        """Tell whether `at` lies in it."""
        return self.starts_at <= at < self.ends_at


def span_at(window: Window, *, at: datetime) -> Span | None:
    """Return the span that `at` lies in, None where there is none."""
    span = next_span_of(window, at=at)
    return span if span is not None and span.holds(at) else None


def next_span_of(window: Window, *, at: datetime) -> Span | None:
    """Return the span that `at` lies in or the next one, None when all are over."""
    return next((span for span in spans_from(window, at=at)), None)


def spans_between(window: Window, *, start: datetime, end: datetime) -> list[Span]:
    """Return the spans of which any part lies between `start` and `end`, in order."""
    found = []
    for span in spans_from(window, at=start):
        if span.starts_at >= end:
            break
        found.append(span)
    return found


def spans_from(window: Window, *, at: datetime) -> Iterator[Span]:
    """Yield the spans that end after `at`, in order; without end where the window has none."""
    first = Span(window.starts_at.astimezone(UTC), window.ends_at.astimezone(UTC))
    if window.every == "once":
        yield from [first] if first.ends_at > at else []
        return
    zone = ZoneInfo(window.time_zone)
    local_start = window.starts_at.astimezone(zone).replace(tzinfo=None)
    local_end = window.ends_at.astimezone(zone).replace(tzinfo=None)
    length = local_end - local_start
    if length <= timedelta(0):
        # The first one lies across the hour that comes twice; its true length counts.
        length = first.ends_at - first.starts_at
    number = max(0, _turns_until(window.every, local_start.date(), at.astimezone(zone).date()))
    number = max(0, number - _TURNS_BACK)
    while True:
        begins = _turn(window.every, local_start, number)
        if begins is None or (window.last_day is not None and begins.date() > window.last_day):
            return
        span = first if number == 0 else _on_the_clock(begins, length, zone)
        if span is None:
            return
        if span.ends_at > at:
            yield span
        number += 1


def _turns_until(every: str, first: date, day: date) -> int:
    if every == "month":
        return (day.year - first.year) * 12 + day.month - first.month
    days = (day - first).days
    return days // 7 if every == "week" else days


def _turn(every: str, local_start: datetime, number: int) -> datetime | None:
    """Return the local time at which turn `number` begins; None past the end of the calendar."""
    try:
        if every != "month":
            return local_start + timedelta(days=number * (7 if every == "week" else 1))
        year, month = divmod(local_start.month - 1 + number, 12)
        year, month = local_start.year + year, month + 1
        day = min(local_start.day, calendar.monthrange(year, month)[1])
        return local_start.replace(year=year, month=month, day=day)
    except (OverflowError, ValueError):
        return None


def _on_the_clock(begins: datetime, length: timedelta, zone: ZoneInfo) -> Span | None:
    try:
        starts_at = begins.replace(tzinfo=zone).astimezone(UTC)
        end = (begins + length).replace(tzinfo=zone)
        # Of a time that comes twice the second, of one that is skipped the one further on.
        ends_at = max(end.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    except OverflowError:
        return None
    if ends_at <= starts_at:
        ends_at = starts_at + length
    return Span(starts_at, ends_at)
