"""Regular expressions that cannot hang: RE2, as Alertmanager itself uses them. Pure.

Python's own engine takes exponential time on patterns such as `(a+)+b`, and these run over every
open alert in every cycle. RE2 takes one step a character, however a pattern is written.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import re2

from runbooks.suppression.errors import MatcherError

LONGEST_PATTERN: Final = 500
#: What one compiled pattern may take, in bytes; a larger one is refused.
_MOST_MEMORY: Final = 1 << 20


class Pattern:
    """One compiled pattern; `matches` compares it with a whole text."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST_PATTERN:
            raise MatcherError(
                "pattern_too_long",
                f"A regular expression has at most {LONGEST_PATTERN} characters; write a shorter "
                "one.",
            )
        options = re2.Options()
        options.max_mem = _MOST_MEMORY
        options.log_errors = False
        options.dot_nl = False
        try:
            self._compiled: Any = re2.compile(text, options)
        except re2.error as fault:
            raise MatcherError(
                "bad_pattern",
                f"The regular expression {text[:60]!r} cannot be used: {_why(fault)}. Correct it, "
                "or compare with = instead of =~.",
            ) from None

    def matches(self, text: str) -> bool:
        """Tell whether the whole of `text` fits, in time proportional to its length."""
        return self._compiled.fullmatch(text) is not None


@lru_cache(maxsize=512)
def pattern_of(text: str) -> Pattern:
    """Return the pattern, compiled once; raises MatcherError."""
    return Pattern(text)


def _why(fault: Exception) -> str:
    said = fault.args[0] if fault.args else b"it cannot be read"
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
