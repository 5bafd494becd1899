"""Control characters as people can see and the database keep them. Pure.

Codes on labels hold some: GS1 parts its fields with the group separator. Each stands as the picture
that Unicode has of it (`␝`), in the log, on the screens and where a code is compared; one that has
none, and half of a surrogate pair, as `�`. Of a text with pictures it leaves all as it is.
"""

from __future__ import annotations

import unicodedata
from typing import Any, Final

_PICTURES: Final = 0x2400
_DELETE: Final = "\x7f"
#: What a text may hold as it is.
PLAIN: Final = "\n\t"


def is_plain(text: str) -> bool:
    """Tell whether the database can keep a text as it is."""
    # PostgreSQL stores neither NUL nor half of a surrogate pair.
    return all(c in PLAIN or unicodedata.category(c) not in ("Cc", "Cs") for c in text)


def visible_text(text: str) -> str:
    """Return a text with the picture of each control character in its place; as long as it was."""
    return text if is_plain(text) else "".join(map(_visible, text))


def visible(value: Any) -> Any:
    """Return JSON with every text in it made visible."""
    if isinstance(value, str):
        return visible_text(value)
    if isinstance(value, dict):
        return {visible_text(name): visible(item) for name, item in value.items()}
    return [visible(item) for item in value] if isinstance(value, list) else value


def _visible(c: str) -> str:
    if is_plain(c):
        return c
    if c < " ":
        return chr(_PICTURES + ord(c))
    return "\u2421" if c == _DELETE else "\ufffd"
