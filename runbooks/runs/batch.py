"""One batch of a device as it came: read, bounded, and not yet judged. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NoReturn

from runbooks.runs.checks import Draft, is_storable, moment_of
from runbooks.runs.errors import RunError

MOST_BYTES: Final = 256 * 1024
MOST_ENTRIES: Final = 100
HIGHEST_COUNT: Final = 2**63 - 1
#: Objects and lists in each other; a batch has four.
MOST_NESTED: Final = 10

#: In seconds, some 300 years: no clock says what is further off.
_WIDEST_OFFSET: Final = 1e10
_DEVICE = re.compile(r"[0-9A-Za-z-]{8,36}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Batch:
    """What a device sent: its own clock, how many entries it still holds, and the entries."""

    device_id: str
    sent_at: datetime
    waiting: int
    since: int
    entries: tuple[Mapping[str, Any], ...]


def read_json(body: bytes) -> dict[str, Any]:
    """Return the object a body holds; RunError for anything else."""
    if len(body) > MOST_BYTES:
        raise RunError(
            "body_too_large", f"The body is longer than {MOST_BYTES // 1024} kB; send less at once."
        )
    try:
        found = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or _is_deeper(found, MOST_NESTED):
        raise RunError("bad_json", "The body is no plain JSON object; send one in UTF-8.")
    return found


def read_batch(data: Mapping[str, Any]) -> Batch:
    """Read a batch; RunError when it is none, which keeps all its entries on the device."""
    entries = data.get("entries")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RunError("bad_batch", "'entries' is no list of objects; send the entries there.")
    if len(entries) > MOST_ENTRIES:
        raise RunError(
            "too_many_entries", f"At most {MOST_ENTRIES} entries at once; send the rest next."
        )
    counts = [entry.get("count") for entry in entries]
    if not all(is_whole(count, 1, HIGHEST_COUNT) for count in counts):
        raise RunError("bad_count", "Every entry has a 'count': a whole number from 1 up.")
    if len(set(counts)) != len(counts):
        raise RunError("bad_count", "Two entries have the same 'count'; each has its own.")
    waiting, since = data.get("waiting", 0), data.get("since", 0)
    if not is_whole(waiting, 0, 10**9) or not is_whole(since, 0, HIGHEST_COUNT):
        raise RunError("bad_batch", "'waiting' and 'since' are whole numbers from 0 up.")
    return Batch(
        device_id=read_device(data),
        sent_at=moment_of(data.get("sent_at"), "sent_at"),
        waiting=waiting,
        since=since,
        entries=tuple(sorted(entries, key=lambda entry: int(entry["count"]))),
    )


def read_device(data: Mapping[str, Any]) -> str:
    """Return the id a device gave itself; RunError for what is none."""
    device = data.get("device")
    if not isinstance(device, str) or not _DEVICE.fullmatch(device):
        raise RunError(
            "bad_device", "'device' is no device id; send 8 to 36 letters, digits and hyphens."
        )
    return device


def read_entry(entry: Mapping[str, Any], *, device_id: str) -> Draft:
    """Return an entry with the types it must have; RunError when it has others."""
    texts = {name: entry.get(name, "") for name in ("kind", "step", "by")}
    if not all(isinstance(text, str) and is_storable(text, 300) for text in texts.values()):
        raise RunError("bad_entry", "'kind', 'step' and 'by' are short texts; update the tablet.")
    found, evidence = entry.get("input", {}), entry.get("evidence", [])
    if not isinstance(found, dict) or not isinstance(evidence, list):
        raise RunError("bad_entry", "'input' is an object and 'evidence' a list of hashes.")
    if not all(isinstance(item, str) and _SHA256.fullmatch(item) for item in evidence):
        raise RunError("bad_entry", "'evidence' holds SHA-256 hashes in hex, nothing else.")
    offset = entry.get("offset")
    if offset is not None and not is_offset(offset):
        raise RunError("bad_entry", "'offset' is a number of seconds; update the tablet.")
    return Draft(
        kind=texts["kind"],
        step_id=texts["step"],
        input=found,
        evidence=tuple(evidence),
        client_at=moment_of(entry.get("at"), "at"),
        by_name=texts["by"].strip()[:120],
        device_id=device_id,
        counter=entry["count"],
        offset=offset,
    )


def is_offset(value: object) -> bool:
    """Tell whether a value is how far, in seconds, one clock may be ahead of another."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) <= _WIDEST_OFFSET


def is_whole(value: object, least: int, most: int) -> bool:
    """Tell whether a value is a whole number between two others."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_deeper(value: object, most: int) -> bool:
    """Tell whether objects and lists lie in each other more than `most` deep."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return most == 0 or any(_is_deeper(item, most - 1) for item in inner)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")
