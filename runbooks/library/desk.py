"""The writing desk as its pages show it: drafts, what keeps them from publication, reviews due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.contrib.auth.models import User
from django.db.models import Prefetch
from django.db.models.fields.json import KT
from django.http import Http404

from runbooks.library.document import RunbookDocument, RunbookError
from runbooks.library.drafts import check_fit, media_of
from runbooks.library.errors import LibraryError
from runbooks.library.lint import lint
from runbooks.library.match import newest_versions
from runbooks.library.media import sizes_of
from runbooks.library.parse import parse_runbook
from runbooks.library.publishing import barred_from_review
from runbooks.models import DraftRemark, Runbook, RunbookDraft, RunbookVersion

_OPEN = (RunbookDraft.State.WRITING, RunbookDraft.State.IN_REVIEW)


@dataclass(frozen=True, slots=True)
class DraftLook:
    """What can be said of a draft as it stands.

    `document` is None where the text is no runbook; `fault` says why it cannot be published and
    `line` where, 0 for nowhere; `advice` are the sentences of `lint`.
    """

    document: RunbookDocument | None
    code: str
    fault: str
    line: int
    advice: Sequence[str]


def open_drafts() -> list[RunbookDraft]:
    """Return what is being written or reviewed, the latest change first; one query."""
    drafts = RunbookDraft.objects.filter(state__in=_OPEN)
    return list(drafts.select_related("runbook", "base", "created_by", "updated_by"))


def draft_for_page(draft_id: int) -> RunbookDraft:
    """Return one draft with its remarks and who made them, or 404; two queries."""
    remarks = Prefetch("remarks", DraftRemark.objects.select_related("by"))
    drafts = RunbookDraft.objects.select_related(
        "runbook",
        "base",
        "goes_back_to",
        "version",
        "created_by",
        "updated_by",
        "submitted_by",
        "reviewed_by",
    )
    draft = drafts.prefetch_related(remarks).filter(pk=draft_id).first()
    if draft is None:
        raise Http404("There is no such draft.")
    return draft


def look_at_draft(draft: RunbookDraft, *, today: date) -> DraftLook:
    """Return what keeps the draft from being published, and the advice on it."""
    try:
        document = parse_runbook(draft.source)
    except RunbookError as error:
        return DraftLook(None, error.code, error.message, error.line, ())
    code, fault, line = "", "", 0
    try:
        check_fit(draft)
    except RunbookError as error:
        code, fault, line = error.code, error.message, error.line
    except LibraryError as refusal:
        code, fault = refusal.code, refusal.sentence
    media = media_of(draft)
    sizes = sizes_of(list(media.values()))
    advice = lint(
        document,
        today=today,
        known_slugs=set(Runbook.objects.values_list("slug", flat=True)),
        picture_sizes={name: sizes[digest] for name, digest in media.items() if digest in sizes},
    )
    return DraftLook(document, code, fault, line, advice)


def may_review(draft: RunbookDraft, user: User) -> bool:
    """Tell whether this person may publish the draft, as far as two pairs of eyes go."""
    return draft.state == RunbookDraft.State.IN_REVIEW and user.pk not in barred_from_review(draft)


@dataclass(frozen=True, slots=True)
class DueReview:
    """One edition in force, without its texts, and by which day its owner was to look at it."""

    version: RunbookVersion
    owner: str
    review_by: date


def due_for_review(*, by: date) -> list[DueReview]:
    """Return the reviews that fall due by that day, the most overdue first; one query."""
    # ISO days sort like the days they are.
    due = newest_versions().filter(document__review_by__lte=by.isoformat())
    said = due.annotate(owner=KT("document__owner"), review_by=KT("document__review_by"))
    versions = said.select_related("runbook").defer("source", "document")
    return [
        DueReview(version, version.owner, date.fromisoformat(version.review_by))
        for version in versions.order_by("review_by", "runbook__slug")
    ]
