"""What the runbook pages show, and the runbook beside an alert: editions made ready to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from django.urls import reverse
from django.utils.safestring import SafeString

from fleet.lengths import exact_words
from runbooks.library.document import (
    CATEGORIES,
    END,
    RunbookDocument,
    RunbookError,
    RunbookStep,
    device_to_verify,
)
from runbooks.library.markdown import Markdown
from runbooks.library.selectors import LibraryEntry, document_of, library_for_page, version_for_page
from runbooks.models import Runbook, RunbookVersion
from telemetry.metrics import CATALOGUE, spell_unit
from telemetry.models import Finding

Values = Mapping[str, str | None]

_WHO: Final = {"noc": "operator", "on-site": "on site", "either": "anyone"}
_KINDS: Final = {
    "instruction": "do",
    "check": "check",
    "reading": "read and write down",
    "confirm": "confirm",
    "escalate": "escalate",
    "verify": "verify against the readings",
    "choice": "choose",
    "branch": "choose the way",
    "photo": "take a photo",
    "scan": "scan a code",
    "approval": "have it approved",
    "wait": "wait",
    "link": "follow another runbook",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a step, by the hash of its bytes, and what it shows in words."""

    sha256: str
    alt: str


@dataclass(frozen=True, slots=True)
class OptionView:
    """One answer of a step; `leads_to` says where a branch goes, empty for a choice."""

    label: str
    leads_to: str


@dataclass(frozen=True, slots=True)
class StepView:
    """One step in words and safe HTML; `bounds` is empty where nothing is measured."""

    number: int
    title: SafeString
    body: SafeString
    expect: SafeString
    bounds: str
    kind: str
    who: str
    is_mandatory: bool
    is_destructive: bool
    warning: SafeString = SafeString("")
    otherwise: SafeString = SafeString("")
    options: tuple[OptionView, ...] = ()
    picture: Picture | None = None
    runbook: str = ""


@dataclass(frozen=True, slots=True)
class RunbookView:
    """One edition, ready to show. `steps` is empty and `source` set when it cannot be read."""

    version: RunbookVersion
    title: str = ""
    minutes: int = 0
    owner: str = ""
    review_by: date | None = None
    is_review_overdue: bool = False
    lead: SafeString = SafeString("")
    meaning: SafeString = SafeString("")
    impact: SafeString = SafeString("")
    safety: SafeString = SafeString("")
    steps: tuple[StepView, ...] = ()
    verify: SafeString = SafeString("")
    escalate: SafeString = SafeString("")
    source: str = ""

    @property
    def mandatory(self) -> int:
        """How many steps may not be left out."""
        return sum(step.is_mandatory for step in self.steps)

    @property
    def destructive(self) -> tuple[int, ...]:
        """The numbers of the steps that destroy or interrupt something."""
        return tuple(step.number for step in self.steps if step.is_destructive)


@dataclass(frozen=True, slots=True)
class RunbookPage:
    """One runbook at one edition, and the others to choose from, newest first."""

    runbook: Runbook
    view: RunbookView
    versions: tuple[RunbookVersion, ...]
    answers: tuple[str, ...]

    @property
    def newest(self) -> RunbookVersion:
        """The edition that new alerts are given."""
        return self.versions[0]

    @property
    def is_newest(self) -> bool:
        """Whether the edition shown is that one."""
        return self.view.version.pk == self.newest.pk


@dataclass(frozen=True, slots=True)
class Entry:
    """One runbook of the library, what it answers in words, and whether its review is due."""

    found: LibraryEntry
    answers: tuple[str, ...]
    is_review_overdue: bool


@dataclass(frozen=True, slots=True)
class Category:
    """The runbooks about one kind of trouble."""

    name: str
    entries: list[Entry]


def runbook_view(
    version: RunbookVersion, *, today: date, values: Values | None = None
) -> RunbookView:
    """Return the edition with `values` in place of its variables.

    An edition that an older program wrote and this one cannot read is shown as its text: an
    alert without its runbook would be worse.
    """
    document = _read(version)
    if document is None:
        return RunbookView(version=version, title=version.runbook.title, source=version.source)
    text = Markdown(values or {}, _addresses())
    lead, _, rest = document.meaning.partition("\n\n")
    return RunbookView(
        version=version,
        title=document.title,
        minutes=document.minutes,
        owner=document.owner,
        review_by=document.review_by,
        is_review_overdue=document.review_by < today,
        lead=text.block(lead),
        meaning=text.block(rest),
        impact=text.block(document.impact),
        safety=text.block(document.safety),
        steps=_steps(document, text),
        verify=text.block(document.verify),
        escalate=text.block(document.escalate),
    )


def library_board(*, today: date) -> list[Category]:
    """Return the newest edition of every runbook by category; one query for all of them."""
    by_category: dict[str, list[Entry]] = {}
    for found in library_for_page():
        entry = Entry(found, kinds_in_words(found.matches), found.review_by < today)
        by_category.setdefault(found.category, []).append(entry)
    return [Category(name, by_category[name]) for name in sorted(by_category, key=CATEGORIES.index)]


def runbook_page(*, slug: str, number: int | None, today: date) -> RunbookPage:
    """Return edition `number` of a runbook, the newest for None; Http404 when there is none."""
    version = version_for_page(slug, number)
    editions = version.runbook.versions.defer("source", "document").order_by("-number")
    return RunbookPage(
        runbook=version.runbook,
        view=runbook_view(version, today=today),
        versions=tuple(editions),
        answers=kinds_in_words(version.document.get("matches", ())),
    )


def kinds_in_words(kinds: object) -> tuple[str, ...]:
    """Return what an edition answers as people say it; a kind nobody knows stays as it is."""
    labels = dict(Finding.Kind.choices)
    known = kinds if isinstance(kinds, list | tuple) else ()
    return tuple(str(labels.get(kind, kind)) for kind in known)


def _read(version: RunbookVersion) -> RunbookDocument | None:
    try:
        return document_of(version)
    except RunbookError:
        return None


def _addresses() -> dict[str, str]:
    """Return the address of every runbook by its slug; one query."""
    slugs = Runbook.objects.values_list("slug", flat=True)
    return {slug: reverse("noc:runbook", args=[slug]) for slug in slugs}


def step_views(document: RunbookDocument, *, values: Values) -> tuple[StepView, ...]:
    """Return the steps of a document with `values` in place of its variables; one query."""
    return _steps(document, Markdown(values, _addresses()))


def _steps(document: RunbookDocument, text: Markdown) -> tuple[StepView, ...]:
    numbers = {step.id: step.number for step in document.steps}
    media = dict(document.media)
    return tuple(_step(step, text, numbers, media) for step in document.steps)


def _step(
    step: RunbookStep, text: Markdown, numbers: Mapping[str, int], media: Mapping[str, str]
) -> StepView:
    digest = media.get(step.picture)
    return StepView(
        number=step.number,
        title=text.line(step.title),
        body=text.block(step.body),
        expect=text.line(step.expect),
        bounds=bounds_in_words(step, values=text.values),
        kind=_kind_words(step),
        who=_WHO.get(step.who, step.who),
        is_mandatory=step.is_mandatory,
        is_destructive=step.is_destructive,
        warning=text.line(step.warning),
        otherwise=text.line(step.otherwise),
        options=tuple(
            OptionView(option.label, _goto_words(option.goto, numbers)) for option in step.options
        ),
        picture=Picture(digest, step.picture_alt) if digest else None,
        runbook=step.runbook,
    )


def _kind_words(step: RunbookStep) -> str:
    """Return `read and write down`, `have it approved by an engineer`, `wait 10 min`."""
    words = _KINDS.get(step.kind, step.kind)
    if step.approver:
        return f"{words} by an {step.approver}"
    if step.wait_seconds:
        return f"{words} {step.wait_seconds / 60:,.6g} min"
    return words


def _goto_words(goto: str, numbers: Mapping[str, int]) -> str:
    if not goto:
        return ""
    return "the end" if goto == END else f"step {numbers[goto]}" if goto in numbers else goto


def bounds_in_words(step: RunbookStep, *, values: Values) -> str:
    """Return `20 to 125 Pa`, `Inlet temperature at most 32 °C for 10 min`; empty without."""
    if step.minimum is None and step.maximum is None:
        return ""
    if step.minimum is None:
        span = f"at most {step.maximum:,.6g}"
    elif step.maximum is None:
        span = f"at least {step.minimum:,.6g}"
    else:
        span = f"{step.minimum:,.6g} to {step.maximum:,.6g}"
    metric = CATALOGUE.get(step.metric)
    label = metric.label if metric else step.metric
    device = device_to_verify(step, values)
    measured = f"{device[:1].upper()}{device[1:]} {label.lower()}" if device else label
    return f"{measured} {span} {spell_unit(step.unit)}{_time_words(step)}".strip()


def _time_words(step: RunbookStep) -> str:
    """Return ` for 10 min, reached within 15 min`; empty where the step says neither."""
    held = f" for {exact_words(step.for_seconds)}" if step.for_seconds else ""
    reached = f", reached within {exact_words(step.within_seconds)}" if step.within_seconds else ""
    return held + reached
