"""What the reducer of a run says: where each step stands, and the run as a whole. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from runbooks.library.log_entry import LogEntry


@dataclass(frozen=True, slots=True)
class StepProgress:
    """Where one step stands.

    `outcome` is open, done, cannot, skipped, waiting, disputed or passed (a branch went round it).
    `waits_for` is approval, timer or verify; `until` the end of a wait, past or to come. `answer`
    is the last word of an approval or a verification that did not go well: refused, verify_failed
    or outcome_unknown. `counts` is the entry that stands for the step, `said` what each writer
    says, by writer. `is_outside` marks a reading beyond its bounds. `barred_by` stands at what
    cannot be undone, whatever became of it: the approvals before it that are missing, and branches
    at which nobody knows the way. `is_undecided` marks such a branch: it was left, or its answer
    is none of this edition's.
    """

    id: str
    outcome: str = "open"
    waits_for: str = ""
    until: datetime | None = None
    answer: str = ""
    counts: LogEntry | None = None
    said: tuple[LogEntry, ...] = ()
    is_outside: bool = False
    barred_by: tuple[str, ...] = ()
    is_undecided: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands.

    `state` is one of the run's states that are not ends. `current` is the first step that is open
    or waits, or a branch at which nobody knows the way; empty when there is none. `waits_for` adds
    person: somebody has to decide. `undone` are
    the mandatory steps that are neither done nor skipped, `unable` those of them that somebody
    says cannot be done, `disputed` all steps of which different things are said.
    """

    steps: tuple[StepProgress, ...]
    state: str
    current: str
    waits_for: str
    until: datetime | None
    undone: tuple[str, ...]
    unable: tuple[str, ...]
    disputed: tuple[str, ...]
