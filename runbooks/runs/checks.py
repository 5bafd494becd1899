"""Whether what somebody entered can be taken into a run's log; pure.

A log keeps what people say even where it is unexpected: a reading out of its bounds is taken and
marked. Refused is only what says nothing (a reading without a number) or cannot be true.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runbooks.library.document import RunbookStep
from runbooks.models import RunEntry
from runbooks.runs.errors import RunError, reason_missing, text_refused
from runbooks.runs.visible import is_plain

Kind = RunEntry.Kind

LONGEST_NOTE = 1000
LONGEST_REASON = 300
LONGEST_TEXT = 300
MOST_KEYS = 20
#: Photos a run takes: 100 steps, two each. One entry may name them all: a tablet stops at ten, and
#: what an older one brings beyond them was taken all the same.
MOST_PHOTOS = 200

#: What a device may write; the rest is written by services that decide something.
DEVICE_KINDS = frozenset(
    {
        Kind.STEP_DONE,
        Kind.STEP_CANNOT,
        Kind.STEP_SKIPPED,
        Kind.TAKEN_BACK,
        Kind.NOTED,
        Kind.APPROVAL_ASKED,
        Kind.APPROVED,
        Kind.REFUSED,
        Kind.TIMER_STARTED,
        Kind.VERIFY_ASKED,
        Kind.COUNTED,
    }
)
#: Those that need no step.
_OF_RUN = (Kind.NOTED, Kind.TAKEN_BACK)
#: Those that only steps of one kind know.
_STEP_KIND_OF: Mapping[str, str] = {
    Kind.APPROVAL_ASKED: "approval",
    Kind.APPROVED: "approval",
    Kind.REFUSED: "approval",
    Kind.TIMER_STARTED: "wait",
    Kind.VERIFY_ASKED: "verify",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """One entry as it came, with the types it must have and not yet judged."""

    kind: str
    step_id: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    client_at: datetime | None = None
    by_name: str = ""
    device_id: str = ""
    counter: int | None = None
    #: Seconds the server's clock was ahead of the device's, as far as that knew when it wrote.
    offset: float | None = None


def check_draft(draft: Draft, step: RunbookStep | None) -> None:
    """Refuse what cannot be taken in: RunError. `step` is the step it names, None for no such."""
    if draft.kind not in DEVICE_KINDS:
        raise RunError(
            "kind_unknown",
            f"{draft.kind[:40]!r} is nothing that a device writes; update the tablet's program.",
        )
    _check_texts(draft)
    if draft.kind in _OF_RUN and not draft.step_id:
        step = None
    elif step is None:
        raise RunError(
            "step_unknown",
            f"There is no step {draft.step_id[:60]!r} in this edition; the entry was kept aside "
            "for the lead.",
        )
    else:
        _check_fits(draft, step)
    _check_words(draft)
    if step is not None and draft.kind == Kind.STEP_DONE:
        _DONE_CHECKS.get(step.kind, _nothing_to_check)(draft, step)


def _check_texts(draft: Draft) -> None:
    if len(draft.input) > MOST_KEYS or len(draft.evidence) > MOST_PHOTOS:
        raise RunError(
            "entry_too_large",
            f"An entry takes at most {MOST_KEYS} values and {MOST_PHOTOS} photos; write two.",
        )
    for name, value in draft.input.items():
        longest = LONGEST_NOTE if name == "note" else LONGEST_TEXT
        if not is_storable(name, LONGEST_TEXT) or not is_storable(value, longest):
            raise text_refused(name[:40] if is_storable(name, 40) else "input", longest)


def is_storable(value: object, longest: int) -> bool:
    """Tell whether the database can keep a value of an entry: plain, finite, not too long."""
    if isinstance(value, str):
        return len(value) <= longest and is_plain(value)
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, int | float):
        return abs(value) <= 1e15
    return False


def _check_fits(draft: Draft, step: RunbookStep) -> None:
    wanted = _STEP_KIND_OF.get(draft.kind)
    if wanted is not None and step.kind != wanted:
        raise RunError(
            "kind_not_for_step",
            f'Step {step.number} is of type {step.kind}; "{Kind(draft.kind).label}" is for steps '
            f"of type {wanted}.",
        )


def _check_words(draft: Draft) -> None:
    """Refuse what misses the one thing that its kind is about."""
    if draft.kind in (Kind.STEP_CANNOT, Kind.STEP_SKIPPED):
        if not text_of(draft, "reason"):
            raise reason_missing("the step is not done")
    elif draft.kind == Kind.REFUSED:
        if not text_of(draft, "reason"):
            raise reason_missing("the approval is refused")
    elif draft.kind in (Kind.TAKEN_BACK, Kind.COUNTED):
        if not str(draft.input.get("entry") or ""):
            raise RunError("entry_unknown", "Say which entry; its number or `device:count`.")
    elif draft.kind == Kind.TIMER_STARTED:
        moment_of(draft.input.get("until"), "until")
    elif draft.kind == Kind.NOTED and not text_of(draft, "note"):
        raise RunError("note_missing", "The note is empty; write something.")


def text_of(draft: Draft, name: str) -> str:
    """Return a text of the input without the space around it; empty where it is none."""
    value = draft.input.get(name)
    return value.strip() if isinstance(value, str) else ""


def moment_of(value: object, name: str) -> datetime:
    """Read a moment with its offset from UTC; RunError for anything else."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    # A clock without a battery says 1970; years at the edge of the calendar cannot be put right.
    if moment is None or moment.tzinfo is None or not 1969 <= moment.year < 2200:
        raise RunError("bad_moment", f"{name!r} is no moment; write one like 2030-01-31T12:00:00Z.")
    return moment


def number_in(value: object) -> bool:
    """Tell whether a value is a finite number and no truth value."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    # `isfinite` fails at a whole number that no float can be.
    return -math.inf < value < math.inf


def _check_reading(draft: Draft, step: RunbookStep) -> None:
    if not number_in(draft.input.get("value")):
        raise RunError(
            "number_missing", f"Step {step.number} is a reading; enter a number in {step.unit}."
        )
    if draft.input.get("unit") != step.unit:
        raise RunError(
            "unit_differs",
            f"Step {step.number} is read in {step.unit}; say the unit with the number.",
        )


def _check_check(draft: Draft, step: RunbookStep) -> None:
    if not isinstance(draft.input.get("is_as_expected"), bool):
        raise RunError(
            "answer_missing", f"Say whether step {step.number} is as expected: true or false."
        )


def _check_choice(draft: Draft, step: RunbookStep) -> None:
    if draft.input.get("choice") not in [option.label for option in step.options]:
        labels = ", ".join(option.label for option in step.options)
        raise RunError("choice_unknown", f"Step {step.number} takes one of: {labels[:200]}.")


def _check_scan(draft: Draft, step: RunbookStep) -> None:
    if not text_of(draft, "code"):
        raise RunError(
            "code_missing", f"Step {step.number} is a scan; send the code that was read."
        )


def _check_photo(draft: Draft, step: RunbookStep) -> None:
    if not draft.evidence:
        raise RunError("photo_missing", f"Step {step.number} is a photo; name at least one.")


def _check_escalate(draft: Draft, step: RunbookStep) -> None:
    if not text_of(draft, "said_to"):
        raise RunError("name_missing", f"Say to whom you spoke in step {step.number}.")


def _refuse_approval(draft: Draft, step: RunbookStep) -> None:
    raise RunError(
        "second_person_needed",
        f"Step {step.number} is an approval: ask for it, and a second person answers.",
    )


def _nothing_to_check(draft: Draft, step: RunbookStep) -> None:
    """The kind of step says it all."""


_DONE_CHECKS: Mapping[str, Callable[[Draft, RunbookStep], None]] = {
    "reading": _check_reading,
    "verify": _check_reading,
    "check": _check_check,
    "choice": _check_choice,
    "branch": _check_choice,
    "scan": _check_scan,
    "photo": _check_photo,
    "escalate": _check_escalate,
    "approval": _refuse_approval,
}
