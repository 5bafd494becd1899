"""Runs in words: where one stands, what an entry says, what marks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from runbooks.library.document import RunbookStep
from runbooks.library.outcomes import Progress, StepProgress
from runbooks.models import Run, RunEntry
from runbooks.runs.sheet import SKEW_SHOWN_SECONDS, said_in_words

Kind = RunEntry.Kind

#: What became of a step, as people say it, and the mark that stands before it.
OUTCOMES: Final = {
    "open": ("to do", ""),
    "done": ("done", "check"),
    "cannot": ("cannot be done", "p2"),
    "skipped": ("skipped", "maint"),
    "waiting": ("waiting", "maint"),
    "disputed": ("two answers", "p2"),
    "passed": ("passed over", ""),
}
#: The last word of an approval or a verification that did not go well.
ANSWERS: Final = {
    "refused": "refused",
    "verify_failed": "verification failed",
    "outcome_unknown": "outcome unknown",
}


def outcome_words(found: StepProgress) -> str:
    """Return `done`, `waiting for an approval`, `verification failed`."""
    if found.answer:
        return ANSWERS.get(found.answer, found.answer)
    waits = {
        "approval": "waiting for an approval",
        "timer": "waiting for a timer",
        "verify": "being verified",
    }
    return waits.get(found.waits_for) or OUTCOMES[found.outcome][0]


def waits_words(progress: Progress, step: RunbookStep | None) -> str:
    """Return what a run waits for, as the end of `It waits for`; empty where it waits for none."""
    if progress.waits_for == "approval":
        return f"an approval by an {step.approver}" if step and step.approver else "an approval"
    if progress.waits_for == "timer":
        return "the end of a wait"
    if progress.waits_for == "verify":
        return "Hearthwatch, which reads the live values"
    if progress.waits_for == "person":
        return "a decision"
    return ""


def state_words(run: Run) -> str:
    """Return the run's state, `paused` before all of those that are no ends."""
    if run.paused_at is not None and run.state not in Run.ENDED:
        return "paused"
    return run.get_state_display().lower()


def entry_words(row: RunEntry, zone: str) -> str:
    """Return what an entry says: `step done: 21.5 °C`, `handed over to Mei Tanaka`."""
    special = _SPECIAL.get(Kind(row.kind))
    if special is not None:
        return special(row.input, zone)
    said = said_in_words(row)
    label = row.get_kind_display().lower()
    return f"{label}: {said}" if said else label


def skew_words(seconds: float | None) -> str:
    """Return `clock 4 min ahead` where a device's clock is more than two minutes off."""
    if seconds is None or abs(seconds) <= SKEW_SHOWN_SECONDS:
        return ""
    minutes = round(abs(seconds) / 60)
    hours, rest = divmod(minutes, 60)
    length = f"{hours} h {rest} min" if hours else f"{minutes} min"
    return f"clock {length} {'ahead' if seconds > 0 else 'behind'}"


def _dispatched(said: Mapping[str, Any], zone: str) -> str:
    words = f"dispatched to {said.get('to') or 'whoever takes its code'}"
    if "is_told" not in said:
        return words
    return f"{words}, {'who is told' if said['is_told'] else 'whom no working contact can tell'}"


def _handed_over(said: Mapping[str, Any], zone: str) -> str:
    note = said.get("note")
    return f"handed over to {said.get('to')}" + (f": {note}" if note else "")


def _moved(said: Mapping[str, Any], zone: str) -> str:
    return f"moved the run from v{said.get('from')} to v{said.get('to')}"


def _counted(said: Mapping[str, Any], zone: str) -> str:
    return f"chose entry {said.get('entry')}: it counts"


def _taken_back(said: Mapping[str, Any], zone: str) -> str:
    return f"took back entry {said.get('entry')}"


def _timer(said: Mapping[str, Any], zone: str) -> str:
    try:
        until = datetime.fromisoformat(str(said.get("until", "")))
    except ValueError:
        return "started the wait"
    return f"started the wait until {until.astimezone(ZoneInfo(zone)):%H:%M} site time"


def _created(said: Mapping[str, Any], zone: str) -> str:
    words = f"started the run of v{said.get('edition')}"
    if "begun_at" not in said:
        return words
    meant = f", for A-{said['meant_for']}" if said.get("meant_for") else ""
    gone = f", for {said['node']}, which is not here" if said.get("node") else ""
    return f"{words} on a tablet{meant}{gone}"


_SPECIAL: Final[Mapping[RunEntry.Kind, Callable[[Mapping[str, Any], str], str]]] = {
    Kind.CREATED: _created,
    Kind.DISPATCHED: _dispatched,
    Kind.HANDED_OVER: _handed_over,
    Kind.EDITION_MOVED: _moved,
    Kind.COUNTED: _counted,
    Kind.TAKEN_BACK: _taken_back,
    Kind.TIMER_STARTED: _timer,
}
