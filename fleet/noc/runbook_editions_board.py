"""The editions of one runbook: which is in force, what each is followed by, in which languages."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

from django.http import Http404

from fleet.noc.runbook_board import kinds_in_words
from runbooks.library.match import FALLBACK, newest_versions
from runbooks.models import Runbook, RunbookVersion, RunbookWithdrawal


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition in the list, and the one before it to compare it with, 0 where there is none."""

    version: RunbookVersion
    is_in_force: bool
    before: int
    languages: Sequence[str]

    @property
    def withdrawal(self) -> RunbookWithdrawal | None:
        """Why it is given to no new alert, None where it may be."""
        return getattr(self.version, "withdrawal", None)


@dataclass(frozen=True, slots=True)
class Instead:
    """What new alerts get once an edition is withdrawn.

    `version` is the edition of the same runbook; without one, `others` go from the words of a kind
    to the runbook that answers it then.
    """

    changes: bool
    version: RunbookVersion | None = None
    others: Sequence[tuple[str, str]] = ()


def editions_of(runbook: Runbook) -> list[Edition]:
    """Return every edition, the newest first; two queries."""
    versions = list(
        runbook.versions.select_related("published_by", "withdrawal__by")
        .prefetch_related("translations")
        .defer("source", "document")
        .order_by("-number")
    )
    force = next((one.pk for one in versions if getattr(one, "withdrawal", None) is None), None)
    before = [*[version.number for version in versions[1:]], 0]
    return [
        Edition(
            version=version,
            is_in_force=version.pk == force,
            before=earlier,
            languages=[row.language for row in version.translations.all()],
        )
        for version, earlier in zip(versions, before, strict=True)
    ]


def instead_of(version: RunbookVersion) -> Instead:
    """Return what is used once this edition is withdrawn."""
    in_force = newest_versions().filter(runbook=version.runbook).first()
    if in_force is None or in_force.pk != version.pk:
        return Instead(changes=False)
    left = version.runbook.versions.filter(withdrawal__isnull=True).exclude(pk=version.pk)
    following = left.order_by("-number").first()
    if following is not None:
        return Instead(changes=True, version=following)
    kinds = version.document.get("matches", ())
    return Instead(
        changes=True,
        others=[
            (words, _answer(kind, version))
            for kind, words in zip(kinds, kinds_in_words(kinds), strict=True)
        ],
    )


def in_language(version: RunbookVersion, language: str) -> RunbookVersion:
    """Return the edition with the text of a translation in place of its own, or 404."""
    if language == version.document.get("language", ""):
        return version
    # Compared here: the word comes from an address and may be nothing a database can look for.
    found = next((one for one in version.translations.all() if one.language == language), None)
    if found is None:
        raise Http404("This edition is not published in that language.")
    translated = copy(version)
    translated.document, translated.source = found.document, found.source
    return translated


def _answer(kind: str, version: RunbookVersion) -> str:
    """Return the title of the runbook that answers the kind when this one does not."""
    others = newest_versions().exclude(runbook=version.runbook)
    named = others.filter(document__matches__contains=[kind]).first()
    if named is not None:
        return named.runbook.title
    fallback = Runbook.objects.filter(slug=FALLBACK).first()
    return fallback.title if fallback else FALLBACK
