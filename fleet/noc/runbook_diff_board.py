"""Two editions made ready to compare: what is unlike in full, what is alike in a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import groupby

from runbooks.library.difference import (
    Difference,
    FieldDifference,
    Mark,
    Piece,
    StepChange,
    StepDifference,
    difference,
)
from runbooks.library.document import RunbookDocument
from runbooks.models import DraftRemark

#: How many lines of the same text stand around one that is not.
CONTEXT = 2


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step that is unlike or was spoken of; or a stretch that is the same, then `same` says."""

    step: StepDifference | None = None
    same: str = ""
    comments: Sequence[DraftRemark] = ()


@dataclass(frozen=True, slots=True)
class DiffBoard:
    """What is new, ready to show; `counts` goes from what became of steps to how many."""

    front: Sequence[FieldDifference]
    sections: Sequence[FieldDifference]
    rows: Sequence[StepRow]
    counts: Mapping[str, int] = field(default_factory=dict)
    is_empty: bool = False


def diff_board(
    before: RunbookDocument,
    after: RunbookDocument,
    *,
    comments: Mapping[str, Sequence[DraftRemark]] | None = None,
) -> DiffBoard:
    """Return what is new in `after`; steps that are the same are drawn together."""
    found = difference(before, after)
    spoken_of = comments or {}
    return DiffBoard(
        front=found.front,
        sections=found.sections,
        rows=tuple(_rows(found, spoken_of)),
        counts=_counts(found.steps),
        is_empty=found.is_empty,
    )


def lines_between(before: str, after: str) -> list[Piece]:
    """Return two texts as one row of lines with marks; long stretches alike become an ellipsis.

    The beginning and end that both share are left out first, so two versions of one long text,
    which are alike but for some lines, cost little.
    """
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    head = _shared(old, new)
    tail = _shared(old[head:][::-1], new[head:][::-1])
    left, right = old[head : len(old) - tail], new[head : len(new) - tail]
    pieces: list[Piece] = [Piece(Mark.KEPT, "".join(old[:head]))]
    for tag, start, end, other_start, other_end in SequenceMatcher(None, left, right).get_opcodes():
        if tag == "equal":
            pieces.append(Piece(Mark.KEPT, "".join(left[start:end])))
            continue
        pieces.append(Piece(Mark.REMOVED, "".join(left[start:end])))
        pieces.append(Piece(Mark.ADDED, "".join(right[other_start:other_end])))
    pieces.append(Piece(Mark.KEPT, "".join(old[len(old) - tail :])))
    return [_folded(piece) for piece in pieces if piece.text]


def _rows(found: Difference, comments: Mapping[str, Sequence[DraftRemark]]) -> Iterator[StepRow]:
    def is_dull(step: StepDifference) -> bool:
        return step.change == StepChange.SAME and step.id not in comments

    for dull, steps in groupby(found.steps, key=is_dull):
        if dull:
            yield StepRow(same=_stretch(list(steps)))
        else:
            yield from (StepRow(step, comments=comments.get(step.id, ())) for step in steps)


def _stretch(steps: Sequence[StepDifference]) -> str:
    first, last = steps[0].after, steps[-1].after
    if first == last:
        return f"Step {first} is the same."
    return f"Steps {first} to {last} are the same."


def _counts(steps: Sequence[StepDifference]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for step in steps:
        counts[step.change.value] = counts.get(step.change.value, 0) + 1
    return counts


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many items both begin with."""
    count = 0
    for first, second in zip(one, other, strict=False):
        if first != second:
            break
        count += 1
    return count


def _folded(piece: Piece) -> Piece:
    lines = piece.text.splitlines(keepends=True)
    if piece.mark != Mark.KEPT or len(lines) <= 2 * CONTEXT + 1:
        return piece
    return Piece(Mark.KEPT, "".join([*lines[:CONTEXT], "…\n", *lines[-CONTEXT:]]))
