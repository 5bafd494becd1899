"""The form of a new edition: what stands in it, and the steps it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.http import QueryDict

from fleet.noc.span_form import FormFault
from fleet.noc.whole_numbers import read_whole
from runbooks.escalation.steps import MOST_STEPS, SEVERITIES
from runbooks.models import EscalationPolicyVersion

_MINUTE = 60


@dataclass(frozen=True, slots=True)
class StepForm:
    """One step as typed; `minutes` and the hours are text, `weekdays` digits."""

    words: Sequence[str] = field(default_factory=tuple)
    minutes: str = "5"
    severities: Sequence[str] = field(default_factory=tuple)
    zone: str = "site"
    weekdays: Sequence[str] = field(default_factory=tuple)
    opens: str = ""
    closes: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether it names nobody, so that it is left out."""
        return not self.words


@dataclass(frozen=True, slots=True)
class PolicyForm:
    """The whole form; `slug` is only typed for a policy that is new."""

    name: str = ""
    slug: str = ""
    repeat: str = "2"
    acknowledgement_minutes: str = ""
    steps: Sequence[StepForm] = field(default_factory=lambda: (StepForm(),))
    #: Whether it says how many steps were typed, and no more than a policy may have.
    has_good_count: bool = True

    def with_another_step(self) -> PolicyForm:
        """Return the form with one more empty step, as far as there may be more."""
        if len(self.steps) >= MOST_STEPS:
            return self
        return replace(self, steps=(*self.steps, StepForm()))


def form_of(version: EscalationPolicyVersion) -> PolicyForm:
    """Return the form that says what an edition says."""
    seconds = version.acknowledgement_seconds
    return PolicyForm(
        name=version.policy.name,
        slug=version.policy.slug,
        repeat=str(version.repeat),
        acknowledgement_minutes="" if seconds is None else _minutes(seconds),
        steps=tuple(_step_form(item) for item in version.steps),
    )


def read_form(said: QueryDict, *, slug: str = "") -> PolicyForm:
    """Return what was typed, however wrong; `slug` is that of a policy that exists."""
    count = read_whole(said.get("steps", ""), digits=4)
    has_good_count = count is not None and count <= MOST_STEPS
    number = MOST_STEPS if count is None or not has_good_count else count
    return PolicyForm(
        name=said.get("name", "").strip(),
        slug=slug or said.get("slug", "").strip(),
        repeat=said.get("repeat", "").strip(),
        acknowledgement_minutes=said.get("acknowledgement", "").strip(),
        steps=tuple(_read_step(said, place) for place in range(1, number + 1)),
        has_good_count=has_good_count,
    )


def edition_of(form: PolicyForm) -> dict[str, Any]:
    """Return `steps`, `repeat` and `acknowledgement_seconds` for a new edition; raises FormFault.

    A step that names nobody is left out. Whether the steps make sense is for their own rules.
    """
    if not form.has_good_count:
        raise FormFault(
            f"A policy has at most {MOST_STEPS} steps, and the form must say how many it sends. "
            "Nothing was published; take some out."
        )
    kept = [step for step in form.steps if not step.is_empty]
    if not form.repeat.isascii() or not form.repeat.isdigit() or len(form.repeat) > 3:
        raise FormFault("Rounds after the first is a number from 0 to 20.")
    acknowledgement = None
    if form.acknowledgement_minutes:
        acknowledgement = int(_seconds(form.acknowledgement_minutes, "an acknowledgement lasts"))
    return {
        "steps": [_step(step, number) for number, step in enumerate(kept, start=1)],
        "repeat": int(form.repeat),
        "acknowledgement_seconds": acknowledgement,
    }


def _step_form(item: dict[str, Any]) -> StepForm:
    hours = item.get("hours") or {}
    return StepForm(
        words=tuple(item.get("notify", [])),
        minutes=_minutes(item.get("delay_seconds", 0)),
        severities=tuple(item.get("severities", [])),
        zone=hours.get("time_zone", "site"),
        weekdays=tuple(str(day) for day in hours.get("weekdays", [])),
        opens=hours.get("from", ""),
        closes=hours.get("until", ""),
    )


def _read_step(said: QueryDict, place: int) -> StepForm:
    def one(name: str) -> str:
        return said.get(f"{name}-{place}", "").strip()

    return StepForm(
        words=tuple(said.getlist(f"notify-{place}")),
        minutes=one("minutes"),
        severities=tuple(said.getlist(f"severity-{place}")),
        zone=one("zone") or "site",
        weekdays=tuple(said.getlist(f"weekday-{place}")),
        opens=one("from"),
        closes=one("until"),
    )


def _step(form: StepForm, number: int) -> dict[str, Any]:
    seconds = _seconds(form.minutes, f"step {number} waits")
    step: dict[str, Any] = {"notify": list(form.words), "delay_seconds": seconds}
    if form.severities and set(form.severities) != set(SEVERITIES):
        step["severities"] = list(form.severities)
    if form.opens or form.closes:
        days = [int(day) for day in form.weekdays if day in tuple("0123456")]
        step["hours"] = {
            "time_zone": form.zone,
            # No day ticked means every day: hours alone are what was asked for.
            "weekdays": days or list(range(7)),
            "from": form.opens,
            "until": form.closes,
        }
    elif form.weekdays:
        raise FormFault(f"Step {number} has weekdays without hours; give both hours, or no days.")
    return step


def _seconds(minutes: str, what: str) -> int | float:
    try:
        seconds = float(minutes) * _MINUTE
    except ValueError:
        raise FormFault(f"How long {what} is a number of minutes, such as 5 or 0.5.") from None
    if not 0 < seconds < 10_000_000:
        raise FormFault(f"How long {what} is a number of minutes above 0.")
    return int(seconds) if seconds == int(seconds) else seconds


def _minutes(seconds: float) -> str:
    return f"{seconds / _MINUTE:g}"
