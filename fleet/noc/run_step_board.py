"""The steps of a run as it is watched: outcome, who entered what, what a person may decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fleet.access import has_standing
from fleet.names import listed
from fleet.noc.run_entry_board import EntryView
from fleet.noc.run_words import OUTCOMES, outcome_words
from fleet.noc.runbook_board import StepView
from runbooks.library.document import RunbookStep
from runbooks.library.outcomes import StepProgress
from runbooks.library.progress import is_outside
from runbooks.models import Run, RunEntry
from runbooks.runs.log import Writer
from telemetry.metrics import spell_unit

Kind = RunEntry.Kind
_ENDED_BADLY: Final = ("verify_failed", "outcome_unknown", "refused")


@dataclass(frozen=True, slots=True)
class Voice:
    """What one writer says of a step, and whether it is what counts."""

    entry: EntryView
    counts: bool


@dataclass(frozen=True, slots=True)
class StepAsks:
    """What somebody may do about a step, as this person at this moment."""

    may_choose: bool = False
    may_ask_approval: bool = False
    may_answer: bool = False
    may_verify: bool = False
    is_asker: bool = False

    @property
    def any(self) -> bool:
        """Whether there is anything at all."""
        return self.may_choose or self.may_ask_approval or self.may_answer or self.may_verify


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of a run with what was entered about it."""

    step: RunbookStep
    view: StepView
    outcome: str
    words: str
    mark: str
    is_current: bool
    is_outside: bool
    until: datetime | None
    voices: tuple[Voice, ...]
    news: EntryView | None
    look: str
    asks: StepAsks
    #: The numbers of the steps whose answers it waits for.
    waits_for: Sequence[int] = ()
    is_undecided: bool = False

    @property
    def key(self) -> str:
        """What a refusal that stands beside this step is called."""
        return step_key(self.step.id)

    @property
    def unit(self) -> str:
        """The unit of its reading, as people write it."""
        return spell_unit(self.step.unit)

    @property
    def is_over(self) -> bool:
        """Whether its wait was started, and nobody waits for it any more."""
        return self.until is None and self.news is not None

    @property
    def waits_words(self) -> str:
        """The steps whose answers it waits for: `step 2`, `steps 2 and 5`."""
        steps = "step" if len(self.waits_for) == 1 else "steps"
        return f"{steps} {listed([str(number) for number in self.waits_for])}"

    @property
    def is_barred(self) -> bool:
        """Whether it is still to be done and must not be yet."""
        return bool(self.waits_for) and self.outcome not in ("done", "passed")

    @property
    def is_disputed(self) -> bool:
        """Whether different things were entered and nobody has chosen."""
        return self.outcome == "disputed"

    @property
    def needs_otherwise(self) -> bool:
        """Whether what to do otherwise is what matters now."""
        return bool(self.view.otherwise) and (self.is_outside or self.outcome == "cannot")


def step_key(step_id: str) -> str:
    """Return what a refusal beside a step is called; no act is called so."""
    return f"step:{step_id}"


@dataclass(frozen=True, slots=True)
class Standing:
    """Who looks at the run, as far as it decides what they may do."""

    writer: Writer
    may_run: bool
    is_lead: bool
    is_open: bool


def step_rows(
    *,
    run: Run,
    steps: Sequence[tuple[RunbookStep, StepView, StepProgress]],
    current: str,
    entries: Mapping[int, EntryView],
    looks: Mapping[str, str],
    standing: Standing,
) -> list[StepRow]:
    """Return every step with its entries; one query for each approval that somebody waits for."""
    by_step: dict[str, list[EntryView]] = {}
    for entry in entries.values():
        by_step.setdefault(entry.row.step_id, []).append(entry)
    numbers = {step.id: step.number for step, _, _ in steps}
    return [
        StepRow(
            step=step,
            view=view,
            outcome=found.outcome,
            words=outcome_words(found),
            mark="p2" if found.answer in _ENDED_BADLY else OUTCOMES[found.outcome][1],
            is_current=step.id == current,
            is_outside=found.is_outside,
            until=found.until if found.waits_for == "timer" else None,
            voices=_voices(found, entries),
            news=_news(found, by_step.get(step.id, [])),
            look=looks.get(step.id, ""),
            asks=_asks(run, step, found, by_step.get(step.id, []), standing),
            waits_for=[numbers[step_id] for step_id in found.barred_by],
            is_undecided=found.is_undecided,
        )
        for step, view, found in steps
    ]


def outside_entries(steps: Sequence[RunbookStep], rows: Sequence[RunEntry]) -> set[int]:
    """Return the entries whose number lies beyond the bounds of its step."""
    by_id = {step.id: step for step in steps}
    return {
        row.pk
        for row in rows
        if row.step_id in by_id and is_outside(by_id[row.step_id], row.input.get("value"))
    }


def _voices(found: StepProgress, entries: Mapping[int, EntryView]) -> tuple[Voice, ...]:
    chosen = found.counts.id if found.counts else None
    return tuple(
        Voice(entries[said.id], said.id == chosen)
        for said in found.said
        if said.id is not None and said.id in entries
    )


def _news(found: StepProgress, about: Sequence[EntryView]) -> EntryView | None:
    """Return the last entry about a step that nobody's answer stands for: what it waits for."""
    is_silent = found.outcome in ("open", "waiting") and not found.said
    return about[-1] if about and is_silent else None


def _asks(
    run: Run,
    step: RunbookStep,
    found: StepProgress,
    about: Sequence[EntryView],
    standing: Standing,
) -> StepAsks:
    if not standing.is_open:
        return StepAsks()
    user = standing.writer.user
    waits = found.waits_for == "approval"
    asked_by = {e.row.actor_id for e in about if e.row.kind == Kind.APPROVAL_ASKED}
    is_asker = user is not None and user.pk in asked_by
    is_free = found.outcome == "open"
    is_left = found.outcome in ("cannot", "skipped", "passed") and not waits
    may_answer = waits and user is not None and not is_asker
    return StepAsks(
        may_choose=standing.is_lead and standing.may_run and len(found.said) > 1,
        may_ask_approval=standing.may_run and step.kind == "approval" and (is_free or is_left),
        may_answer=may_answer and user is not None and has_standing(user, step.approver, run.site),
        may_verify=standing.may_run and step.kind == "verify" and is_free and not found.barred_by,
        is_asker=is_asker and waits,
    )
