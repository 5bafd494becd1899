"""The steps of a policy as written down: words, delays, conditions. Pure.

`[{"notify": ["site_owner", "schedule:europe"], "delay_seconds": 300, "severities": ["urgent"],
"hours": {"time_zone": "site", "weekdays": [0, 1], "from": "08:00", "until": "18:00"}}, ...]`
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any
from zoneinfo import available_timezones

from runbooks.refused import Refused

LEAST_DELAY_SECONDS = 5
MOST_DELAY_SECONDS = 86_400
MOST_STEPS = 10
MOST_WORDS = 20
#: The worst first.
SEVERITIES = ("urgent", "high", "low")
ROLES = ("admin", "engineer", "operator", "owner", "remote_hands", "viewer")
#: The time zone of whichever site the alert is at.
SITE_ZONE = "site"

_ALONE = ("site_owner", "catch_all")
_NUMBER = re.compile(r"[0-9]{1,18}")
_SLUG = re.compile(r"[-a-zA-Z0-9_]{1,60}")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_NEEDED = {"notify", "delay_seconds"}
_OPTIONAL = {"severities", "hours"}


class PlanError(Refused, ValueError):
    """Steps that cannot be followed: a `code` for machines, a sentence for people."""


@dataclass(frozen=True, slots=True)
class Hours:
    """Local hours of some weekdays (Monday 0), across midnight where `until` is not later.

    Hours across midnight belong to the day on which they begin. `time_zone` is an IANA name, or
    `site`.
    """

    time_zone: str
    weekdays: frozenset[int]
    opens: time
    closes: time


@dataclass(frozen=True, slots=True)
class Step:
    """One rung: whom to page, and how long to wait for an answer before the next one.

    Each word of `notify` is `site_owner`, `catch_all`, `owner:<id>`, `schedule:<slug>`,
    `group:<slug>`, `role:<role>` or `contact:<id>`. The step is passed over for other severities
    (empty: none) and outside its hours (None: never).
    """

    notify: tuple[str, ...]
    delay: timedelta
    severities: tuple[str, ...] = ()
    hours: Hours | None = None


def split_word(word: str) -> tuple[str, str]:
    """Return what kind of people a word names, and which: `("schedule", "europe")`."""
    kind, _, name = word.partition(":")
    return kind, name


def read_steps(value: object) -> tuple[Step, ...]:
    """Return the steps as they are stored; raises PlanError."""
    if not isinstance(value, list) or not value:
        raise PlanError("no_steps", "A policy needs at least one step; add one.")
    if len(value) > MOST_STEPS:
        raise PlanError(
            "too_many_steps", f"A policy has at most {MOST_STEPS} steps; leave some out."
        )
    return tuple(_read_step(item, number) for number, item in enumerate(value, start=1))


def check_steps(steps: Sequence[Step]) -> None:
    """Refuse new steps that can be read but say something else than was meant; raises PlanError.

    Every severity needs a step, or its alerts would page nobody. Editions stored before are
    followed all the same.
    """
    for number, step in enumerate(steps, start=1):
        for place, word in enumerate(step.notify):
            if word in step.notify[:place]:
                raise PlanError(
                    "named_twice", f"Step {number} names {word!r} twice; once is enough."
                )
    for severity in SEVERITIES:
        if not any(not step.severities or severity in step.severities for step in steps):
            raise PlanError(
                "severity_left_out",
                f"No step pages {severity} alerts, so nobody would hear of them; name {severity} "
                "in a step, or leave the severities of one empty.",
            )


def _read_step(item: object, number: int) -> Step:
    if not isinstance(item, dict) or not _NEEDED <= set(item) <= _NEEDED | _OPTIONAL:
        raise PlanError(
            "bad_step",
            f"Step {number} must have 'notify' and 'delay_seconds', and may have 'severities' "
            "and 'hours'; nothing else.",
        )
    seconds = item["delay_seconds"]
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        seconds = 0
    if not LEAST_DELAY_SECONDS <= seconds <= MOST_DELAY_SECONDS:
        raise PlanError(
            "bad_delay",
            f"Step {number} must wait {LEAST_DELAY_SECONDS} to {MOST_DELAY_SECONDS:,} seconds "
            "for an answer.",
        )
    return Step(
        notify=_read_words(item["notify"], number),
        delay=timedelta(seconds=seconds),
        severities=_read_severities(item.get("severities", []), number),
        hours=_read_hours(item.get("hours"), number),
    )


def _read_words(words: object, number: int) -> tuple[str, ...]:
    if not isinstance(words, list) or not 0 < len(words) <= MOST_WORDS:
        raise PlanError(
            "bad_notify", f"Step {number} must name somebody to page, at most {MOST_WORDS}."
        )
    for word in words:
        if not _is_word(word):
            raise PlanError(
                "bad_notify",
                f"Step {number} cannot page {str(word)[:40]!r}; write site_owner, catch_all, "
                "owner:<number>, schedule:<name>, group:<name>, role:<role> or contact:<number>.",
            )
    return tuple(words)


def _is_word(word: object) -> bool:
    if not isinstance(word, str):
        return False
    kind, name = split_word(word)
    if kind in ("owner", "contact"):
        return _NUMBER.fullmatch(name) is not None
    if kind in ("schedule", "group"):
        return _SLUG.fullmatch(name) is not None
    return word in _ALONE or (kind == "role" and name in ROLES)


def _read_severities(value: object, number: int) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(item in SEVERITIES for item in value):
        raise PlanError(
            "bad_severities",
            f"The severities of step {number} are some of {', '.join(SEVERITIES)}; none means all.",
        )
    return tuple(severity for severity in SEVERITIES if severity in value)


def _read_hours(value: object, number: int) -> Hours | None:
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) != {"time_zone", "weekdays", "from", "until"}:
        raise PlanError(
            "bad_hours",
            f"The hours of step {number} need 'time_zone', 'weekdays', 'from' and 'until'.",
        )
    zone = value["time_zone"]
    if not isinstance(zone, str) or (zone != SITE_ZONE and zone not in available_timezones()):
        raise PlanError(
            "bad_hours",
            f"The hours of step {number} need a time zone like 'Europe/Paris', or 'site' for "
            "that of the site.",
        )
    return Hours(
        time_zone=zone,
        weekdays=_read_weekdays(value["weekdays"], number),
        opens=_read_clock(value["from"], number),
        closes=_read_clock(value["until"], number),
    )


def _read_weekdays(value: Any, number: int) -> frozenset[int]:
    is_list = isinstance(value, list) and 0 < len(value) <= 7
    if not is_list or not all(type(day) is int and 0 <= day <= 6 for day in value):
        raise PlanError(
            "bad_hours",
            f"The weekdays of step {number} are numbers from 0 (Monday) to 6 (Sunday), at least "
            "one.",
        )
    return frozenset(value)


def _read_clock(value: object, number: int) -> time:
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise PlanError(
            "bad_hours", f"The hours of step {number} are written like '08:00' and '18:30'."
        )
    return time(int(found[1]), int(found[2]))
