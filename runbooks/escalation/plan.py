"""Who next, and when: the next move of an escalation, from its steps and a given time. Pure.

A step pages its people and then waits its own delay for an answer. After the last step the next
round begins while rounds are left; then the escalation is exhausted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

LEAST_DELAY_SECONDS = 5
MOST_DELAY_SECONDS = 86_400
MOST_STEPS = 10
MOST_WORDS = 20


class PlanError(ValueError):
    """Steps that cannot be followed: a `code` for machines, a sentence for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True, slots=True)
class Step:
    """One rung: whom to page, and how long to wait for an answer before the next one.

    Each word of `notify` is `site_owner`, `catch_all` or `owner:<id>`.
    """

    notify: tuple[str, ...]
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, and what to remember for the next time.

    `step` is the index of the step to carry out now, None when the escalation is exhausted; then
    `next_due_at` is None too.
    """

    step: int | None
    next_step: int
    rounds_left: int
    next_due_at: datetime | None


def advance(steps: Sequence[Step], *, step_index: int, rounds_left: int, now: datetime) -> Decision:
    """Return what an escalation that is due at `now` does.

    `step_index` is the step to carry out, from 0; `rounds_left` counts the rounds after this one.
    However late `now` is, exactly one step is carried out, and its whole delay begins at `now`.
    """
    if step_index >= len(steps) and rounds_left > 0:
        step_index, rounds_left = 0, rounds_left - 1
    if step_index >= len(steps):
        return Decision(step=None, next_step=len(steps), rounds_left=0, next_due_at=None)
    next_step = step_index + 1
    next_rounds = rounds_left
    if next_step == len(steps) and rounds_left > 0:
        next_step, next_rounds = 0, rounds_left - 1
    return Decision(
        step=step_index,
        next_step=next_step,
        rounds_left=next_rounds,
        next_due_at=now + steps[step_index].delay,
    )


def once_around(
    steps: Sequence[Step], *, step_index: int, rounds_left: int, now: datetime
) -> Iterator[Decision]:
    """Yield the moves that may be tried at once while nobody can be reached.

    The first is `advance`'s own; then the following steps, each at most once, so that a plan in
    which nobody can be reached does not spin.
    """
    for _ in steps:
        decision = advance(steps, step_index=step_index, rounds_left=rounds_left, now=now)
        if decision.step is None:
            return
        yield decision
        step_index, rounds_left = decision.next_step, decision.rounds_left


def forecast(
    steps: Sequence[Step], *, step_index: int, rounds_left: int, next_due_at: datetime
) -> Iterator[tuple[int, datetime]]:
    """Yield `(step index, time)` of every step still to come if nobody ever answers."""
    due: datetime | None = next_due_at
    while due is not None:
        decision = advance(steps, step_index=step_index, rounds_left=rounds_left, now=due)
        if decision.step is not None:
            yield decision.step, due
        step_index, rounds_left, due = (
            decision.next_step,
            decision.rounds_left,
            decision.next_due_at,
        )


def read_steps(value: object) -> tuple[Step, ...]:
    """Return the steps stored as `[{"notify": [...], "delay_seconds": 300}, ...]`."""
    if not isinstance(value, list) or not value:
        raise PlanError("no_steps", "A policy needs at least one step; add one.")
    if len(value) > MOST_STEPS:
        raise PlanError(
            "too_many_steps", f"A policy has at most {MOST_STEPS} steps; leave some out."
        )
    return tuple(_read_step(item, number) for number, item in enumerate(value, start=1))


def _read_step(item: object, number: int) -> Step:
    if not isinstance(item, dict) or set(item) != {"notify", "delay_seconds"}:
        raise PlanError(
            "bad_step", f"Step {number} must have exactly 'notify' and 'delay_seconds'."
        )
    words, seconds = item["notify"], item["delay_seconds"]
    if not isinstance(words, list) or not 0 < len(words) <= MOST_WORDS:
        raise PlanError(
            "bad_notify", f"Step {number} must name somebody to page, at most {MOST_WORDS}."
        )
    for word in words:
        if not _is_word(word):
            raise PlanError(
                "bad_notify",
                f"Step {number} cannot page {str(word)[:40]!r}; write 'site_owner', 'catch_all' "
                "or 'owner:' and the number of an owner.",
            )
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        seconds = 0
    if not LEAST_DELAY_SECONDS <= seconds <= MOST_DELAY_SECONDS:
        raise PlanError(
            "bad_delay",
            f"Step {number} must wait {LEAST_DELAY_SECONDS} to {MOST_DELAY_SECONDS:,} seconds "
            "for an answer.",
        )
    return Step(notify=tuple(words), delay=timedelta(seconds=seconds))


def _is_word(word: object) -> bool:
    if word in ("site_owner", "catch_all"):
        return True
    if not isinstance(word, str) or not word.startswith("owner:"):
        return False
    digits = word.removeprefix("owner:")
    return digits.isascii() and digits.isdigit() and len(digits) <= 18
