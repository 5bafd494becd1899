"""Editions in other languages: published beside the edition, and the one a reader is shown."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from fleet.models import AuditEntry
from runbooks.library.document import RunbookDocument
from runbooks.library.errors import LibraryError
from runbooks.library.media import Media, keep_pictures, picture_names, with_media
from runbooks.library.parse import content_hash, parse_runbook
from runbooks.library.same_steps import check_translation, with_own_labels
from runbooks.library.selectors import document_of
from runbooks.library.stored import document_from_json, document_to_json
from runbooks.models import RunbookTranslation, RunbookVersion

logger = logging.getLogger(__name__)


@transaction.atomic
def publish_translation(
    *,
    version: RunbookVersion,
    source: str,
    by: User | None,
    now: datetime,
    media: Mapping[str, bytes] | None = None,
) -> RunbookTranslation:
    """Publish the edition in the language that `source` says; the same text again changes nothing.

    A picture with words in it may be given again under its name in `media`; the others are the
    edition's. Raises RunbookError for another runbook than the edition's, and LibraryError for a
    picture that no step shows, and when there is such a translation: an edition is right in every
    language, or the next one is.
    """
    document = _with_pictures(_checked(version, source), version, media or {}, by, now)
    digest = content_hash(source, document.media)
    existing = version.translations.filter(language=document.language).first()
    if existing is not None and existing.content_hash == digest:
        return existing
    if existing is not None:
        raise LibraryError(
            "translation_exists",
            f"{version} is published in {document.language!r} already; publish the next edition "
            "and translate that.",
        )
    translation = RunbookTranslation.objects.create(
        version=version,
        language=document.language,
        content_hash=digest,
        source=document.source,
        document=document_to_json(document),
        published_at=now,
        published_by=by,
    )
    _write_down(translation, by, now)
    return translation


def carry_translations(
    *, before: RunbookVersion, version: RunbookVersion, by: User, now: datetime
) -> int:
    """Publish the translations of an edition with another one that says the same; return how many.

    The caller has compared the two.
    """
    rows = list(before.translations.all())
    for row in rows:
        translation = RunbookTranslation.objects.create(
            version=version,
            language=row.language,
            content_hash=row.content_hash,
            source=row.source,
            document=row.document,
            published_at=now,
            published_by=by,
        )
        _write_down(translation, by, now)
    return len(rows)


def _checked(version: RunbookVersion, source: str) -> RunbookDocument:
    document = parse_runbook(source)
    check_translation(document_of(version), document)
    return document


def _with_pictures(
    document: RunbookDocument,
    version: RunbookVersion,
    media: Mapping[str, bytes],
    by: User | None,
    now: datetime,
) -> RunbookDocument:
    for name in media:
        if name not in picture_names(document):
            raise LibraryError(
                "picture_unknown",
                f"No step shows {name[:80]!r}; call it like the picture whose place it takes.",
            )
    kept: Media = dict(document_of(version).media)
    return with_media(document, {**kept, **keep_pictures(pictures=media, by=by, now=now)})


def document_in(version: RunbookVersion, language: str) -> RunbookDocument:
    """Return the edition in `language`, or in the nearest there is.

    First exactly that tag; then one that names no region, or another region of the language, by
    its tag; then the edition's own. At most one query.
    """
    own = document_of(version)
    if _tag(own.language) == _tag(language):
        return own
    rows = {_tag(row.language): row for row in version.translations.all()}
    near = _near(language, [*rows, _tag(own.language)])
    row = rows.get(near)
    return own if row is None else with_own_labels(own, document_from_json(row.document))


def language_for(version: RunbookVersion, wanted: Sequence[str]) -> str:
    """Return the language of the edition that a reader is shown who wants these, in this order."""
    return nearest_language(languages_of(version), wanted)


def nearest_language(languages: Sequence[str], wanted: Sequence[str]) -> str:
    """Return the one of `languages` for whoever wants these; the first where none is near."""
    by_tag = {_tag(language): language for language in reversed(languages)}
    near = (_near(language, list(by_tag)) for language in wanted)
    return by_tag[next(filter(None, near), _tag(languages[0]))]


def languages_of(version: RunbookVersion) -> list[str]:
    """Return the languages the edition can be read in, its own first."""
    own = str(version.document.get("language", ""))
    # Whoever packs a whole library has fetched the translations of all editions at once.
    others = sorted(row.language for row in version.translations.all())
    return [own, *(language for language in others if language != own)]


def _write_down(translation: RunbookTranslation, by: User | None, now: datetime) -> None:
    slug = translation.version.runbook.slug
    detail = {"number": translation.version.number, "language": translation.language}
    logger.info("translation.published", extra={"runbook": slug, **detail})
    AuditEntry.objects.create(
        at=now, actor=by, action="translation.published", subject=f"runbook {slug}", detail=detail
    )


def _near(language: str, tags: list[str]) -> str:
    """Return the tag to show; empty for none."""
    wanted = _tag(language)
    base = wanted.partition("-")[0]
    if wanted in tags:
        return wanted
    if base in tags:
        return base
    return min((tag for tag in tags if tag.partition("-")[0] == base), default="")


def _tag(language: str) -> str:
    """Return the tag in small letters: `pt-br` and `pt-BR` are one language."""
    return language.lower()
