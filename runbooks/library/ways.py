"""Which way a run goes: what a branch leads round, what an answer that is missing bars. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runbooks.library.document import END, RunbookStep, StepOption
from runbooks.library.outcomes import StepProgress

#: Outcomes of a branch at which nobody knows the way.
_LEFT = ("cannot", "skipped", "disputed")


def pass_over(steps: Sequence[RunbookStep], found: Sequence[StepProgress]) -> list[StepProgress]:
    """Go round the steps between a branch and where its chosen option leads; bar what must be."""
    places = {step.id: place for place, step in enumerate(steps)} | {END: len(steps)}
    made: list[StepProgress] = []
    resume = 0
    # The answers that are missing on the way, and the approvals that were gone round.
    missing: list[str] = []
    evaded: list[str] = []
    for place, (step, progress) in enumerate(zip(steps, found, strict=True)):
        is_round = place < resume
        progress = _passed(progress) if is_round else _undecided(step, progress)
        barred_by = tuple(missing + evaded if is_round else missing) if step.is_destructive else ()
        made.append(replace(progress, barred_by=barred_by))
        if progress.is_undecided or (step.kind == "approval" and progress.outcome != "done"):
            (evaded if is_round else missing).append(step.id)
        if not is_round:
            resume = max(resume, places.get(_way(step, progress), 0))
    return made


def _passed(progress: StepProgress) -> StepProgress:
    """Pass over what is open; an approval that somebody asked for may be given all the same."""
    if progress.outcome not in ("open", "waiting"):
        return progress
    waits_for = progress.waits_for if progress.waits_for == "approval" else ""
    return StepProgress(progress.id, "passed", waits_for)


def _way(step: RunbookStep, progress: StepProgress) -> str:
    """Return where the option that was chosen leads; empty where it goes on with the next step."""
    option = _option(step, progress)
    return option.goto if option is not None else ""


def _option(step: RunbookStep, progress: StepProgress) -> StepOption | None:
    if progress.outcome != "done" or progress.counts is None:
        return None
    choice = progress.counts.input.get("choice")
    return next((option for option in step.options if option.choice == choice), None)


def _undecided(step: RunbookStep, progress: StepProgress) -> StepProgress:
    """Mark a branch that was left, or whose answer is none of this edition's."""
    is_stale = progress.outcome == "done" and _option(step, progress) is None
    is_undecided = step.kind == "branch" and (progress.outcome in _LEFT or is_stale)
    return replace(progress, is_undecided=True) if is_undecided else progress
