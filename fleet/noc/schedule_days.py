"""Two weeks of a schedule as days of bars: half an hour is a column, on the schedule's clocks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fleet.models import Owner
from runbooks.oncall.rota import MIDNIGHT, moment_of
from runbooks.oncall.selectors import ShownTurn

DAYS: Final = 14
#: Columns of a day; the style sheet has a class for each edge.
COLUMNS: Final = 48
#: People are told apart by name; neighbours by one of so many greys.
SHADES: Final = 4
_ORIGINS: Final = {"override": "override", "swap": "swap", "import": "imported"}
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Bar:
    """One stretch of one day; `begins` and `ends` are columns from 0 to 48.

    `hours` are local (`00:00 to 09:00`); `origin` says why the rotations do not count, empty
    where they do.
    """

    name: str
    hours: str
    begins: int
    ends: int
    shade: int
    origin: str
    is_gap: bool
    is_mine: bool

    @property
    def span(self) -> int:
        """How many columns it takes."""
        return self.ends - self.begins


@dataclass(frozen=True, slots=True)
class Day:
    """One local day; `now_column` only on the present one."""

    day: date
    bars: Sequence[Bar]
    holiday: str = ""
    is_today: bool = False
    is_weekend: bool = False
    now_column: int | None = None


def days_of(
    turns: Sequence[ShownTurn],
    *,
    first: date,
    zone: ZoneInfo,
    holidays: Mapping[date, str],
    now: datetime,
    me: Owner | None,
) -> list[Day]:
    """Return fourteen local days from `first`, each with its bars in order."""
    today = now.astimezone(zone).date()
    shades = _shades(turns)
    days = []
    for number in range(DAYS):
        day = first + number * _DAY
        bars = list(_bars(turns, day, zone, shades, me))
        days.append(
            Day(
                day=day,
                bars=bars,
                holiday=holidays.get(day, ""),
                is_today=day == today,
                is_weekend=day.weekday() > 4,
                now_column=min(_column(now, zone), COLUMNS - 1) if day == today else None,
            )
        )
    return days


def span_of(first: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return when the fourteen local days from `first` begin and end."""
    return moment_of(first, MIDNIGHT, zone), moment_of(first + DAYS * _DAY, MIDNIGHT, zone)


def people_in(turns: Iterable[ShownTurn]) -> Collection[Owner]:
    """Return everybody on call in these turns, each once, in the order of their first."""
    return list({turn.owner.pk: turn.owner for turn in turns if turn.owner}.values())


def _shades(turns: Sequence[ShownTurn]) -> dict[int, int]:
    return {owner.pk: number % SHADES for number, owner in enumerate(people_in(turns))}


def _bars(
    turns: Sequence[ShownTurn],
    day: date,
    zone: ZoneInfo,
    shades: Mapping[int, int],
    me: Owner | None,
) -> Iterable[Bar]:
    begins = moment_of(day, MIDNIGHT, zone)
    ends = moment_of(day + _DAY, MIDNIGHT, zone)
    for turn in turns:
        start, end = max(turn.starts_at, begins), min(turn.ends_at, ends)
        if start >= end:
            continue
        first = _column(start, zone)
        last = COLUMNS if end == ends else _column(end, zone)
        # A few minutes still get a column, or nobody would see them.
        first = min(first, COLUMNS - 1)
        yield Bar(
            name=turn.owner.name if turn.owner else "Nobody",
            hours=_hours(start, end, ends, zone),
            begins=first,
            ends=max(last, first + 1),
            shade=shades.get(turn.owner.pk, 0) if turn.owner else 0,
            origin=_ORIGINS.get(turn.origin, ""),
            is_gap=turn.is_gap,
            is_mine=turn.owner is not None and turn.owner == me,
        )


def _column(at: datetime, zone: ZoneInfo) -> int:
    local = at.astimezone(zone)
    return round((local.hour * 60 + local.minute) / 30)


def _hours(start: datetime, end: datetime, midnight: datetime, zone: ZoneInfo) -> str:
    last = "24:00" if end == midnight else f"{end.astimezone(zone):%H:%M}"
    return f"{start.astimezone(zone):%H:%M} to {last}"
