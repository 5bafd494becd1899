"""A runbook's form in the database: document to JSON types and back. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from runbooks.library.document import RunbookDocument, RunbookError, RunbookStep, StepOption

#: The form of the stored dict. A reader refuses a form it does not know; form 1 had fewer fields.
JSON_FORMAT = 2
_READABLE = (1, 2)


def document_to_json(document: RunbookDocument) -> dict[str, Any]:
    """Return the document as a dict of JSON types, for `document_from_json`."""
    return {
        "format": JSON_FORMAT,
        **asdict(document),
        "matches": list(document.matches),
        "sites": list(document.sites),
        "classes": list(document.classes),
        "media": dict(document.media),
        "review_by": document.review_by.isoformat(),
        "steps": [
            asdict(step) | {"options": [_option_to_json(option) for option in step.options]}
            for step in document.steps
        ],
    }


def _option_to_json(option: StepOption) -> dict[str, str]:
    return {"label": option.label, "goto": option.goto}


def document_from_json(data: Mapping[str, Any]) -> RunbookDocument:
    """Return the document that `document_to_json` made a dict of; RunbookError when it is none."""
    fields = _read_fields(data, _DOCUMENT_FIELDS, "the stored runbook")
    return RunbookDocument(**fields)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("a whole number")
    return value


def _bound(value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > 1e12:
        raise ValueError("a number or null")
    if math.isnan(value):
        raise ValueError("a number or null")
    return float(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _day(value: object) -> date:
    try:
        return date.fromisoformat(_text(value))
    except ValueError:
        raise ValueError("a date like 2030-01-31") from None


def _form(value: object) -> None:
    if value not in _READABLE or isinstance(value, bool):
        raise ValueError(f"{JSON_FORMAT}, the form this program reads")


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("a list of text")
    return tuple(_text(item) for item in value)


def _steps(value: object) -> tuple[RunbookStep, ...]:
    if not isinstance(value, list):
        raise ValueError("a list of steps")
    return tuple(
        RunbookStep(**_read_fields(item, _STEP_FIELDS, f"step {number} of the stored runbook"))
        for number, item in enumerate(value, start=1)
    )


def _seconds(value: object) -> int | None:
    return None if value is None else _whole(value)


def _options(value: object) -> tuple[StepOption, ...]:
    if not isinstance(value, list):
        raise ValueError("a list of options")
    return tuple(
        StepOption(**_read_fields(item, _OPTION_FIELDS, "an option of a step")) for item in value
    )


def _media(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, Mapping):
        raise ValueError("names of pictures with their hashes")
    return tuple((_text(name), _text(digest)) for name, digest in value.items())


_OPTION_FIELDS: Mapping[str, Callable[[object], Any]] = {"label": _text, "goto": _text}
#: What older forms, and form 2 at first, did not have, and what it then is.
_SINCE_2: Mapping[str, object] = {
    **dict.fromkeys(("otherwise", "warning", "picture", "picture_alt", "code"), ""),
    **dict.fromkeys(("approver", "runbook", "device"), ""),
    **dict.fromkeys(("wait_seconds", "for_seconds", "within_seconds"), None),
    "options": [],
    "sites": [],
    "classes": [],
    "media": {},
}
_STEP_FIELDS: Mapping[str, Callable[[object], Any]] = {
    **dict.fromkeys(("id", "title", "kind", "body", "expect", "unit", "who", "metric"), _text),
    "number": _whole,
    "minimum": _bound,
    "maximum": _bound,
    "is_mandatory": _flag,
    "is_destructive": _flag,
    **dict.fromkeys(("otherwise", "warning", "picture", "picture_alt", "code"), _text),
    **dict.fromkeys(("approver", "runbook", "device"), _text),
    **dict.fromkeys(("wait_seconds", "for_seconds", "within_seconds"), _seconds),
    "options": _options,
}
_DOCUMENT_FIELDS: Mapping[str, Callable[[object], Any]] = {
    "format": _form,
    **dict.fromkeys(("slug", "title", "category", "owner", "language", "source"), _text),
    **dict.fromkeys(("meaning", "impact", "safety", "verify", "escalate"), _text),
    **dict.fromkeys(("matches", "sites", "classes"), _texts),
    "media": _media,
    "review_by": _day,
    "minutes": _whole,
    "steps": _steps,
}


def _read_fields(
    data: object, fields: Mapping[str, Callable[[object], Any]], where: str
) -> dict[str, Any]:
    """Read each field with its reader; the form number is checked and left out."""
    if not isinstance(data, Mapping):
        raise RunbookError(
            "bad_json", f"{where} is no object; store the result of document_to_json."
        )
    found = {}
    for name, read in fields.items():
        try:
            found[name] = read(data.get(name, _SINCE_2.get(name)))
        except ValueError as wanted:
            raise RunbookError(
                "bad_json", f"{name!r} in {where} is not {wanted}; publish the runbook again."
            ) from None
    found.pop("format", None)
    return found
