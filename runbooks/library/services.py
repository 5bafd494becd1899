"""Publish runbooks: an edition is added, never changed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from django.contrib.auth.models import User
from django.db import transaction

from runbooks.library.document import RunbookDocument
from runbooks.library.media import Media, keep_pictures, picture_names, with_media
from runbooks.library.parse import content_hash, parse_runbook
from runbooks.library.stored import document_to_json
from runbooks.models import Runbook, RunbookVersion

logger = logging.getLogger(__name__)

BUILTIN = Path(__file__).parent / "builtin"


def publish_runbook(
    *,
    source: str,
    by: User | None,
    now: datetime,
    note: str = "",
    media: Mapping[str, bytes] | None = None,
    kept: Media | None = None,
    may_repeat: bool = False,
) -> RunbookVersion:
    """Publish the runbook written in `source` as the next edition of its slug.

    `media` are pictures by name, of which those that the text shows are kept; `kept` are hashes of
    pictures that are in the database already. A picture in neither is taken from the newest
    edition that there is. A text that is an edition already, word for word and with the same
    pictures, is not published again: that edition is returned. With `may_repeat` only the newest
    one counts, so that people can go back to an older one. Raises RunbookError.
    """
    return _publish(
        document=parse_runbook(source),
        by=by,
        now=now,
        note=note,
        media=media or {},
        kept=kept,
        may_repeat=may_repeat,
    )


@transaction.atomic
def _publish(
    *,
    document: RunbookDocument,
    by: User | None,
    now: datetime,
    note: str,
    media: Mapping[str, bytes],
    kept: Media | None = None,
    may_repeat: bool = False,
) -> RunbookVersion:
    runbook = _runbook_of(document)
    newest = runbook.versions.order_by("-number").first()
    before: Media = newest.document.get("media", {}) if newest else {}
    shown = {name: data for name, data in media.items() if name in picture_names(document)}
    added = keep_pictures(pictures=shown, by=by, now=now)
    document = with_media(document, {**before, **(kept or {}), **added})
    digest = content_hash(document.source, document.media)
    existing = runbook.versions.filter(content_hash=digest).order_by("-number").first()
    if existing is not None and (existing == newest or not may_repeat):
        return existing
    version = RunbookVersion.objects.create(
        runbook=runbook,
        number=1 if newest is None else newest.number + 1,
        content_hash=digest,
        source=document.source,
        document=document_to_json(document),
        note=note,
        published_at=now,
        published_by=by,
    )
    logger.info("runbook.published", extra={"runbook": runbook.slug, "number": version.number})
    return version


def publish_builtin_library(*, now: datetime, folder: Path = BUILTIN) -> list[RunbookVersion]:
    """Publish the runbooks that come with the product; return the edition in use of each.

    Their pictures are in `media` beside them. A runbook that somebody has rewritten is theirs: it
    is left as it is.
    """
    in_use = []
    pictures = {path.name: path.read_bytes() for path in (folder / "media").glob("*.*")}
    for path in sorted(folder.glob("*.md")):
        document = parse_runbook(path.read_text(encoding="utf-8"))
        newest = (
            RunbookVersion.objects.filter(runbook__slug=document.slug)
            .select_related("runbook")
            .order_by("-number")
            .first()
        )
        if newest is not None and newest.published_by_id is not None:
            in_use.append(newest)
        else:
            note = "Comes with Hearthwatch."
            in_use.append(_publish(document=document, by=None, now=now, note=note, media=pictures))
    return in_use


def _runbook_of(document: RunbookDocument) -> Runbook:
    """Return the runbook's row, locked until COMMIT so that two editions never share a number."""
    facts = {"title": document.title, "category": document.category}
    Runbook.objects.get_or_create(slug=document.slug, defaults=facts)
    rows = Runbook.objects.filter(slug=document.slug)
    rows.update(**facts)
    return rows.get()
