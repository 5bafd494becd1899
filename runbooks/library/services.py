"""Publish runbooks: an edition is added, never changed."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

from django.contrib.auth.models import User
from django.db import transaction

from runbooks.library.document import RunbookDocument
from runbooks.library.parse import content_hash, parse_runbook
from runbooks.library.stored import document_to_json
from runbooks.models import Runbook, RunbookVersion

logger = logging.getLogger(__name__)

BUILTIN = Path(__file__).parent / "builtin"


@transaction.atomic
def publish_runbook(
    *, source: str, by: User | None, now: datetime, note: str = ""
) -> RunbookVersion:
    """Publish the runbook written in `source` as the next edition of its slug.

    A text that is an edition already, word for word, is not published again: that edition is
    returned, whether it is the newest or not. Raises RunbookError.
    """
    document = parse_runbook(source)
    runbook = _runbook_of(document)
    digest = content_hash(source)
    existing = runbook.versions.filter(content_hash=digest).first()
    if existing is not None:
        return existing
    newest = runbook.versions.order_by("-number").first()
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


def publish_builtin_library(*, now: datetime) -> list[RunbookVersion]:
    """Publish the runbooks that come with the product; return the edition in use of each.

    A runbook that somebody has rewritten is theirs: it is left as it is.
    """
    in_use = []
    for path in sorted(BUILTIN.glob("*.md")):
        source = path.read_text(encoding="utf-8")
        newest = (
            RunbookVersion.objects.filter(runbook__slug=parse_runbook(source).slug)
            .select_related("runbook")
            .order_by("-number")
            .first()
        )
        if newest is not None and newest.published_by_id is not None:
            in_use.append(newest)
        else:
            note = "Comes with Hearthwatch."
            in_use.append(publish_runbook(source=source, by=None, now=now, note=note))
    return in_use


def _runbook_of(document: RunbookDocument) -> Runbook:
    """Return the runbook's row, locked until COMMIT so that two editions never share a number."""
    facts = {"title": document.title, "category": document.category}
    Runbook.objects.get_or_create(slug=document.slug, defaults=facts)
    rows = Runbook.objects.filter(slug=document.slug)
    rows.update(**facts)
    return rows.get()
