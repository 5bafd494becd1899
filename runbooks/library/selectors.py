"""The library as its pages show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.db.models import Q
from django.http import Http404

from runbooks.library.document import RunbookDocument, RunbookError
from runbooks.library.match import newest_versions
from runbooks.library.stored import document_from_json
from runbooks.models import RunbookVersion


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """One runbook in the list: its newest edition, and what it says of itself."""

    version: RunbookVersion
    slug: str
    title: str
    category: str
    matches: tuple[str, ...]
    owner: str
    minutes: int
    review_by: date
    step_count: int


def library_for_page() -> list[LibraryEntry]:
    """Return every runbook by category and title, in one query. Everybody may read them all."""
    versions = newest_versions().select_related("runbook", "published_by")
    return [_entry(version) for version in versions.order_by("runbook__category", "runbook__title")]


def version_for_page(slug: str, number: int | None = None) -> RunbookVersion:
    """Return one edition, or 404.

    Unless `number` says which, it is the edition in force; the newest one of a runbook whose
    editions are all withdrawn.
    """
    versions = RunbookVersion.objects.filter(runbook__slug=slug).select_related(
        "runbook", "published_by", "withdrawal__by"
    )
    if number is not None:
        versions = versions.filter(number=number)
    in_force_first = versions.alias(is_withdrawn=Q(withdrawal__isnull=False))
    version = in_force_first.order_by("is_withdrawn", "-number").first()
    if version is None:
        raise Http404("There is no such runbook, or no such edition of it.")
    return version


def newest_in_force(slug: str) -> RunbookVersion | None:
    """Return the edition of a runbook that is in force; None without one."""
    return newest_versions().select_related("runbook").filter(runbook__slug=slug).first()


def document_of(version: RunbookVersion) -> RunbookDocument:
    """Return the edition's document; raises RunbookError for a form this program cannot read."""
    return document_from_json(version.document)


def _entry(version: RunbookVersion) -> LibraryEntry:
    try:
        document = document_of(version)
    except RunbookError:
        return _unreadable(version)
    return LibraryEntry(
        version=version,
        slug=version.runbook.slug,
        title=document.title,
        category=document.category,
        matches=document.matches,
        owner=document.owner,
        minutes=document.minutes,
        review_by=document.review_by,
        step_count=len(document.steps),
    )


def _unreadable(version: RunbookVersion) -> LibraryEntry:
    """Return what is known of an edition of a form that this program cannot read: it is overdue."""
    return LibraryEntry(
        version=version,
        slug=version.runbook.slug,
        title=version.runbook.title,
        category=version.runbook.category,
        matches=(),
        owner="",
        minutes=0,
        review_by=version.published_at.date(),
        step_count=0,
    )
