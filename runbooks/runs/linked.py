"""The runbooks that steps of a run lead to, to be read on a device: it may have no login, and often
has no network."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from runbooks.library.document import RunbookDocument, RunbookError, RunbookStep
from runbooks.library.markdown import Markdown
from runbooks.library.match import newest_versions
from runbooks.library.translations import document_in
from runbooks.models import RunbookVersion

logger = logging.getLogger(__name__)

#: Runbooks that a pack takes along; what these lead to in their turn is named in their words only.
MOST_LINKED: Final = 5

Json = dict[str, Any]


def editions_led_to(document: RunbookDocument) -> dict[str, RunbookVersion]:
    """Return the runbooks in force that steps lead to, by slug; two queries, none where no step
    leads anywhere."""
    slugs = _slugs(document)
    if not slugs:
        return {}
    editions = newest_versions().filter(runbook__slug__in=slugs).prefetch_related("translations")
    return {edition.runbook.slug: edition for edition in editions}


def links_of(
    document: RunbookDocument, text: Markdown, in_force: Mapping[str, RunbookVersion]
) -> Json:
    """Return the runbooks that steps lead to, by slug, in the document's language where they are
    there in it; no query where the translations of those `in_force` were fetched."""
    found: Json = {}
    for slug in _slugs(document):
        edition = in_force.get(slug)
        linked = _read(edition, document.language) if edition else None
        if edition is None or linked is None:
            continue
        found[slug] = {
            "title": linked.title,
            "version": edition.number,
            "language": linked.language,
            "steps": [_step(step, text) for step in linked.steps],
        }
    return found


def _slugs(document: RunbookDocument) -> list[str]:
    found = dict.fromkeys(step.runbook for step in document.steps if step.runbook)
    return list(found)[:MOST_LINKED]


def _read(edition: RunbookVersion, language: str) -> RunbookDocument | None:
    try:
        return document_in(edition, language)
    except RunbookError:
        logger.warning("link.unreadable", extra={"edition": edition.pk})
        return None


def _step(step: RunbookStep, text: Markdown) -> Json:
    return {
        "number": step.number,
        "title": text.line(step.title),
        "body": text.block(step.body),
        **{name: text.line(getattr(step, name)) for name in ("expect", "otherwise", "warning")},
    }
