"""What is new in an edition: section by section and step by step, down to the words. Pure.

The marks are data: a page may colour them, and paper prints "+" and "-".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

from runbooks.library.document import RunbookDocument, RunbookStep, StepOption

#: Beyond this many words that differ a text is compared line by line, beyond so many lines as a
#: whole: the time rises with their square.
MOST_WORDS = 1_500
# A word with the space before it: spaces alone would be found alike everywhere.
_WORDS = re.compile(r"\n|[^\S\n]*[^\s]+|[^\S\n]+")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")

_NO_STEPS: list[str] = []

FRONT_FIELDS = (
    *("title", "category", "matches", "owner", "review_by", "minutes", "language"),
    *("sites", "classes"),
)
SECTION_FIELDS = ("meaning", "impact", "safety", "verify", "escalate")
#: The fields of a step, and the keys by which a writer knows them.
STEP_FIELDS = {
    "title": "title",
    "kind": "type",
    "who": "who",
    "is_mandatory": "mandatory",
    "is_destructive": "destructive",
    "warning": "warning",
    "body": "text",
    "expect": "expect",
    "otherwise": "otherwise",
    "unit": "unit",
    "minimum": "min",
    "maximum": "max",
    "metric": "metric",
    "device": "device",
    "for_seconds": "for",
    "within_seconds": "within",
    "options": "options",
    "code": "code",
    "approver": "approver",
    "wait_seconds": "minutes",
    "runbook": "runbook",
    "picture": "picture",
    "picture_alt": "picture text",
}


class Mark(StrEnum):
    """What became of a piece of text; the value is what stands before it on paper."""

    KEPT = " "
    ADDED = "+"
    REMOVED = "-"


class StepChange(StrEnum):
    """What became of a step."""

    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"
    CHANGED = "changed"
    MOVED_AND_CHANGED = "moved and changed"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words in a row with one mark; all pieces but the added ones give the text before."""

    mark: Mark
    text: str


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field that is not what it was, in words."""

    name: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class StepDifference:
    """One step of either edition. `before` and `after` are its numbers, None where it is not."""

    id: str
    title: str
    change: StepChange
    before: int | None
    after: int | None
    fields: tuple[FieldDifference, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """Two editions side by side; steps stand where the later has them, those removed where they
    were."""

    front: tuple[FieldDifference, ...]
    sections: tuple[FieldDifference, ...]
    steps: tuple[StepDifference, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the two say the same."""
        same = all(step.change == StepChange.SAME for step in self.steps)
        return same and not self.front and not self.sections


def difference(before: RunbookDocument, after: RunbookDocument) -> Difference:
    """Return what became of each field, section and step."""
    media = _media(before, after)
    return Difference(
        front=_fields(before, after, {name: name for name in FRONT_FIELDS}),
        sections=_fields(before, after, {name: name for name in SECTION_FIELDS}),
        steps=_steps(before.steps, after.steps, media),
    )


def pieces_between(before: str, after: str) -> tuple[Piece, ...]:
    """Return the words of both in one row: what was removed stands before what came for it.

    What both begin and end with is set aside first. What differs is compared word by word, line by
    line where it is long, and as a whole where even its lines are too many to compare in good time.
    """
    for unit in (_WORDS, _LINES):
        old, new = unit.findall(before), unit.findall(after)
        start, end = _alike(old, new)
        changed, came = old[start : len(old) - end], new[start : len(new) - end]
        if len(changed) + len(came) <= 2 * MOST_WORDS:
            middle = _matched(changed, came)
            break
    else:
        middle = [(Mark.REMOVED, changed), (Mark.ADDED, came)]
    row = [(Mark.KEPT, old[:start]), *middle, (Mark.KEPT, old[len(old) - end :])]
    return tuple(Piece(mark, "".join(words)) for mark, words in row if words)


def _alike(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """Return how many words both begin with, and how many of the rest both end with."""
    shorter = min(len(old), len(new))
    start = next((n for n in range(shorter) if old[n] != new[n]), shorter)
    rest = shorter - start
    end = next((n for n in range(rest) if old[-1 - n] != new[-1 - n]), rest)
    return start, end


def _matched(old: Sequence[str], new: Sequence[str]) -> list[tuple[Mark, Sequence[str]]]:
    row: list[tuple[Mark, Sequence[str]]] = []
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for tag, start, end, other_start, other_end in matcher.get_opcodes():
        if tag == "equal":
            row.append((Mark.KEPT, old[start:end]))
        else:
            row += [(Mark.REMOVED, old[start:end]), (Mark.ADDED, new[other_start:other_end])]
    return row


def _media(before: RunbookDocument, after: RunbookDocument) -> set[str]:
    """Return the names of the pictures that look different now."""
    old = dict(before.media)
    return {name for name, digest in after.media if old.get(name, digest) != digest}


def _steps(
    before: Sequence[RunbookStep], after: Sequence[RunbookStep], redrawn: set[str]
) -> tuple[StepDifference, ...]:
    old = {step.id: step for step in before}
    new = {step.id: step for step in after}
    moved = _moved([step.id for step in before], [step.id for step in after])
    rows: list[StepDifference] = []
    for step in after:
        earlier = old.get(step.id)
        if earlier is None:
            rows.append(StepDifference(step.id, step.title, StepChange.ADDED, None, step.number))
        else:
            rows.append(_kept(earlier, step, is_moved=step.id in moved, redrawn=redrawn))
    for step in before:
        if step.id not in new:
            gone = StepDifference(step.id, step.title, StepChange.REMOVED, step.number, None)
            rows.insert(_place_of(step, before, rows), gone)
    return tuple(rows)


def _kept(
    before: RunbookStep, after: RunbookStep, *, is_moved: bool, redrawn: set[str]
) -> StepDifference:
    fields = _fields(before, after, STEP_FIELDS)
    if after.picture in redrawn and before.picture == after.picture:
        drawn = (Piece(Mark.REMOVED, after.picture), Piece(Mark.ADDED, after.picture))
        fields = (*fields, FieldDifference("picture", drawn))
    change = {
        (False, False): StepChange.SAME,
        (False, True): StepChange.CHANGED,
        (True, False): StepChange.MOVED,
        (True, True): StepChange.MOVED_AND_CHANGED,
    }[is_moved, bool(fields)]
    return StepDifference(after.id, after.title, change, before.number, after.number, fields)


def _moved(before: Sequence[str], after: Sequence[str]) -> set[str]:
    """Return the fewest ids that must be moved to come from one order to the other.

    A step whose number alone changed, because one was added above, has not moved.
    """
    old = [name for name in before if name in after]
    new = [name for name in after if name in before]
    stayed: list[list[str]] = []
    place = {name: number for number, name in enumerate(old)}
    # The longest run of ids that is in order in both: those are the ones that stayed.
    for number, name in enumerate(new):
        below = [run for run in stayed[:number] if place[run[-1]] < place[name]]
        best = max([_NO_STEPS, *below], key=len)
        stayed.append([*best, name])
    longest = max([_NO_STEPS, *stayed], key=len)
    return set(new).difference(longest)


def _place_of(
    step: RunbookStep, before: Sequence[RunbookStep], rows: Sequence[StepDifference]
) -> int:
    """Return where a removed step is shown: behind the nearest one that stood before it."""
    shown = {row.id: place for place, row in enumerate(rows)}
    for earlier in reversed(before[: step.number - 1]):
        if earlier.id in shown:
            return shown[earlier.id] + 1
    return 0


def _fields(before: object, after: object, names: dict[str, str]) -> tuple[FieldDifference, ...]:
    found = []
    for name, shown in names.items():
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            found.append(FieldDifference(shown, pieces_between(_words(old), _words(new))))
    return tuple(found)


def _words(value: Any) -> str:
    """Return a field as a writer would write it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, tuple):
        return " | ".join(_option(item) for item in value)
    return str(value)


def _option(item: object) -> str:
    if isinstance(item, StepOption):
        return f"{item.label} -> {item.goto}" if item.goto else item.label
    return str(item)
