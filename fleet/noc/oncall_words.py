"""Times and people of the on-call pages in words: every time says whose clock it is on."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.utils.html import format_html
from django.utils.safestring import SafeString

from fleet.lengths import exact_words


def place_of(zone: str) -> str:
    """Return where a zone's clocks hang: `in Tokyo`, `UTC`."""
    return "UTC" if zone == "UTC" else f"in {zone.rpartition('/')[2].replace('_', ' ')}"


def local_time(at: datetime, zone: str) -> SafeString:
    """Return day and time on the clocks of `zone`, with UTC behind it."""
    local = at.astimezone(ZoneInfo(zone))
    return _marked(at, f"{local:%a %-d %b}, {local:%H:%M} {place_of(zone)}")


def local_clock(at: datetime, zone: str) -> SafeString:
    """Return the time of day on the clocks of `zone`."""
    return _marked(at, f"{at.astimezone(ZoneInfo(zone)):%H:%M} {place_of(zone)}")


def local_span(begins: datetime, ends: datetime, zone: str) -> SafeString:
    """Return from when to when on the clocks of `zone`, the last day where it is another."""
    first, last = begins.astimezone(ZoneInfo(zone)), ends.astimezone(ZoneInfo(zone))
    day = f"{last:%a %-d %b}, " if last.date() != first.date() else ""
    words = f"{first:%a %-d %b}, {first:%H:%M} to {day}{last:%H:%M} {place_of(zone)}"
    return _marked(begins, words)


def short_clock(at: datetime, zone: str) -> SafeString:
    """Return the bare time of day, where what stands beside it says whose it is."""
    return _marked(at, f"{at.astimezone(ZoneInfo(zone)):%H:%M}")


def plain_time(at: datetime, zone: str) -> str:
    """Return day and time without a mark, for the choices of a form."""
    return f"{at.astimezone(ZoneInfo(zone)):%a %-d %b, %H:%M}"


def form_time(at: datetime, zone: str) -> str:
    """Return a time as a form's field wants it: `2030-01-01T21:00`."""
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M}"


def wait_words(seconds: float) -> str:
    """Return how long a step waits: `5 min`, `1 min 30 s`."""
    return exact_words(seconds)


def _marked(at: datetime, words: str) -> SafeString:
    utc = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        f"{utc:%Y-%m-%dT%H:%M:%SZ}",
        f"{utc:%-d %b %Y, %H:%M} UTC",
        words,
    )
