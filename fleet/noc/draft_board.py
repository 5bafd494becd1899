"""One draft as its page shows it: the text, what keeps it from publication, how it will look."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import date

from fleet.access import AnyUser, account_of
from fleet.noc.draft_words import title_of
from fleet.noc.runbook_board import RunbookView, runbook_view
from fleet.noc.runbook_diff_board import DiffBoard, diff_board
from fleet.noc.runbook_rights import may_write
from runbooks.library.desk import DraftLook, draft_for_page, look_at_draft, may_review
from runbooks.library.document import RunbookDocument, RunbookError
from runbooks.library.drafts import media_of
from runbooks.library.lint import LARGEST_PACK
from runbooks.library.media import picture_names, sizes_of
from runbooks.library.parse import normalise
from runbooks.library.rearrange import FORMS, StepPlace, places_of
from runbooks.library.selectors import document_of
from runbooks.library.stored import document_to_json
from runbooks.models import DraftRemark, RunbookDraft, RunbookVersion

Kind = DraftRemark.Kind
State = RunbookDraft.State


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step in the list beside the text, with what was said about it."""

    place: StepPlace
    comments: Sequence[DraftRemark]


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture that the text may show; `is_shown` tells whether a step does, as far as known."""

    name: str
    digest: str
    size: int
    is_shown: bool


@dataclass(frozen=True, slots=True)
class TextView:
    """What can be said of a text at once: faults, advice, steps, and how it will look."""

    look: DraftLook
    view: RunbookView | None
    steps: Sequence[StepLine]
    pictures: Sequence[Picture]
    pack_size: int
    largest_pack: int = LARGEST_PACK


@dataclass(frozen=True, slots=True)
class DraftPage:
    """Everything on the page of a draft. `typed` is the text in the field, saved or not."""

    draft: RunbookDraft
    title: str
    typed: str
    seen: int
    was: str
    text: TextView
    newest: RunbookVersion | None
    may_write: bool
    may_publish: bool
    diff: DiffBoard | None
    kinds: Sequence[str] = tuple(FORMS)

    @property
    def is_writing(self) -> bool:
        """Whether it may be written in."""
        return self.draft.state == State.WRITING

    @property
    def is_in_review(self) -> bool:
        """Whether it waits for a second person."""
        return self.draft.state == State.IN_REVIEW

    @property
    def is_unsaved(self) -> bool:
        """Whether the field holds words that are not saved."""
        return self.typed != self.draft.source

    @property
    def is_outdated(self) -> bool:
        """Whether an edition was published since the draft was begun."""
        base, newest = self.draft.base, self.newest
        return base is not None and newest is not None and newest.number > base.number


def draft_page(
    *, user: AnyUser, draft_id: int, today: date, typed: str | None = None, seen: int | None = None
) -> DraftPage:
    """Return the page; with `typed`, over what was typed on revision `seen` and is not saved."""
    draft = draft_for_page(draft_id)
    text = draft.source if typed is None else normalise(typed)
    is_saved = text == draft.source
    shown = text_view(draft, text, today=today)
    in_review = draft.state == State.IN_REVIEW
    versions = draft.runbook.versions.order_by("-number") if draft.runbook else None
    return DraftPage(
        draft=draft,
        title=title_of(draft),
        typed=text,
        seen=draft.revision if is_saved or seen is None else seen,
        was=mark_of(draft.source) if is_saved else "",
        text=shown,
        newest=versions.defer("source", "document").first() if versions is not None else None,
        may_write=may_write(user),
        may_publish=in_review and may_write(user) and may_review(draft, account_of(user)),
        diff=_diff(draft, shown.look.document) if in_review else None,
    )


def text_view(draft: RunbookDraft, text: str, *, today: date) -> TextView:
    """Return what can be said of `text` in place of the draft's own; the draft is not changed."""
    written = copy(draft)
    written.source = normalise(text)
    look = look_at_draft(written, today=today)
    media = media_of(draft)
    sizes = sizes_of(list(media.values()))
    shown = picture_names(look.document) if look.document else []
    return TextView(
        look=look,
        view=_preview(written, look.document, today) if look.document else None,
        steps=_steps(written, look.document),
        pictures=[
            Picture(name, digest, sizes.get(digest, 0), look.document is None or name in shown)
            for name, digest in sorted(media.items())
        ],
        pack_size=len(written.source.encode())
        + sum(sizes.get(media[name], 0) for name in shown if name in media),
    )


def mark_of(text: str) -> str:
    """Return what tells this text from another: so a form knows whether somebody typed."""
    return hashlib.sha256(normalise(text).encode("utf-8", "surrogatepass")).hexdigest()


def comments_of(draft: RunbookDraft) -> dict[str, list[DraftRemark]]:
    """Return what was said about steps, by the id of the step; remarks are read already."""
    comments: dict[str, list[DraftRemark]] = {}
    for remark in draft.remarks.all():
        if remark.kind == Kind.COMMENTED and remark.step_id:
            comments.setdefault(remark.step_id, []).append(remark)
    return comments


def _preview(draft: RunbookDraft, document: RunbookDocument, today: date) -> RunbookView:
    """Return the text as the edition that it would become."""
    media: Mapping[str, str] = media_of(draft)
    kept = tuple((name, media[name]) for name in picture_names(document) if name in media)
    edition = RunbookVersion(
        number=draft.base.number + 1 if draft.base else 1,
        document=document_to_json(replace(document, media=kept)),
        source=draft.source,
    )
    return runbook_view(edition, today=today)


def _steps(draft: RunbookDraft, document: RunbookDocument | None) -> list[StepLine]:
    try:
        places = places_of(draft.source)
    except RunbookError:
        return []
    comments = comments_of(draft)
    ids = [step.id for step in document.steps] if document else []
    return [
        StepLine(place, comments.get(ids[place.number - 1], ()) if ids else ()) for place in places
    ]


def _diff(draft: RunbookDraft, after: RunbookDocument | None) -> DiffBoard | None:
    """Return what is new against the edition the draft began from; None without one."""
    if draft.base is None or after is None:
        return None
    try:
        before = document_of(draft.base)
    except RunbookError:
        return None
    media: Mapping[str, str] = media_of(draft)
    kept = tuple((name, media[name]) for name in picture_names(after) if name in media)
    return diff_board(before, replace(after, media=kept), comments=comments_of(draft))
