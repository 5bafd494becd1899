"""What a runbook is: its words, its shape, its variables and its form in the database. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

CATEGORIES = (
    "thermal",
    "power",
    "network",
    "node",
    "model",
    "configuration",
    "security",
    "general",
)

#: What a runbook may say it answers. A misspelt kind would send its alerts to the generic
#: runbook without a word, so the list is closed.
FINDING_KINDS = (
    "thermal.envelope",
    "thermal.throttle",
    "node.silent",
    "node.reboot",
    "site.dark",
    "model.mismatch",
    "model.failing",
    "config.drift",
    "power.battery",
    "disk.full",
    "memory.pressure",
    "metric.threshold",
    "heartbeat.late",
    "external.alert",
)

#: Who does a step: the operator at the desk, the remote hands in the room, or either of them.
WHO = ("noc", "on-site", "either")

SECTIONS = ("Meaning", "Impact", "Safety", "Steps", "Verify", "Escalate")

#: Every variable a text may use, and what to call it when its value is not known.
VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "site.name": "site name",
        "site.place": "address of the site",
        "site.uplink": "provider and circuit",
        "site.time_zone": "time zone of the site",
        "site.hands": "remote hands of the site",
        "node.name": "node name",
        "node.class": "hardware class of the node",
        "node.out_of_band": "out-of-band address",
        "node.ashrae_class": "ASHRAE class",
        "owner.name": "owner of the site",
        "owner.contact": "how the owner is reached",
        "alert.id": "number of the alert",
        "alert.url": "address of the alert",
        "alert.summary": "summary of the alert",
        "alert.opened_at": "time the alert opened",
        "alert.device": "sensor or part that the alert is about",
        "value": "measured value",
        "limit": "limit",
    }
)


@dataclass(frozen=True, slots=True)
class StepRule:
    """What one step type takes beyond the keys every step takes, and what it cannot lack."""

    takes: tuple[str, ...] = ()
    demands: tuple[str, ...] = ()
    is_bounded: bool = False


#: The step types. A new type is a new line here, and a way to draw it on the tablet.
STEP_RULES: Mapping[str, StepRule] = MappingProxyType(
    {
        "instruction": StepRule(),
        "check": StepRule(),
        "reading": StepRule(("unit", "min", "max"), demands=("unit",), is_bounded=True),
        "confirm": StepRule(),
        "escalate": StepRule(),
        "verify": StepRule(
            ("metric", "device", "unit", "min", "max", "for", "within"),
            demands=("metric", "unit"),
            is_bounded=True,
        ),
        "choice": StepRule(("options",), demands=("options",)),
        "branch": StepRule(("options",), demands=("options",)),
        "photo": StepRule(),
        "scan": StepRule(("code",)),
        "approval": StepRule(("approver",), demands=("approver",)),
        "wait": StepRule(("minutes",), demands=("minutes",)),
        "link": StepRule(("runbook",), demands=("runbook",)),
    }
)
#: The keys every step takes.
STEP_KEYS = (
    "type",
    "id",
    "expect",
    "otherwise",
    "warning",
    "picture",
    "mandatory",
    "destructive",
    "who",
)
#: Where an option of a branch leads that leaves out every later step; no step is called so.
END = "end"
#: Who may approve: somebody other than whoever asks, with this standing at the site.
APPROVERS = ("operator", "engineer", "owner")


class RunbookError(Exception):
    """Something that is no runbook: a `code` for machines, a sentence for people.

    `line` counts from 1 in the text that was read; 0 when no line is to blame.
    """

    def __init__(self, code: str, message: str, line: int = 0) -> None:
        super().__init__(code, message, line)
        self.code = code
        self.message = message
        self.line = line

    def __str__(self) -> str:
        return f"Line {self.line}: {self.message}" if self.line else self.message


@dataclass(frozen=True, slots=True)
class StepOption:
    """One answer of a choice or a branch.

    `goto` is empty for a choice; for a branch the id of a later step, or END.
    """

    label: str
    goto: str = ""
    #: In a translation, the label that the edition itself has in its place; never stored.
    own_label: str = ""

    @property
    def choice(self) -> str:
        """What an entry says that picks it, in whatever language it was read."""
        return self.own_label or self.label


@dataclass(frozen=True, slots=True)
class RunbookStep:
    """One instruction, for one pair of hands.

    `number` counts from 1. `kind` is a key of STEP_RULES, `who` one of WHO. `title`, `body`,
    `expect`, `otherwise` (what to do when it is not as expected) and `warning` are Markdown that
    may hold variables. Texts are empty and numbers None where the step has none; bounds are
    inclusive and in `unit`. `picture` names an image of the runbook, `picture_alt` says what it
    shows. `code` is what a scan must read, and may hold variables (see
    `code_to_scan`; empty: anything). `approver` is one of APPROVERS,
    `wait_seconds` how long a wait lasts, `for_seconds` how long a verified value must hold,
    `within_seconds` how long it may take to come within its bounds, `device` which sensor of
    several it is read from (see `device_to_verify`; empty: all of them), `runbook` the slug a link
    leads to.
    """

    id: str
    number: int
    title: str
    kind: str
    body: str
    expect: str
    unit: str
    minimum: float | None
    maximum: float | None
    is_mandatory: bool
    is_destructive: bool
    who: str
    metric: str
    otherwise: str = ""
    warning: str = ""
    picture: str = ""
    picture_alt: str = ""
    options: tuple[StepOption, ...] = ()
    code: str = ""
    approver: str = ""
    wait_seconds: int | None = None
    for_seconds: int | None = None
    runbook: str = ""
    device: str = ""
    within_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class RunbookDocument:
    """One runbook as it was written.

    `minutes` is an estimate of the whole run, `review_by` the day its owner (a team) looks at it
    again. `meaning` to `escalate` are Markdown that may hold variables. `source` is the text
    itself with newlines and trailing space normalised. `sites` (slugs) and `classes` (hardware
    classes of nodes) narrow what it is for; empty: everywhere. `media` goes from the names of its
    pictures to the SHA-256 of their bytes, in hex.
    """

    slug: str
    title: str
    category: str
    matches: tuple[str, ...]
    owner: str
    review_by: date
    minutes: int
    language: str
    meaning: str
    impact: str
    safety: str
    steps: tuple[RunbookStep, ...]
    verify: str
    escalate: str
    source: str
    sites: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    media: tuple[tuple[str, str], ...] = ()


#: Where an alert is about several: what texts say in place of the one. No runbook names these,
#: and no scan asks for them.
SEVERAL: Mapping[str, str] = MappingProxyType({"node.name": "node.names"})

SLOT = re.compile(r"\{\{([^{}\n]*)\}\}")


def fill(text: str, values: Mapping[str, str | None]) -> str:
    """Put values in place of the variables of `text`; the result is Markdown, still to be escaped.

    `values` goes from names of VARIABLES to plain text with its unit ("38.4 °C"). A value that is
    missing or blank becomes a phrase such as "— (node name not known)", never an empty hole. A
    value is put in once, on one line, and is not searched for variables itself.
    """

    def answer(found: re.Match[str]) -> str:
        name = found.group(1).strip()
        return words_for(name, values) or f"— ({VARIABLES.get(name, name)} not known)"

    return SLOT.sub(answer, text)


def words_for(name: str, values: Mapping[str, str | None]) -> str:
    """Return what a text says in place of a variable, empty while it is not known."""
    value = values.get(name) or values.get(SEVERAL.get(name, "")) or ""
    # One line: a value with a newline could otherwise begin a heading or a list of its own.
    return " ".join(value.split())


def code_to_scan(step: RunbookStep, values: Mapping[str, str | None]) -> str:
    """Return what a scan must read; empty when anything will do.

    That is so for a step without a code, and for one whose code holds a variable that is not
    known: nobody could ever scan the phrase that stands in its place.
    """
    return _filled_or_empty(step.code, values)


def device_to_verify(step: RunbookStep, values: Mapping[str, str | None]) -> str:
    """Return the sensor a step looks at; empty, so all of them, while its variable is not known."""
    return _filled_or_empty(step.device, values)


def _filled_or_empty(text: str, values: Mapping[str, str | None]) -> str:
    names = [found.group(1).strip() for found in SLOT.finditer(text)]
    if any(not (values.get(name) or "").strip() for name in names):
        return ""
    return fill(text, values)
