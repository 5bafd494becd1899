"""Where a run stands: its steps and its log in, an outcome for each step out. Pure.

`static/js/run/progress.js` says the same on a tablet; `tests/vectors/run_progress.json` holds both
to it. What is entered is never changed, so the answer rests on the set of entries alone: entries
of several devices may arrive in any order, and one that arrives twice counts once. Only decisions
that are made in sight of the whole log (approvals, verifications, the lead's choices) take their
order from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from runbooks.library.document import RunbookStep
from runbooks.library.log_entry import LogEntry, end_of_wait
from runbooks.library.outcomes import Progress, StepProgress
from runbooks.library.ways import pass_over

#: Outcomes that leave a mandatory step undone.
_UNDONE = ("open", "waiting", "disputed", "cannot")
#: What people and engines say of a step, and the outcome that is.
_VOTES: Mapping[str, str] = {
    "step_done": "done",
    "step_cannot": "cannot",
    "step_skipped": "skipped",
    "verified": "done",
}
#: What was entered that must be alike for two entries to agree, by kind of step.
_COMPARED: Mapping[str, tuple[str, ...]] = {
    "reading": ("value", "unit"),
    "check": ("is_as_expected",),
    "choice": ("choice",),
    "branch": ("choice",),
    "scan": ("code",),
}

#: A verification is the engine's work: nobody is waited for.
_STATES: Mapping[str, str] = {
    "approval": "waiting_approval",
    "timer": "waiting_timer",
    "person": "waiting_human",
}


def progress_of(
    steps: Sequence[RunbookStep], entries: Iterable[LogEntry], *, now: datetime
) -> Progress:
    """Return where a run of these steps stands with these entries, in the log's order, at `now`."""
    log = _standing(entries)
    by_step: dict[str, list[LogEntry]] = {}
    for entry in log:
        by_step.setdefault(entry.step, []).append(entry)
    found = [_step(step, by_step.get(step.id, []), now) for step in steps]
    found = pass_over(steps, found)
    has_begun = any(entry.step for entry in log)
    return _summary(steps, found, has_begun=has_begun)


def is_outside(step: RunbookStep, value: object) -> bool:
    """Tell whether a number lies beyond the step's bounds, which are inclusive."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    is_low = step.minimum is not None and value < step.minimum
    return is_low or (step.maximum is not None and value > step.maximum)


def _standing(entries: Iterable[LogEntry]) -> list[LogEntry]:
    """Leave out what came twice and what was taken back."""
    log: list[LogEntry] = []
    seen: set[tuple[str, int]] = set()
    for entry in entries:
        if entry.count is not None:
            if (entry.device, entry.count) in seen:
                continue
            seen.add((entry.device, entry.count))
        log.append(entry)
    takers: dict[str, list[LogEntry]] = {}
    for entry in log:
        if entry.kind == "taken_back":
            takers.setdefault(str(entry.input.get("entry", "")), []).append(entry)
    return [entry for entry in log if not _is_taken_back(entry, takers)]


def _is_taken_back(entry: LogEntry, takers: Mapping[str, Sequence[LogEntry]]) -> bool:
    """Tell whether its writer took it back: the same person, or the same device."""
    if entry.is_engine or entry.kind == "taken_back":
        return False
    return any(
        (taker.person and taker.person == entry.person)
        or (taker.device and taker.device == entry.device)
        for name in entry.names
        for taker in takers.get(name, ())
    )


def _step(step: RunbookStep, log: Sequence[LogEntry], now: datetime) -> StepProgress:
    if step.kind == "approval":
        return _approval(step, log)
    said = tuple(_last_words(step, log))
    if said:
        return _settled(step, said, log)
    if step.kind == "wait":
        return _timer(step, log, now)
    if step.kind == "verify":
        return _verification(step, log)
    return StepProgress(step.id)


def _last_words(step: RunbookStep, log: Sequence[LogEntry]) -> list[LogEntry]:
    """Return what each writer says of the step, by writer."""
    last: dict[tuple[str, str], tuple[tuple[int, int], LogEntry]] = {}
    for place, entry in enumerate(log):
        if entry.kind not in _VOTES:
            continue
        # A device's own count, not the order of arrival.
        count = entry.told_count
        rank = (0, count) if count is not None else (1, place)
        before = last.get(entry.writer)
        # Of two under one count the later is what people took in by hand.
        if before is None or rank >= before[0]:
            last[entry.writer] = (rank, entry)
    return [last[writer][1] for writer in sorted(last)]


def _settled(
    step: RunbookStep, said: tuple[LogEntry, ...], log: Sequence[LogEntry]
) -> StepProgress:
    counts = _chosen(said, log)
    if counts is None:
        words = [_said(step, entry) for entry in said]
        if any(word != words[0] for word in words):
            return StepProgress(step.id, "disputed", said=said)
        counts = said[0]
    outcome = _VOTES[counts.kind]
    outside = outcome == "done" and is_outside(step, counts.input.get("value"))
    return StepProgress(step.id, outcome, counts=counts, said=said, is_outside=outside)


def _chosen(said: Sequence[LogEntry], log: Sequence[LogEntry]) -> LogEntry | None:
    """Return the entry the lead chose last, while it is still what its writer says."""
    choices = [str(entry.input.get("entry", "")) for entry in log if entry.kind == "counted"]
    if not choices:
        return None
    return next((entry for entry in said if choices[-1] in entry.names), None)


def _said(step: RunbookStep, entry: LogEntry) -> list[object]:
    outcome = _VOTES[entry.kind]
    keys = _COMPARED.get(step.kind, ()) if outcome == "done" else ()
    return [outcome, *(entry.input.get(key) for key in keys)]


def _timer(step: RunbookStep, log: Sequence[LogEntry], now: datetime) -> StepProgress:
    ends = [end_of_wait(entry) for entry in log if entry.kind == "timer_started"]
    known = [end for end in ends if end is not None]
    if not known:
        return StepProgress(step.id)
    # The latest of several: who started it again wants it to last.
    until = max(known)
    if now < until:
        return StepProgress(step.id, "waiting", "timer", until)
    return StepProgress(step.id, until=until)


def _approval(step: RunbookStep, log: Sequence[LogEntry]) -> StepProgress:
    """An approval is asked for by one and given by another; the last answer counts.

    Who asks after it was left takes it up again.
    """
    askers = {entry.person for entry in log if entry.kind == "approval_asked"}
    skipped = tuple(e for e in _last_words(step, log) if e.kind != "step_done")
    last: LogEntry | None = None
    is_left = False
    for entry in log:
        is_answer = entry.kind in ("approved", "refused") and entry.person not in askers
        if entry.kind == "approval_asked" or (is_answer and askers):
            last, is_left = entry, False
        elif entry in skipped:
            is_left = True
    if last is not None and last.kind == "approved":
        return StepProgress(step.id, "done", counts=last, said=(last, *skipped))
    if is_left:
        return _settled(step, skipped, log)
    if last is None:
        return StepProgress(step.id)
    if last.kind == "refused":
        return StepProgress(step.id, answer="refused")
    return StepProgress(step.id, "waiting", "approval")


def _verification(step: RunbookStep, log: Sequence[LogEntry]) -> StepProgress:
    kinds = ("verify_asked", "verify_failed", "outcome_unknown")
    last = next((entry.kind for entry in reversed(log) if entry.kind in kinds), "")
    if last == "verify_asked":
        return StepProgress(step.id, "waiting", "verify")
    return StepProgress(step.id, answer=last)


def _summary(
    steps: Sequence[RunbookStep], found: Sequence[StepProgress], *, has_begun: bool
) -> Progress:
    current = next((s for s in found if s.outcome in ("open", "waiting") or s.is_undecided), None)
    disputed = tuple(s.id for s in found if s.outcome == "disputed")
    mandatory = {step.id for step in steps if step.is_mandatory}
    undone = tuple(s.id for s in found if s.id in mandatory and s.outcome in _UNDONE)
    unable = tuple(s.id for s in found if s.id in mandatory and s.outcome == "cannot")
    waits_for = ""
    if current is not None:
        needs_person = bool(current.answer) or current.is_undecided
        waits_for = current.waits_for or ("person" if needs_person else "")
    elif disputed:
        waits_for = "person"
    state = _STATES.get(waits_for, "in_progress") if has_begun else "created"
    return Progress(
        steps=tuple(found),
        state=state,
        current=current.id if current else "",
        waits_for=waits_for,
        until=current.until if current else None,
        undone=undone,
        unable=unable,
        disputed=disputed,
    )
