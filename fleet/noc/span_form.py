"""Times that people type: `2030-01-01T21:00` on the clocks of a zone, read with named faults."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from fleet.noc.whole_numbers import read_whole

#: Near the ends of the calendar, the same moment in another zone would lie outside it.
_LEAST_YEAR, _MOST_YEAR = 2000, 2200


class FormFault(Exception):
    """What somebody typed that cannot be used; the text says what to write instead."""

    code = "form_fault"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def read_moment(text: str, *, zone: str, what: str) -> datetime:
    """Return the moment as UTC; raises FormFault for what is no time, and for one that never is.

    A time that comes twice, when clocks go back, means the first of the two.
    """
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise FormFault(f"The {what} is no time; write it like 2030-01-31T21:00.") from None
    _refuse_beyond_plans(local, what)
    if local.tzinfo is not None:
        return local.astimezone(UTC)
    moment = local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    if moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != local:
        raise FormFault(
            f"The {what}, {local:%H:%M} on {local:%-d %B}, does not exist in {zone}: clocks go "
            "forward then. Choose another time."
        )
    return moment


def read_day(text: str, *, what: str) -> date | None:
    """Return the day, None where nothing was typed; raises FormFault."""
    if not text.strip():
        return None
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise FormFault(f"The {what} is no day; write it like 2030-01-31.") from None
    _refuse_beyond_plans(day, what)
    return day


def read_hours(text: str, *, most: int, what: str) -> timedelta:
    """Return a whole number of hours from 1 to `most`; raises FormFault."""
    number = read_whole(text, digits=5) or 0
    if not 0 < number <= most:
        raise FormFault(f"The {what} must be 1 to {most:,} hours.")
    return timedelta(hours=number)


def _refuse_beyond_plans(day: date, what: str) -> None:
    if not _LEAST_YEAR <= day.year <= _MOST_YEAR:
        raise FormFault(f"The {what} must lie in the years {_LEAST_YEAR} to {_MOST_YEAR}.")
