"""Drafts: begun, written, submitted, sent back, discarded; nothing of it changes an edition.

Whoever calls these has seen to it that the person may change runbooks (`Action.CHANGE`
everywhere). What becomes of a draft that was found good stands in `publishing.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F

from fleet.models import AuditEntry
from fleet.names import name_of
from runbooks.library.document import RunbookDocument
from runbooks.library.errors import LibraryError, StaleDraft
from runbooks.library.front_matter import with_front_matter
from runbooks.library.media import Media, keep_pictures, with_media
from runbooks.library.parse import content_hash, normalise, parse_runbook
from runbooks.library.skeleton import SKELETON
from runbooks.models import DraftRemark, Runbook, RunbookDraft, RunbookVersion

LONGEST_DRAFT = 200_000
LONGEST_REMARK = 1_000

State = RunbookDraft.State
Kind = DraftRemark.Kind

# What PostgreSQL cannot store; all else is kept, and what is wrong with it is shown beside it.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@transaction.atomic
def begin_draft(
    *,
    by: User,
    now: datetime,
    base: RunbookVersion | None = None,
    source: str | None = None,
    pictures: Mapping[str, bytes] | None = None,
    front: Mapping[str, str] | None = None,
) -> RunbookDraft:
    """Begin a draft from an edition, from a text brought along, or from an empty form.

    `front` gives other values behind keys of the edition's front matter, such as `owner` and
    `review_by`: so a review without another change is a draft too. Raises RunbookError for a
    picture that must not be kept.
    """
    text = source if source is not None else base.source if base else SKELETON
    if front:
        text = with_front_matter(text, front)
    draft = RunbookDraft.objects.create(
        runbook=base.runbook if base else None,
        base=base,
        source=_storable(text),
        media=keep_pictures(pictures=pictures or {}, by=by, now=now),
        created_at=now,
        created_by=by,
        updated_at=now,
        updated_by=by,
    )
    if source is not None or front:
        _remark(draft, Kind.SAVED, by, now)
    write_down("draft.begun", draft, by, now)
    return draft


@transaction.atomic
def save_draft(
    *, draft: RunbookDraft, source: str, seen: int, by: User, now: datetime
) -> RunbookDraft:
    """Save the text over revision `seen`; raises StaleDraft, with your text, over another one."""
    text = _storable(source)
    saved = RunbookDraft.objects.filter(pk=draft.pk, state=State.WRITING, revision=seen)
    if not saved.update(source=text, revision=F("revision") + 1, updated_at=now, updated_by=by):
        raise _refusal(draft, seen, State.WRITING, text=source)
    draft.refresh_from_db()
    # One remark for all that somebody saves at a stretch: the log tells who, not how often.
    last = draft.remarks.order_by("-pk").first()
    if last is None or (last.kind, last.by_id) != (Kind.SAVED, by.pk):
        _remark(draft, Kind.SAVED, by, now)
    return draft


@transaction.atomic
def add_pictures(
    *, draft: RunbookDraft, pictures: Mapping[str, bytes], by: User, now: datetime
) -> RunbookDraft:
    """Add pictures, or put others in their place; it counts as writing. Raises RunbookError."""
    row = locked(draft, State.WRITING)
    row.media = row.media | keep_pictures(pictures=pictures, by=by, now=now)
    # A reviewer who saw the pictures before must not publish these unseen.
    row.revision += 1
    row.updated_at, row.updated_by = now, by
    row.save(update_fields=["media", "revision", "updated_at", "updated_by"])
    _remark(row, Kind.SAVED, by, now, text=f"Pictures: {', '.join(sorted(pictures))}")
    return row


@transaction.atomic
def comment_on_draft(
    *, draft: RunbookDraft, text: str, by: User, now: datetime, step_id: str = ""
) -> DraftRemark:
    """Say something about the draft or one of its steps, while it is written or reviewed."""
    row = locked(draft, State.WRITING, State.IN_REVIEW)
    if not text.strip():
        raise LibraryError("empty_comment", "The comment is empty; write something.")
    return _remark(row, Kind.COMMENTED, by, now, text=text, step_id=step_id)


@transaction.atomic
def submit_draft(
    *, draft: RunbookDraft, seen: int, by: User, now: datetime, note: str = ""
) -> RunbookDraft:
    """Give revision `seen` to a second person; only what could be published is taken.

    Raises RunbookError for a text that is no runbook, LibraryError for one that does not fit here.
    """
    row = locked(draft, State.WRITING, seen=seen)
    check_fit(row)
    refuse_unstorable(note)
    row.state = State.IN_REVIEW
    row.submitted_at, row.submitted_by, row.note = now, by, note.strip()[:200]
    row.save(update_fields=["state", "submitted_at", "submitted_by", "note"])
    _remark(row, Kind.SUBMITTED, by, now, text=note)
    write_down("draft.submitted", row, by, now)
    return row


@transaction.atomic
def send_back_draft(*, draft: RunbookDraft, text: str, by: User, now: datetime) -> RunbookDraft:
    """Give a draft in review back to its writers, with what is to be changed."""
    row = locked(draft, State.IN_REVIEW)
    if not text.strip():
        raise LibraryError("reason_missing", "Say what is to be changed, then send it back.")
    row.state = State.WRITING
    row.save(update_fields=["state"])
    _remark(row, Kind.SENT_BACK, by, now, text=text)
    write_down("draft.sent_back", row, by, now)
    return row


@transaction.atomic
def rebase_draft(
    *, draft: RunbookDraft, onto: RunbookVersion, by: User, now: datetime
) -> RunbookDraft:
    """Say that the draft has what is new in `onto`, an edition published since it was begun."""
    row = locked(draft, State.WRITING)
    if row.runbook_id not in (None, onto.runbook_id):
        raise LibraryError(
            "other_runbook", f"{onto} is of another runbook; choose an edition of {row.runbook}."
        )
    row.runbook, row.base = onto.runbook, onto
    row.updated_at, row.updated_by = now, by
    row.save(update_fields=["runbook", "base", "updated_at", "updated_by"])
    _remark(row, Kind.SAVED, by, now, text=f"Now from {onto}.")
    return row


@transaction.atomic
def discard_draft(*, draft: RunbookDraft, by: User, now: datetime, reason: str = "") -> None:
    """Put the draft away; its text and its remarks stay readable."""
    row = locked(draft, State.WRITING, State.IN_REVIEW)
    row.state = State.DISCARDED
    row.save(update_fields=["state"])
    _remark(row, Kind.DISCARDED, by, now, text=reason)
    write_down("draft.discarded", row, by, now)


def check_fit(draft: RunbookDraft) -> RunbookDocument:
    """Return the draft's document with its pictures if it could be published as it stands.

    Raises RunbookError for what is no runbook, LibraryError for what does not fit the library.
    """
    document = parse_runbook(draft.source)
    slug = document.slug
    if draft.runbook is None and Runbook.objects.filter(slug=slug).exists():
        raise slug_taken(slug)
    if draft.runbook is not None and draft.runbook.slug != slug:
        raise LibraryError(
            "slug_changed",
            f"A runbook keeps its slug; write 'slug: {draft.runbook.slug}' again.",
        )
    editions = draft.runbook.versions.order_by("-number") if draft.runbook else None
    newest = editions.first() if editions is not None else None
    if newest is not None and draft.base is not None and newest.number > draft.base.number:
        raise LibraryError(
            "base_outdated",
            f"{newest} was published since this draft was begun from edition {draft.base.number}; "
            "take over what is new in it, say so, and submit again.",
        )
    document = with_media(document, media_of(draft))
    digest = content_hash(document.source, document.media)
    # What an older edition said may be said again: that is how one goes back to it.
    in_force = editions.filter(withdrawal=None).first() if editions is not None else None
    if digest in {edition.content_hash for edition in (newest, in_force) if edition}:
        raise LibraryError(
            "nothing_changed", "The edition in force says just this already; change a word."
        )
    return document


def media_of(draft: RunbookDraft) -> Media:
    """Return the pictures that the draft may show: its own before those of its edition."""
    before: Media = draft.base.document.get("media", {}) if draft.base else {}
    return {**before, **draft.media}


def locked(draft: RunbookDraft, *states: State, seen: int | None = None) -> RunbookDraft:
    """Return the draft's row, locked until COMMIT, in one of `states`, at revision `seen`."""
    rows = RunbookDraft.objects.select_for_update(of=("self",))
    row = rows.select_related("runbook", "base", "goes_back_to", "updated_by").get(pk=draft.pk)
    if row.state not in states or (seen is not None and row.revision != seen):
        raise _refusal(draft, seen, *states)
    return row


def slug_taken(slug: str) -> LibraryError:
    """Return the refusal of a new runbook that is called like another."""
    return LibraryError(
        "slug_taken",
        f"There is a runbook {slug!r} already; choose another slug, or begin from that one.",
    )


def write_down(action: str, draft: RunbookDraft, by: User, now: datetime) -> None:
    """Write down in the audit trail what was done to a draft."""
    detail = {"draft": draft.pk, "revision": draft.revision, "base": draft.base_id}
    subject = f"runbook {draft.runbook.slug}" if draft.runbook else "a new runbook"
    AuditEntry.objects.create(at=now, actor=by, action=action, subject=subject, detail=detail)


def _refusal(
    draft: RunbookDraft, seen: int | None, *states: State, text: str | None = None
) -> LibraryError:
    """Return why the draft cannot be had so: it moved on, or somebody else wrote in it."""
    now = RunbookDraft.objects.select_related("updated_by").get(pk=draft.pk)
    if now.state in states:
        return StaleDraft(editor=name_of(now.updated_by), revision=now.revision, text=text)
    return LibraryError(
        "draft_moved_on",
        f"This draft is {now.get_state_display().lower()} by now; reload to see what was done.",
    )


def _remark(
    draft: RunbookDraft, kind: Kind, by: User, now: datetime, *, text: str = "", step_id: str = ""
) -> DraftRemark:
    words = text.strip()
    refuse_unstorable(words)
    if len(words) > LONGEST_REMARK:
        raise LibraryError(
            "too_long", f"Say it in at most {LONGEST_REMARK:,} characters; it was not kept."
        )
    return DraftRemark.objects.create(
        draft=draft, kind=kind, step_id=step_id[:60], text=words, at=now, by=by
    )


def _storable(text: str) -> str:
    if len(text) > LONGEST_DRAFT:
        raise LibraryError(
            "too_long", f"The text is longer than {LONGEST_DRAFT:,} characters; split it."
        )
    refuse_unstorable(text)
    return normalise(text)


def refuse_unstorable(text: str) -> None:
    """Raise LibraryError for a text with a character that the database cannot keep."""
    if _UNSTORABLE.search(text):
        raise LibraryError(
            "bad_character", "There is a character that cannot be kept; paste the text anew."
        )
