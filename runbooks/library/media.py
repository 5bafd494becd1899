"""Keep the pictures of editions by the hash of their bytes, and give them back."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from django.contrib.auth.models import User
from django.http import Http404

from runbooks.library.document import RunbookDocument, RunbookError
from runbooks.library.pictures import picture_hash, picture_type
from runbooks.models import RunbookMedia

Media = Mapping[str, str]
"""From the names of pictures to the hashes of their bytes."""


def keep_pictures(
    *, pictures: Mapping[str, bytes], by: User | None, now: datetime
) -> dict[str, str]:
    """Keep each picture once; return its hash by its name. Raises RunbookError and keeps none."""
    rows = [
        RunbookMedia(
            sha256=picture_hash(data),
            name=name,
            content_type=picture_type(name, data),
            size=len(data),
            data=data,
            added_at=now,
            added_by=by,
        )
        for name, data in sorted(pictures.items())
    ]
    RunbookMedia.objects.bulk_create(rows, ignore_conflicts=True)
    return {row.name: row.sha256 for row in rows}


def with_media(document: RunbookDocument, kept: Media) -> RunbookDocument:
    """Return the document with the hash of each of its pictures; RunbookError when one lacks."""
    for name in picture_names(document):
        if name not in kept:
            raise RunbookError(
                "picture_missing",
                f"There is no picture {name!r}; add it, or delete the line.",
                _line_of(document.source, name),
            )
    return replace(document, media=tuple((name, kept[name]) for name in picture_names(document)))


def picture_names(document: RunbookDocument) -> list[str]:
    """Return the names of the pictures that the steps show, in order, each once."""
    return list(dict.fromkeys(step.picture for step in document.steps if step.picture))


def media_for_page(sha256: str) -> RunbookMedia:
    """Return the picture with this hash, or 404.

    Its bytes never change, so whoever serves it may let it be cached for good. Serve it with its
    `content_type` and `X-Content-Type-Options: nosniff`. Everybody may read every runbook.
    """
    found = RunbookMedia.objects.filter(sha256=sha256.replace("\0", "")).first()
    if found is None:
        raise Http404("There is no such picture.")
    return found


def sizes_of(hashes: Collection[str]) -> dict[str, int]:
    """Return the size in bytes of each of these pictures; one query, no bytes read."""
    found = RunbookMedia.objects.filter(sha256__in=hashes)
    return dict(found.values_list("sha256", "size"))


def pictures_of(document: RunbookDocument) -> dict[str, bytes]:
    """Return the bytes of each picture of the document by its name; one query."""
    found = RunbookMedia.objects.filter(sha256__in=[digest for _, digest in document.media])
    bytes_of = {row.sha256: bytes(row.data) for row in found}
    return {name: bytes_of[digest] for name, digest in document.media if digest in bytes_of}


def _line_of(source: str, name: str) -> int:
    """Return the line that names the picture; 0 when none does."""
    wanted = re.compile(rf"- picture:[ \t]+{re.escape(name)}[ \t]*\|.*")
    lines = enumerate(source.split("\n"), start=1)
    return next((number for number, line in lines if wanted.fullmatch(line)), 0)
