"""Whole numbers that came in a form or an address."""

from __future__ import annotations


def read_whole(text: str, *, digits: int) -> int | None:
    """Return the number that `text` spells with at most `digits` plain digits, None otherwise.

    Python also reads other scripts' digits, and fails over some; a bound keeps what the database
    cannot hold away from it.
    """
    is_plain = text.isascii() and text.isdigit() and len(text) <= digits
    return int(text) if is_plain else None
