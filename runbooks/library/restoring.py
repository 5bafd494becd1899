"""Going back to an older edition: its text becomes a draft like any other, then an edition."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from runbooks.library.document import RunbookDocument
from runbooks.library.drafts import begin_draft
from runbooks.library.errors import LibraryError
from runbooks.library.match import newest_versions
from runbooks.library.selectors import document_of
from runbooks.library.translations import carry_translations
from runbooks.models import RunbookDraft, RunbookVersion


@transaction.atomic
def restore_edition(*, version: RunbookVersion, by: User, now: datetime) -> RunbookDraft:
    """Begin a draft with the text and the pictures of an older edition.

    It counts as begun from the newest edition, which a reviewer sees it compared with, and whoever
    restores it as its writer. Raises LibraryError for the edition in force and a withdrawn one.
    """
    if hasattr(version, "withdrawal"):
        raise LibraryError(
            "edition_withdrawn",
            f"{version} was withdrawn: {version.withdrawal.reason} Restore another edition.",
        )
    if newest_versions().filter(pk=version.pk).exists():
        raise LibraryError(
            "nothing_changed", f"{version} is in force already; there is nothing to go back to."
        )
    newest = version.runbook.versions.order_by("-number").first()
    draft = begin_draft(by=by, now=now, base=newest, source=version.source)
    draft.goes_back_to, draft.media = version, version.document.get("media", {})
    draft.note = f"Goes back to edition {version.number}."
    draft.save(update_fields=["goes_back_to", "media", "note"])
    return draft


def bring_translations_along(
    *, draft: RunbookDraft, version: RunbookVersion, by: User, now: datetime
) -> int:
    """Give the edition that a draft became the translations of the one it goes back to.

    Only where it says the same but for its owner and the day of its review. Returns how many.
    """
    before = draft.goes_back_to
    if before is None or not _says_the_same(document_of(before), document_of(version)):
        return 0
    return carry_translations(before=before, version=version, by=by, now=now)


def _says_the_same(before: RunbookDocument, after: RunbookDocument) -> bool:
    # The database keeps the names of pictures in an order of its own.
    has_same_pictures = dict(before.media) == dict(after.media)
    alike = replace(
        before,
        owner=after.owner,
        review_by=after.review_by,
        source=after.source,
        media=after.media,
    )
    return has_same_pictures and alike == after
