"""Which way a run goes: what a branch leads round, what an answer that is missing bars. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runbooks.library.document import END, RunbookStep
from runbooks.library.outcomes import StepProgress

#: Kinds of step whose answer says whether and where to go on.
_ANSWERED = ("approval", "branch")


def pass_over(steps: Sequence[RunbookStep], found: Sequence[StepProgress]) -> list[StepProgress]:
    """Go round the steps between a branch and where its chosen option leads; bar what must be."""
    places = {step.id: place for place, step in enumerate(steps)} | {END: len(steps)}
    made: list[StepProgress] = []
    resume = 0
    # The first answer that is missing on the way, and the last approval that was gone round.
    missing = evaded = ""
    for place, (step, progress) in enumerate(zip(steps, found, strict=True)):
        if place < resume:
            if progress.outcome in ("open", "waiting"):
                progress = StepProgress(step.id, "passed")
            made.append(_barred(step, progress, missing or evaded))
            if step.kind == "approval" and progress.outcome != "done":
                evaded = step.id
            continue
        made.append(_undecided(step, _barred(step, progress, missing)))
        if step.kind in _ANSWERED and progress.outcome != "done":
            missing = missing or step.id
        resume = max(resume, places.get(_way(step, progress), 0))
    return made


def _way(step: RunbookStep, progress: StepProgress) -> str:
    """Return where the option that was chosen leads; empty where it goes on with the next step."""
    if progress.outcome != "done" or progress.counts is None:
        return ""
    choice = progress.counts.input.get("choice")
    return next((option.goto for option in step.options if option.choice == choice), "")


def _barred(step: RunbookStep, progress: StepProgress, missing: str) -> StepProgress:
    """What cannot be undone waits for what is missing; what nobody will do waits for nothing."""
    is_barred = step.is_destructive and progress.outcome not in ("cannot", "skipped")
    return replace(progress, barred_by=missing) if is_barred and missing else progress


def _undecided(step: RunbookStep, progress: StepProgress) -> StepProgress:
    is_left = step.kind == "branch" and progress.outcome in ("cannot", "skipped", "disputed")
    return replace(progress, is_undecided=True) if is_left else progress
