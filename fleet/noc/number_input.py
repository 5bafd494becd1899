"""A number as people write it: a comma or a point before its fraction, never a guess."""

from __future__ import annotations

import re
from typing import Final

from runbooks.runs.errors import RunError

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
#: Two thousand, or two and no thousandths.
_UNCLEAR: Final = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_MOST: Final = 1e12


def read_number(text: str) -> float:
    """Return the number that somebody wrote; RunError: number_missing, number_unclear."""
    written = text.strip().replace("\N{MINUS SIGN}", "-").replace("\N{EN DASH}", "-")
    if _UNCLEAR.fullmatch(written):
        whole, fraction = written.replace(",", ""), written.replace(",", ".")
        raise RunError("number_unclear", f"Is it {whole} or {fraction}? Write it without a comma.")
    pointed = written.replace(",", ".", 1)
    if not _NUMBER.fullmatch(pointed) or abs(float(pointed)) >= _MOST:
        raise RunError("number_missing", "Write the number you read, for example 21.5.")
    return float(pointed)
