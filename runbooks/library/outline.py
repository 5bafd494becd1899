"""Cut the Markdown of a runbook into lines, headings and sections. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from runbooks.library import values
from runbooks.library.document import SECTIONS, SLOT, VARIABLES, RunbookError

HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?")
HEADING_WITHOUT_SPACE = re.compile(r" {0,3}#{2,6}[^#\s]")
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the text; `level` is that of its heading, 0 when it is none."""

    number: int
    text: str
    level: int = 0
    heading: str = ""


@dataclass(slots=True)
class Part:
    """A heading and the lines under it, up to the next heading of its level."""

    number: int
    heading: str
    lines: list[Line] = field(default_factory=list)


def outline_of(lines: Sequence[str], first_number: int) -> Iterator[Line]:
    """Find the headings; a `#` inside a fenced block is none."""
    fence, opened = "", 0
    for number, text in enumerate(lines, start=first_number):
        mark = FENCE.fullmatch(text)
        if fence:
            # CommonMark: closed by at least as many of the same marks and nothing behind them.
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
            yield Line(number, text)
        elif mark and not (mark[1][0] == "`" and "`" in mark[2]):
            fence, opened = mark[1], number
            yield Line(number, text)
        else:
            yield _heading(number, text)
    if fence:
        raise RunbookError(
            "open_fence", f"The block opened by '{fence[:3]}' has no end; close it.", opened
        )


def _heading(number: int, text: str) -> Line:
    if HEADING_WITHOUT_SPACE.match(text):
        raise RunbookError(
            "bad_heading", "The '#' marks touch the title; put a space between them.", number
        )
    found = HEADING.fullmatch(text)
    if not found:
        return Line(number, text)
    level, heading = len(found[1]), (found[2] or "").strip()
    if level == 1:
        raise RunbookError(
            "bad_heading", "The title stands in the front matter; delete this '#' heading.", number
        )
    return Line(number, text, level, heading)


def check_variables(outline: Sequence[Line]) -> None:
    for line in outline:
        for found in SLOT.finditer(line.text):
            if found[1].strip() not in VARIABLES:
                raise RunbookError(
                    "unknown_variable",
                    f"There is no variable {found[1].strip()[:40]!r}; "
                    f"use {values.listed(VARIABLES)}.",
                    line.number,
                )
        if "{{" in SLOT.sub(" ", line.text):
            raise RunbookError(
                "bad_variable",
                "A variable that begins with '{{' has no end; write it like '{{ site.name }}'.",
                line.number,
            )


def sections_of(outline: Sequence[Line]) -> dict[str, Part]:
    """Cut the text at its `##` headings; each of SECTIONS must be there once, in that order."""
    found: dict[str, Part] = {}
    current: Part | None = None
    for line in outline:
        if line.level == 2:
            current = Part(line.number, line.heading)
            _check_section(current, found)
            found[line.heading] = current
        elif current is not None:
            current.lines.append(line)
        elif line.text:
            raise RunbookError(
                "text_outside_section",
                "There is text before the first section; put it under '## Meaning'.",
                line.number,
            )
    missing = [name for name in SECTIONS if name not in found]
    if missing:
        raise RunbookError(
            "missing_section",
            f"The section '## {missing[0]}' is missing; write the sections "
            f"{', '.join(SECTIONS)} in this order.",
            outline[-1].number if outline else 1,
        )
    return found


def _check_section(section: Part, found: dict[str, Part]) -> None:
    if section.heading not in SECTIONS:
        raise RunbookError(
            "unknown_section",
            f"There is no section {section.heading[:40]!r}; use {values.listed(SECTIONS)}.",
            section.number,
        )
    if section.heading in found:
        raise RunbookError(
            "duplicate_section",
            f"The section {section.heading!r} stands here a second time; join the two.",
            section.number,
        )
    later = SECTIONS[SECTIONS.index(section.heading) + 1 :]
    for name in found:
        if name in later:
            raise RunbookError(
                "section_order",
                f"'{section.heading}' stands after '{name}'; move it before that.",
                section.number,
            )


def text_of(lines: Sequence[Line]) -> str:
    return "\n".join(line.text for line in lines).strip("\n")


def prose_of(section: Part) -> str:
    for line in section.lines:
        if line.level == 3:
            raise RunbookError(
                "step_outside_steps",
                "A '###' heading begins a step; move it under '## Steps' or use '####'.",
                line.number,
            )
    text = text_of(section.lines)
    if not text:
        raise RunbookError(
            "empty_section",
            f"The section '{section.heading}' is empty; write at least one sentence.",
            section.number,
        )
    return text
