"""One form for documents that mean the same, so that one digest tells whether they differ.

Following RFC 8785 in spirit: keys are sorted, numbers that are equal are written alike, text is
UTF-8. What JSON cannot say is refused. 4 and "4" differ, as do true and 1.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any


class NotCanonicalError(ValueError):
    """A value that has no canonical form: `code` for machines, `path` the place in the value."""

    code = "not_canonical"

    def __init__(self, message: str, path: str) -> None:
        super().__init__(f"{message} (at {path})")
        self.path = path


def digest_bytes(data: bytes, *, normalise_newlines: bool = False) -> str:
    """Return `sha256:` and the hex digest of the bytes.

    With `normalise_newlines`, CR LF and CR count as LF: for text files that passed through an
    editor on another system, never for binaries.
    """
    if normalise_newlines:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest_json(value: Any) -> str:
    """Return the digest of the value's canonical form; raises NotCanonicalError."""
    return digest_bytes(canonical_json(value))


def canonical_json(value: Any) -> bytes:
    """Return the canonical form of a JSON value: sorted keys, no spaces, UTF-8.

    Raises NotCanonicalError for NaN, infinities, keys that are no text, half surrogates and
    anything that JSON does not know.
    """
    text = json.dumps(
        _normalised(value, "$"), ensure_ascii=False, separators=(",", ":"), sort_keys=True
    )
    return text.encode()


def _normalised(value: Any, path: str) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, float):
        return _number(value, path)
    if isinstance(value, list | tuple):
        return [_normalised(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {_key(key, path): _normalised(item, f"{path}.{key}") for key, item in value.items()}
    raise NotCanonicalError(
        f"A {type(value).__name__} is no JSON value; turn it into text or numbers first.", path
    )


def _number(value: float, path: str) -> int | float:
    if not math.isfinite(value):
        raise NotCanonicalError(f"{value} is no JSON number; leave it out or send null.", path)
    # Equal numbers, one form: 4.0 is 4, and -0.0 is 0.
    return int(value) if value.is_integer() else value


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise NotCanonicalError(f"The key {key!r} is no text; quote it.", path)
    return _text(key, path)


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotCanonicalError(
            "The text holds half a character and has no UTF-8 form; repair its source.", path
        ) from None
    return value
