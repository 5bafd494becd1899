"""The one spelling of an entry that its device signs and the server checks. Pure.

What JavaScript's `JSON.stringify` writes for an object whose keys were sorted: no spaces, text as
it is, numbers as ECMAScript spells them. Python's `json` spells some numbers otherwise (1e-05).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def canonical(value: Any) -> str:
    """Return the JSON text of JSON types; ValueError for anything else."""
    if isinstance(value, Mapping):
        parts = (f"{canonical(str(key))}:{canonical(value[key])}" for key in sorted(value))
        return "{" + ",".join(parts) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return spell_number(value)
    if value is None or isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False)
    raise ValueError(f"{type(value).__name__} is no JSON type")


def spell_number(number: float) -> str:
    """Return a finite number as ECMAScript's Number::toString spells it."""
    number = float(number)
    if number == 0:
        return "0"
    sign, digit_list, exponent = Decimal(repr(number)).normalize().as_tuple()
    digits, minus = "".join(map(str, digit_list)), "-" if sign else ""
    size = len(digits)
    point = size + int(exponent)  # Where the decimal point stands, counted from the first digit.
    if size <= point <= 21:
        return minus + digits + "0" * (point - size)
    if 0 < point <= 21:
        return f"{minus}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{minus}0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if size > 1 else ""
    return f"{minus}{digits[0]}{fraction}e{point - 1:+d}"


def mac_of(entry: Mapping[str, Any], *, token: str) -> str:
    """Return the mac of an entry, its own `mac` left out, under a run's token."""
    signed = {key: value for key, value in entry.items() if key != "mac"}
    message = canonical(signed).encode()
    return hmac.new(token.encode(), message, hashlib.sha256).hexdigest()


def is_authentic(entry: Mapping[str, Any], *, token: str) -> bool:
    """Tell whether the entry carries the mac that its content has."""
    try:
        wanted = mac_of(entry, token=token)
    except (ValueError, OverflowError):
        # Half of a surrogate pair has no UTF-8, a whole number of 400 digits no float.
        return False
    given = entry.get("mac")
    return isinstance(given, str) and hmac.compare_digest(
        wanted.encode(), given.encode("utf-8", "replace")
    )
