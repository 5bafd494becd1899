"""The library as its page shows it: runbooks by category and state, drafts, what waits for whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef
from django.http import QueryDict

from fleet.noc.draft_words import title_of
from fleet.noc.runbook_board import Category, Entry, library_board
from runbooks.library.desk import open_drafts
from runbooks.library.document import CATEGORIES
from runbooks.models import DraftRemark, Runbook, RunbookDraft, RunbookVersion

#: What one may ask for in the address, and the words for it.
STATES = {
    "": "Every state",
    "in-force": "In force",
    "drafted": "With a draft",
    "in-review": "In review",
    "overdue": "Review overdue",
    "withdrawn": "Withdrawn",
}
LONGEST_SEARCH = 100

Kind = DraftRemark.Kind
State = RunbookDraft.State


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address asks for; an unknown word asks for nothing."""

    text: str = ""
    category: str = ""
    state: str = ""

    @property
    def query(self) -> str:
        """The filters as an address has them, empty without any."""
        said = {"q": self.text, "category": self.category, "state": self.state}
        kept = urlencode({key: value for key, value in said.items() if value})
        return f"?{kept}" if kept else ""


@dataclass(frozen=True, slots=True)
class DraftRow:
    """One draft in a list."""

    draft: RunbookDraft
    title: str


@dataclass(frozen=True, slots=True)
class Row:
    """One runbook in force, and the drafts of its next edition."""

    entry: Entry
    drafts: Sequence[RunbookDraft]

    @property
    def is_in_review(self) -> bool:
        """Whether a next edition waits for a second person."""
        return any(draft.state == State.IN_REVIEW for draft in self.drafts)


@dataclass(frozen=True, slots=True)
class Shelf:
    """The runbooks of one category that fit."""

    name: str
    rows: list[Row] = field(default_factory=list)
    withdrawn: list[Runbook] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LibraryPage:
    """Everything on the page of the library."""

    filters: Filters
    shelves: Sequence[Shelf]
    mine: Sequence[DraftRow]
    to_review: Sequence[DraftRow]
    others: Sequence[DraftRow]
    is_empty: bool

    @property
    def count(self) -> int:
        """How many runbooks are shown."""
        return sum(len(shelf.rows) + len(shelf.withdrawn) for shelf in self.shelves)


def read_filters(asked: QueryDict) -> Filters:
    """Return what the address asks for."""
    category, state = asked.get("category", ""), asked.get("state", "")
    return Filters(
        text=asked.get("q", "").strip()[:LONGEST_SEARCH],
        category=category if category in CATEGORIES else "",
        state=state if state in STATES else "",
    )


def library_page(*, user: User, filters: Filters, today: date) -> LibraryPage:
    """Return the runbooks that fit, and the drafts sorted by who must act; four queries."""
    board = library_board(today=today)
    withdrawn = _withdrawn()
    drafts = [DraftRow(draft, title_of(draft)) for draft in open_drafts()]
    wrote = _written_by(user, [row.draft for row in drafts])
    mine = [row for row in drafts if row.draft.pk in wrote]
    rest = [row for row in drafts if row.draft.pk not in wrote]
    return LibraryPage(
        filters=filters,
        shelves=_shelves(board, withdrawn, [row.draft for row in drafts], filters),
        mine=mine,
        to_review=[row for row in rest if row.draft.state == State.IN_REVIEW],
        others=[row for row in rest if row.draft.state != State.IN_REVIEW],
        is_empty=not board and not withdrawn,
    )


def _withdrawn() -> list[Runbook]:
    """Return the runbooks without an edition in force."""
    in_force = RunbookVersion.objects.filter(runbook=OuterRef("pk"), withdrawal__isnull=True)
    return list(Runbook.objects.filter(~Exists(in_force)))


def _written_by(user: User, drafts: Sequence[RunbookDraft]) -> set[int]:
    """Return the ids of the drafts that `user` began, wrote in or submitted."""
    said = DraftRemark.objects.filter(by=user, kind__in=[Kind.SAVED, Kind.SUBMITTED])
    wrote = set(said.filter(draft__in=drafts).values_list("draft_id", flat=True))
    return wrote | {draft.pk for draft in drafts if draft.created_by_id == user.pk}


def _shelves(
    board: Sequence[Category],
    withdrawn: Sequence[Runbook],
    drafts: Sequence[RunbookDraft],
    filters: Filters,
) -> list[Shelf]:
    by_runbook: dict[int, list[RunbookDraft]] = {}
    for draft in drafts:
        if draft.runbook_id is not None:
            by_runbook.setdefault(draft.runbook_id, []).append(draft)
    shelves = {name: Shelf(name) for name in CATEGORIES}
    for category in board:
        for entry in category.entries:
            row = Row(entry, by_runbook.get(entry.found.version.runbook_id, []))
            if _fits(row, filters):
                shelves[category.name].rows.append(row)
    for runbook in withdrawn:
        if filters.state in ("", "withdrawn") and _says(filters, runbook.title, runbook.slug):
            shelves.setdefault(runbook.category, Shelf(runbook.category)).withdrawn.append(runbook)
    return [
        shelf
        for shelf in shelves.values()
        if (shelf.rows or shelf.withdrawn) and filters.category in ("", shelf.name)
    ]


def _fits(row: Row, filters: Filters) -> bool:
    is_asked_for = {
        "": True,
        "in-force": True,
        "drafted": bool(row.drafts),
        "in-review": row.is_in_review,
        "overdue": row.entry.is_review_overdue,
        "withdrawn": False,
    }[filters.state]
    found = row.entry.found
    # The whole text: the word one remembers stands in a step more often than in the title.
    return is_asked_for and _says(
        filters, found.version.source, found.slug, found.title, *row.entry.answers
    )


def _says(filters: Filters, *texts: str) -> bool:
    wanted = filters.text.casefold()
    return not wanted or any(wanted in text.casefold() for text in texts)
