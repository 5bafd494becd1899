"""Editions out to a file, and files in as drafts: our own, or plain Markdown of others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from django.contrib.auth.models import User
from django.db import transaction

from runbooks.library.adopt import adopt_runbook
from runbooks.library.bundle import pack, pack_library, unpack
from runbooks.library.document import RunbookDocument, RunbookError
from runbooks.library.drafts import begin_draft
from runbooks.library.match import newest_versions
from runbooks.library.media import pictures_of
from runbooks.library.parse import normalise, parse_runbook
from runbooks.library.selectors import document_of
from runbooks.models import RunbookDraft, RunbookVersion

#: Only our own front matter has a slug; with one, a fault is a fault and no other form.
_OURS = re.compile(r"\A---\n(?:(?!---\n).*\n)*?slug[ \t]*:")


@dataclass(frozen=True, slots=True)
class Export:
    """A file to hand out."""

    name: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Import:
    """The draft that a file became, and what a person must still do, one sentence each."""

    draft: RunbookDraft
    warnings: tuple[str, ...]


def export_edition(version: RunbookVersion) -> Export:
    """Return the edition as Markdown, or zipped with its pictures; imported, it is the same."""
    document = document_of(version)
    return Export(*pack(document, pictures_of(document)))


def export_library() -> Export:
    """Return every edition in force that can be read, zipped, a folder each.

    One query for the texts, and one for the pictures of each runbook that has any: only those of
    one runbook at a time are held beside the zip.
    """
    documents = [document for version in newest_versions() if (document := _readable(version))]
    documents.sort(key=lambda document: document.slug)
    data = pack_library((document, pictures_of(document)) for document in documents)
    return Export("runbooks.zip", "application/zip", data)


def _readable(version: RunbookVersion) -> RunbookDocument | None:
    try:
        return document_of(version)
    except RunbookError:
        return None


@transaction.atomic
def begin_import(*, data: bytes, name: str, by: User, now: datetime) -> Import:
    """Begin a draft from a file called `name`; nothing is published. Raises RunbookError.

    A runbook of ours comes in as it is, faults included, as the next edition of its slug where
    there is one. Anything else is made into our form as far as that goes.
    """
    bundle = unpack(data)
    source = normalise(bundle.source)
    warnings: tuple[str, ...] = ()
    base = None
    if _OURS.match(source):
        try:
            slug = parse_runbook(source).slug
            base = newest_versions().filter(runbook__slug=slug).first()
        except RunbookError as error:
            warnings = (str(error),)
    else:
        stem = PurePosixPath(name).stem
        adopted = adopt_runbook(source, today=now.date(), name=stem)
        source, warnings = adopted.source, adopted.warnings
    draft = begin_draft(by=by, now=now, base=base, source=source, pictures=bundle.pictures)
    return Import(draft, warnings)
