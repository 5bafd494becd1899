"""How a runbook is used, in words: what leads to it, and where its runs stumble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fleet.lengths import duration_words
from fleet.models import Site
from fleet.noc.runbook_board import kinds_in_words
from runbooks.library.document import RunbookDocument, RunbookError
from runbooks.library.selectors import document_of
from runbooks.library.usage import RunbookUsage, StepUsage, usage_of
from runbooks.models import Runbook, RunbookVersion

#: From this part of the runs on, a step that fails or is skipped is spoken of.
TELLING = 0.2
#: In fewer runs than this a part says nothing.
FEWEST_RUNS = 5


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of the edition in force, and how it went; `length` is empty where nobody did it."""

    number: int
    title: str
    usage: StepUsage
    length: str
    failed: str
    skipped: str


@dataclass(frozen=True, slots=True)
class UsagePage:
    """Everything on the page."""

    usage: RunbookUsage
    answers: Sequence[str]
    kinds: Sequence[tuple[str, int, int]]
    linked_from: Sequence[Runbook]
    sites: Sequence[str]
    classes: Sequence[str]
    median: str
    rows: Sequence[StepRow]
    sentences: Sequence[str]


def usage_page(version: RunbookVersion, *, now: datetime) -> UsagePage:
    """Return the page about the runbook of `version`, whose steps it lists; six queries."""
    document = _read(version)
    steps = document.steps if document else ()
    usage = usage_of(version.runbook, step_ids=[step.id for step in steps], now=now)
    rows = [
        _row(step.number, step.title, told) for step, told in zip(steps, usage.steps, strict=True)
    ]
    words = kinds_in_words([row.kind for row in usage.kinds])
    names = dict(
        Site.objects.filter(slug__in=document.sites if document else ()).values_list("slug", "name")
    )
    return UsagePage(
        usage=usage,
        answers=kinds_in_words(document.matches if document else ()),
        kinds=[(word, row.alerts, row.open) for word, row in zip(words, usage.kinds, strict=True)],
        linked_from=list(Runbook.objects.filter(slug__in=usage.linked_from)),
        sites=[names.get(slug, slug) for slug in (document.sites if document else ())],
        classes=document.classes if document else (),
        median=_length(None if usage.median_minutes is None else usage.median_minutes * 60),
        rows=rows,
        sentences=[sentence for row in rows for sentence in _sentences(row)],
    )


def _row(number: int, title: str, told: StepUsage) -> StepRow:
    return StepRow(
        number=number,
        title=title,
        usage=told,
        length=_length(told.median_seconds),
        failed=_percent(told.fail_rate) if told.runs else "",
        skipped=_percent(told.skip_rate) if told.runs else "",
    )


def _sentences(row: StepRow) -> list[str]:
    if row.usage.runs < FEWEST_RUNS:
        return []
    said = []
    if row.usage.fail_rate >= TELLING:
        said.append(f"Step {row.number} could not be done in {row.failed} of runs.")
    if row.usage.skip_rate >= TELLING:
        said.append(f"Step {row.number} was skipped in {row.skipped} of runs.")
    return said


def _length(seconds: float | None) -> str:
    return "" if seconds is None else duration_words(seconds)


def _percent(part: float) -> str:
    return f"{part * 100:.0f}\u00a0%"


def _read(version: RunbookVersion) -> RunbookDocument | None:
    try:
        return document_of(version)
    except RunbookError:
        return None
