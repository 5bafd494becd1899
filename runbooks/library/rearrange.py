"""Put a step into the text of a runbook, or change two steps' places, as a writer would. Pure.

The text need not be a runbook yet: only its headings are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from runbooks.library.document import RunbookError
from runbooks.library.outline import Line, outline_of
from runbooks.library.parse import normalise

#: What is written under the title of a new step, by its type: it parses, and asks to be rewritten.
FORMS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "instruction": (),
        "check": ("- expect: What is seen when all is well", "- otherwise: What to do if not"),
        "reading": ("- unit: °C", "- max: 30", "- expect: What is read when all is well"),
        "confirm": (),
        "escalate": (),
        "verify": (
            "- metric: hw.temperature",
            "- device: inlet",
            "- unit: °C",
            "- max: 30",
            "- for: 5 min",
            "- within: 5 min",
        ),
        "choice": ("- options: One | The other",),
        "branch": ("- options: It is so -> end | It is not -> end",),
        "photo": (),
        "scan": (),
        "approval": ("- approver: engineer",),
        "wait": ("- minutes: 5",),
        "link": ("- runbook: generic",),
    }
)


@dataclass(frozen=True, slots=True)
class StepPlace:
    """Where a step stands in the text: its lines from `first`, counted from 1, up to `last`."""

    number: int
    title: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Rearranged:
    """The new text, and the line on which the step in question begins."""

    text: str
    line: int


def places_of(text: str) -> list[StepPlace]:
    """Return where the steps stand; RunbookError where the headings cannot be made out."""
    return _places(_section(text))


def insert_step(text: str, *, kind: str, after: int) -> Rearranged:
    """Return the text with a new step of type `kind` behind step number `after`, 0 for the first.

    A number beyond the last step means behind the last.
    """
    if kind not in FORMS:
        raise RunbookError("unknown_type", f"There is no step type {kind[:40]!r}; choose another.")
    section = _section(text)
    places = _places(section)
    behind = places[min(after, len(places)) - 1].last if after > 0 and places else 0
    at = behind or (places[0].first - 1 if places else section[-1].number)
    lines = normalise(text).removesuffix("\n").split("\n")
    name = _free_id(f"new-{kind}", lines)
    step = [f"### New {kind}", f"- type: {kind}", f"- id: {name}", *FORMS[kind], "", "Say how."]
    return _joined(lines[:at], step, lines[at:])


def move_step(text: str, *, number: int, is_up: bool) -> Rearranged:
    """Return the text with step `number` one place further up or down; at the end it stays."""
    places = places_of(text)
    other = number - 1 if is_up else number + 1
    if not (1 <= number <= len(places) and 1 <= other <= len(places)):
        raise RunbookError("no_such_step", "The step is the first or the last; it stays there.")
    upper, lower = (places[min(number, other) - 1], places[max(number, other) - 1])
    lines = normalise(text).removesuffix("\n").split("\n")
    above, below = lines[: upper.first - 1], lines[lower.last :]
    first, second = lines[lower.first - 1 : lower.last], lines[upper.first - 1 : upper.last]
    if is_up:
        return _joined(above, first, [*_trimmed(second), "", *_untopped(below)])
    return _joined([*above, *_trimmed(first), ""], second, below)


def _joined(above: Sequence[str], step: Sequence[str], below: Sequence[str]) -> Rearranged:
    """Put the pieces together, one empty line between them."""
    head = [*_trimmed(above), ""]
    lines = [*head, *_trimmed(step), "", *_untopped(below)]
    return Rearranged("\n".join(lines).rstrip("\n") + "\n", len(head) + 1)


def _section(text: str) -> list[Line]:
    """Return the lines of the section Steps, its heading first."""
    lines = normalise(text).removesuffix("\n").split("\n")
    first = lines.index("---", 1) + 1 if lines[0] == "---" and "---" in lines[1:] else 0
    found: list[Line] = []
    for line in outline_of(lines[first:], first + 1):
        if line.level == 2 and found:
            break
        if found or (line.level, line.heading) == (2, "Steps"):
            found.append(line)
    if not found:
        raise RunbookError(
            "missing_section", "There is no section '## Steps'; write it, then add steps to it."
        )
    return found


def _places(section: Sequence[Line]) -> list[StepPlace]:
    begins = [line for line in section if line.level == 3]
    if not begins:
        return []
    ends = [*[line.number - 1 for line in begins[1:]], section[-1].number]
    return [
        StepPlace(number, line.heading, line.number, end)
        for number, (line, end) in enumerate(zip(begins, ends, strict=True), start=1)
    ]


def _free_id(name: str, lines: Sequence[str]) -> str:
    taken = {line.removeprefix("- id:").strip() for line in lines if line.startswith("- id:")}
    found, count = name, 1
    while found in taken:
        count += 1
        found = f"{name}-{count}"
    return found


def _trimmed(lines: Sequence[str]) -> list[str]:
    end = len(lines)
    while end and not lines[end - 1]:
        end -= 1
    return list(lines[:end])


def _untopped(lines: Sequence[str]) -> list[str]:
    start = 0
    while start < len(lines) and not lines[start]:
        start += 1
    return list(lines[start:])
