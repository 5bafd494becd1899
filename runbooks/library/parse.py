"""Read a runbook from Markdown with YAML front matter: text in, document or RunbookError out. Pure.

The form is described for writers in `docs/runbook-format.md`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from runbooks.library import values
from runbooks.library.document import SECTIONS, RunbookDocument, RunbookError
from runbooks.library.front_matter import read_front_matter
from runbooks.library.outline import check_variables, outline_of, prose_of, sections_of
from runbooks.library.steps import read_steps

LONGEST_TEXT = 100_000


def normalise(text: str) -> str:
    """Return `text` without byte order mark and trailing space, each line ended by one newline."""
    text = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return "\n".join(line.rstrip(" \t") for line in text.split("\n")).rstrip("\n") + "\n"


def content_hash(text: str, media: Iterable[tuple[str, str]] = ()) -> str:
    """Return the sha256 of the normalised text, in hex: the same hash is the same document.

    `media` are the names and hashes of its pictures. Without any it is the hash of the text alone.
    """
    pictures = "".join(f"\0{name}\0{digest}" for name, digest in sorted(media))
    whole = normalise(text) + pictures
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()


def parse_runbook(text: str) -> RunbookDocument:
    """Return the runbook written in `text`.

    Raises RunbookError, and nothing else, for the first thing that is wrong.
    """
    source = normalise(text)
    if len(source) > LONGEST_TEXT:
        raise RunbookError(
            "too_long", f"The text is longer than {LONGEST_TEXT:,} characters; split the runbook."
        )
    lines = source.removesuffix("\n").split("\n")
    for number, line in enumerate(lines, start=1):
        values.refuse_control_characters(line, number)
    front, first = read_front_matter(lines)
    outline = list(outline_of(lines[first:], first + 1))
    check_variables(outline)
    sections = sections_of(outline)
    prose = {name: prose_of(sections[name]) for name in SECTIONS if name != "Steps"}
    return RunbookDocument(
        slug=front.slug,
        title=front.title,
        category=front.category,
        matches=front.matches,
        owner=front.owner,
        review_by=front.review_by,
        minutes=front.minutes,
        language=front.language,
        meaning=prose["Meaning"],
        impact=prose["Impact"],
        safety=prose["Safety"],
        steps=read_steps(sections["Steps"]),
        verify=prose["Verify"],
        escalate=prose["Escalate"],
        source=source,
        sites=front.sites,
        classes=front.classes,
    )
