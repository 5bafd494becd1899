"""Lengths of time as people say them. Pure; `static/js/clock.js` says the same."""

from __future__ import annotations


def duration_words(seconds: float) -> str:
    """Return a length of time as people say it: `12 s`, `4 min`, `1 h 40 min`, `3 d 4 h`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 and days < 7 else f"{days} d"


def exact_words(seconds: float) -> str:
    """Return a length that somebody set, to the second: `45 s`, `1 min 30 s`, `1 d 2 h`.

    An age may be rounded; a wait of 90 s that reads `1 min` would be a false promise.
    """
    whole = max(0, int(seconds))
    sizes = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    parts = []
    for unit, size in sizes:
        count, whole = divmod(whole, size)
        parts += [f"{count} {unit}"] if count else []
    return " ".join(parts) or "0 s"
