"""What a runbook is: its words, its shape, its variables and its form in the database. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from types import MappingProxyType
from typing import Any

CATEGORIES = (
    "thermal",
    "power",
    "network",
    "node",
    "model",
    "configuration",
    "security",
    "general",
)

#: What a runbook may say it answers. A misspelt kind would send its alerts to the generic
#: runbook without a word, so the list is closed.
FINDING_KINDS = (
    "thermal.envelope",
    "thermal.throttle",
    "node.silent",
    "node.reboot",
    "site.dark",
    "model.mismatch",
    "model.failing",
    "config.drift",
    "power.battery",
    "disk.full",
    "memory.pressure",
    "metric.threshold",
    "heartbeat.late",
    "external.alert",
)

#: Who does a step: the operator at the desk, the remote hands in the room, or either of them.
WHO = ("noc", "on-site", "either")

SECTIONS = ("Meaning", "Impact", "Safety", "Steps", "Verify", "Escalate")

#: Every variable a text may use, and what to call it when its value is not known.
VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "site.name": "site name",
        "site.place": "address of the site",
        "site.uplink": "provider and circuit",
        "node.name": "node name",
        "node.out_of_band": "out-of-band address",
        "node.ashrae_class": "ASHRAE class",
        "owner.name": "owner of the site",
        "alert.summary": "summary of the alert",
        "alert.opened_at": "time the alert opened",
        "value": "measured value",
        "limit": "limit",
    }
)

#: The form of the stored dict; a reader refuses a form it does not know.
JSON_FORMAT = 1


@dataclass(frozen=True, slots=True)
class StepRule:
    """What one step type takes beyond the keys every step takes, and what it cannot lack."""

    takes: tuple[str, ...] = ()
    demands: tuple[str, ...] = ()
    is_bounded: bool = False


#: The step types. A new type is a new line here, and a way to draw it on the tablet.
STEP_RULES: Mapping[str, StepRule] = MappingProxyType(
    {
        "instruction": StepRule(),
        "check": StepRule(),
        "reading": StepRule(("unit", "min", "max"), demands=("unit",), is_bounded=True),
        "confirm": StepRule(),
        "escalate": StepRule(),
        "verify": StepRule(
            ("metric", "unit", "min", "max"), demands=("metric", "unit"), is_bounded=True
        ),
    }
)
#: The keys every step takes.
STEP_KEYS = ("type", "id", "expect", "mandatory", "destructive", "who")


class RunbookError(Exception):
    """Something that is no runbook: a `code` for machines, a sentence for people.

    `line` counts from 1 in the text that was read; 0 when no line is to blame.
    """

    def __init__(self, code: str, message: str, line: int = 0) -> None:
        super().__init__(code, message, line)
        self.code = code
        self.message = message
        self.line = line

    def __str__(self) -> str:
        return f"Line {self.line}: {self.message}" if self.line else self.message


@dataclass(frozen=True, slots=True)
class RunbookStep:
    """One instruction, for one pair of hands.

    `number` counts from 1. `kind` is a key of STEP_RULES, `who` one of WHO. `title`, `body` and
    `expect` are Markdown that may hold variables. `unit`, `metric` and `expect` are empty and the
    bounds None where the step has none; bounds are inclusive and in `unit`.
    """

    id: str
    number: int
    title: str
    kind: str
    body: str
    expect: str
    unit: str
    minimum: float | None
    maximum: float | None
    is_mandatory: bool
    is_destructive: bool
    who: str
    metric: str


@dataclass(frozen=True, slots=True)
class RunbookDocument:
    """One runbook as it was written.

    `minutes` is an estimate of the whole run, `review_by` the day its owner (a team) looks at it
    again. `meaning` to `escalate` are Markdown that may hold variables. `source` is the text
    itself with newlines and trailing space normalised.
    """

    slug: str
    title: str
    category: str
    matches: tuple[str, ...]
    owner: str
    review_by: date
    minutes: int
    language: str
    meaning: str
    impact: str
    safety: str
    steps: tuple[RunbookStep, ...]
    verify: str
    escalate: str
    source: str


SLOT = re.compile(r"\{\{([^{}\n]*)\}\}")


def fill(text: str, values: Mapping[str, str | None]) -> str:
    """Put values in place of the variables of `text`; the result is Markdown, still to be escaped.

    `values` goes from names of VARIABLES to plain text with its unit ("38.4 °C"). A value that is
    missing or blank becomes a phrase such as "— (node name not known)", never an empty hole. A
    value is put in once, on one line, and is not searched for variables itself.
    """

    def answer(found: re.Match[str]) -> str:
        name = found.group(1).strip()
        # One line: a value with a newline could otherwise begin a heading or a list of its own.
        value = " ".join((values.get(name) or "").split())
        return value or f"— ({VARIABLES.get(name, name)} not known)"

    return SLOT.sub(answer, text)


def document_to_json(document: RunbookDocument) -> dict[str, Any]:
    """Return the document as a dict of JSON types, for `document_from_json`."""
    return {
        "format": JSON_FORMAT,
        **asdict(document),
        "matches": list(document.matches),
        "review_by": document.review_by.isoformat(),
        "steps": [asdict(step) for step in document.steps],
    }


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
    if value != JSON_FORMAT or isinstance(value, bool):
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


_STEP_FIELDS: Mapping[str, Callable[[object], Any]] = {
    **dict.fromkeys(("id", "title", "kind", "body", "expect", "unit", "who", "metric"), _text),
    "number": _whole,
    "minimum": _bound,
    "maximum": _bound,
    "is_mandatory": _flag,
    "is_destructive": _flag,
}
_DOCUMENT_FIELDS: Mapping[str, Callable[[object], Any]] = {
    "format": _form,
    **dict.fromkeys(("slug", "title", "category", "owner", "language", "source"), _text),
    **dict.fromkeys(("meaning", "impact", "safety", "verify", "escalate"), _text),
    "matches": _texts,
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
            found[name] = read(data.get(name))
        except ValueError as wanted:
            raise RunbookError(
                "bad_json", f"{name!r} in {where} is not {wanted}; publish the runbook again."
            ) from None
    found.pop("format", None)
    return found
