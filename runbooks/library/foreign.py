"""Cut somebody else's Markdown runbook into its title, its sections and their items. Pure.

Knows the headings Meaning, Impact, Diagnosis and Mitigation, and what others call them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

#: Our name for a section, and the words in its heading by which it is known, the first that fits.
_SECTIONS = {
    "Escalate": ("escalat", "contact", "who to call"),
    "Verify": ("verif", "validat", "confirm it worked", "post-check", "all clear"),
    "Safety": ("safety", "caution", "danger", "before you begin", "precaution", "prerequisite"),
    "Diagnosis": ("diagnos", "troubleshoot", "investigat", "triage", "debug", "how to check"),
    "Mitigation": (
        *("mitigat", "resol", "remed", "recover", "procedure", "steps", "how to fix"),
        *("repair", "what to do", "solution", "action"),
    ),
    "Impact": ("impact", "severity", "consequence", "who is affected"),
    "Meaning": ("meaning", "description", "summary", "overview", "about", "background", "what is"),
}
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]*([^#\s].*?)?[ \t]*#*[ \t]*")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})(.*)")
_ITEM = re.compile(r"( {0,3})(?:[-*+]|\d{1,3}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?(\S.*)")

#: What no item begins with: a line set in, a table, a quotation, a picture.
_BELONGS = re.compile(r"\s|\||>|!\[")
_NESTED = re.compile(r"[ \t]+([-*+]|\d{1,3}[.)])[ \t]")


@dataclass(slots=True)
class Foreign:
    """The pieces of a text: `parts` are lines by our section's name, `rest` what has none."""

    title: str = ""
    parts: dict[str, list[str]] = field(default_factory=dict)
    rest: list[tuple[str, list[str]]] = field(default_factory=list)


@dataclass(slots=True)
class Item:
    """One thing to do or look at: what it says first, and the lines below."""

    head: str
    lines: list[str] = field(default_factory=list)


def cut(lines: Sequence[str]) -> Foreign:
    """Return the pieces of a text. What stands before the first known heading is its meaning."""
    found = Foreign()
    current = found.parts.setdefault("Meaning", [])
    deepest = 6
    for text, level, heading in _headings(lines):
        name = _section_of(heading) if level else ""
        if level == 1 and not found.title and not name:
            found.title = heading
        elif name and level <= deepest:
            # A heading below one that is known belongs to it, whatever its words.
            deepest = level
            current = found.parts.setdefault(name, [])
        elif level and level <= deepest and deepest < 6:
            found.rest.append((heading, current := []))
        else:
            current.append(f"#### {heading}" if level else text)
    return found


def items_of(lines: Sequence[str]) -> list[Item]:
    """Return what there is to do, one item a list entry, sub-heading or paragraph.

    A block of code belongs to what stands before it, a sentence that ends in a colon to what
    follows.
    """
    items: list[Item] = []
    lead = ""
    for text, is_code in _joined(lines):
        entry = None if is_code else _ITEM.fullmatch(text)
        if entry:
            items.append(Item(entry[2], [lead, ""] if lead else []))
            lead = ""
        elif not is_code and text.startswith("#### "):
            items += [Item(lead)] if lead else []
            items.append(Item(text.removeprefix("#### ")))
            lead = ""
        elif not is_code and text and not _BELONGS.match(text):
            items += [Item(lead)] if lead else []
            lead = text
        elif text and lead:
            items.append(Item(lead, [text]))
            lead = ""
        elif items and not lead:
            items[-1].lines.append(text)
        if lead and not lead.endswith(":"):
            items.append(Item(lead))
            lead = ""
    return [*items, Item(lead)] if lead else items


def _joined(lines: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Yield the lines and whether they are code, a paragraph or entry that was wrapped as one."""
    held = ""
    for text, is_code in _in_code(lines):
        goes_on = text and not is_code and not _ITEM.fullmatch(text) and text[0] not in "#|>"
        if held and goes_on and not _NESTED.match(text):
            held = f"{held} {text.strip()}"
            continue
        if held:
            yield held, False
        held = ""
        if not is_code and (_ITEM.fullmatch(text) or (goes_on and not _BELONGS.match(text))):
            held = text
        else:
            yield text, is_code
    if held:
        yield held, False


def _section_of(heading: str) -> str:
    words = heading.lower()
    for name, signs in _SECTIONS.items():
        if any(re.search(rf"\b{re.escape(sign)}", words) for sign in signs):
            return name
    return ""


def _headings(lines: Sequence[str]) -> Iterator[tuple[str, int, str]]:
    """Yield each line with the level and words of its heading; 0 where it is none."""
    for text, is_code in _in_code(lines):
        found = None if is_code else _HEADING.fullmatch(text)
        if found and found[2]:
            yield text, len(found[1]), found[2]
        else:
            yield text, 0, ""


def _in_code(lines: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Yield each line and whether it is in a fenced block, its two fences included."""
    fence = ""
    for text in lines:
        mark = _FENCE.fullmatch(text)
        if fence:
            yield text, True
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
        elif mark and not (mark[1][0] == "`" and "`" in mark[2]):
            fence = mark[1]
            yield text, True
        else:
            yield text, False
