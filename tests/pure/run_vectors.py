"""The vectors of where a run stands, read as the reducer takes them and written as it answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from runbooks.library.document import RunbookStep, StepOption
from runbooks.library.log_entry import LogEntry
from runbooks.library.outcomes import Progress, StepProgress
from tests.architecture.tree import ROOT
from tests.pure.run_steps import make_step

VECTORS = ROOT / "tests/vectors/run_progress.json"


def cases() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(VECTORS.read_text())["cases"]
    return found


def step_of(said: Mapping[str, Any]) -> RunbookStep:
    """Return a step from the form in which a pack has it."""
    options = tuple(
        StepOption(option["label"], option["goto"], option.get("choice", ""))
        for option in said.get("options", ())
    )
    return make_step(
        said["id"],
        said["kind"],
        is_mandatory=said.get("is_mandatory", False),
        is_destructive=said.get("is_destructive", False),
        minimum=said.get("min"),
        maximum=said.get("max"),
        options=options,
    )


def entry_of(said: Mapping[str, Any]) -> LogEntry:
    """Return an entry from the form in which the doors have it."""
    by_id = said.get("by_id")
    return LogEntry(
        kind=said["kind"],
        step=said.get("step", ""),
        id=said.get("id"),
        device=said.get("device", ""),
        count=said.get("count"),
        person=str(by_id) if by_id is not None else said.get("by", ""),
        is_engine=said.get("channel") == "engine",
        skew=said.get("skew"),
        input=said.get("input", {}),
    )


def answer_of(progress: Progress) -> dict[str, Any]:
    """Return the answer in the form that the vectors have it."""
    return {
        "state": progress.state,
        "current": progress.current,
        "waits_for": progress.waits_for,
        "until": _moment(progress.until),
        "undone": list(progress.undone),
        "unable": list(progress.unable),
        "disputed": list(progress.disputed),
        "steps": [_step(step) for step in progress.steps],
    }


def _step(step: StepProgress) -> dict[str, Any]:
    return {
        "id": step.id,
        "outcome": step.outcome,
        "waits_for": step.waits_for,
        "until": _moment(step.until),
        "answer": step.answer,
        "counts": step.counts.names[-1] if step.counts else None,
        "said": [entry.names[-1] for entry in step.said],
        "is_outside": step.is_outside,
        "barred_by": list(step.barred_by),
        "is_undecided": step.is_undecided,
    }


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
