"""What a second person decides: a draft becomes an edition, and an edition is taken out of use."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from fleet.models import AuditEntry
from fleet.names import name_of
from runbooks.library.drafts import (
    check_fit,
    locked,
    media_of,
    refuse_unstorable,
    slug_taken,
    write_down,
)
from runbooks.library.errors import LibraryError
from runbooks.library.match import FALLBACK
from runbooks.library.restoring import bring_translations_along
from runbooks.library.services import publish_runbook
from runbooks.models import DraftRemark, Runbook, RunbookDraft, RunbookVersion, RunbookWithdrawal

LONGEST_NOTE = 200
LONGEST_REASON = 300

State = RunbookDraft.State
Kind = DraftRemark.Kind


@transaction.atomic
def publish_draft(
    *, draft: RunbookDraft, seen: int, by: User, now: datetime, note: str
) -> RunbookVersion:
    """Publish revision `seen` of a draft in review as the next edition of its runbook.

    Only somebody who neither submitted it nor wrote a word of it may: `same_person`. Raises
    LibraryError, and RunbookError should the text no longer be a runbook.
    """
    row = locked(draft, State.IN_REVIEW, seen=seen)
    if by.pk in barred_from_review(row):
        raise LibraryError(
            "same_person",
            f"{name_of(by)} wrote or submitted this draft; ask a second person to publish it.",
        )
    words = _words(note, LONGEST_NOTE, "note_missing", "Say in a note what is new in this edition.")
    # Locked, so that no other edition comes between the look and the publication.
    if row.runbook is not None:
        Runbook.objects.select_for_update().get(pk=row.runbook.pk)
    check_fit(row)
    version = publish_runbook(
        source=row.source, by=by, now=now, note=words, kept=media_of(row), may_repeat=True
    )
    if row.runbook is None and version.number > 1:
        raise slug_taken(version.runbook.slug)
    bring_translations_along(draft=row, version=version, by=by, now=now)
    row.state, row.version, row.runbook = State.PUBLISHED, version, version.runbook
    row.note, row.reviewed_at, row.reviewed_by = words, now, by
    row.save(update_fields=["state", "version", "runbook", "note", "reviewed_at", "reviewed_by"])
    DraftRemark.objects.create(draft=row, kind=Kind.PUBLISHED, text=words, at=now, by=by)
    write_down("draft.published", row, by, now)
    return version


def barred_from_review(draft: RunbookDraft) -> set[int]:
    """Return the ids of the people who wrote in the draft or submitted it."""
    wrote = draft.remarks.filter(kind__in=[Kind.SAVED, Kind.SUBMITTED])
    return set(wrote.values_list("by_id", flat=True))


@transaction.atomic
def withdraw_edition(
    *, version: RunbookVersion, reason: str, by: User, now: datetime
) -> RunbookWithdrawal:
    """Give an edition to no new alert; those that have it, and their runs, keep it.

    New alerts get the newest edition that is not withdrawn. The last such edition of the generic
    runbook stays: there must always be one to fall back to.
    """
    words = _words(reason, LONGEST_REASON, "reason_missing", "Say why the edition is withdrawn.")
    # Locked, so that two people do not withdraw the last two editions at once.
    runbook = Runbook.objects.select_for_update().get(pk=version.runbook_id)
    in_force = runbook.versions.filter(withdrawal__isnull=True)
    if not in_force.filter(pk=version.pk).exists():
        raise LibraryError("already_withdrawn", f"{version} is withdrawn already.")
    if runbook.slug == FALLBACK and in_force.count() == 1:
        raise LibraryError(
            "last_generic",
            f"{version} answers whatever nothing else does; publish a better edition first.",
        )
    withdrawal = RunbookWithdrawal.objects.create(version=version, at=now, by=by, reason=words)
    AuditEntry.objects.create(
        at=now,
        actor=by,
        action="edition.withdrawn",
        subject=f"runbook {runbook.slug}",
        detail={"number": version.number, "reason": words},
    )
    return withdrawal


def _words(text: str, longest: int, code: str, sentence: str) -> str:
    words = text.strip()
    if not words:
        raise LibraryError(code, sentence)
    if len(words) > longest:
        raise LibraryError("too_long", f"Say it in at most {longest} characters.")
    refuse_unstorable(words)
    return words
