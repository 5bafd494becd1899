"""Make a draft in our form of a plain Markdown runbook that was written for another place. Pure.

What it says to look at becomes `check` steps, what it says to do becomes `instruction` steps; code
stays as it is. What nobody but a person can know is said in warnings.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from runbooks.library.document import END, RunbookError
from runbooks.library.foreign import Foreign, Item, cut, items_of
from runbooks.library.lint import DESTROYS
from runbooks.library.outline import FENCE, HEADING, HEADING_WITHOUT_SPACE
from runbooks.library.parse import LONGEST_TEXT, normalise, parse_runbook
from runbooks.library.steps import MOST_STEPS
from runbooks.library.values import slug_of_name, without_control_characters

REVIEW_AFTER = timedelta(days=90)
LONGEST_STEP_TITLE = 110
LONGEST_STEP_ID = 50
OWNER = "To be named"

#: Words of a title or a meaning that tell the category; the first that fits.
_CATEGORIES = {
    "thermal": r"thermal|temperature|overheat|cooling|fans?|too hot",
    "power": r"power|ups|battery|psu|mains|voltage",
    "security": r"security|certificates?|tls|auth\w*|intrusion|secrets?",
    "model": r"models?|inference|gpus?",
    "configuration": r"config\w*|drift|rollout",
    "network": r"network|dns|uplink|packets?|switch|links?|vpn",
    "node": r"node|disk|filesystem|memory|cpu|pods?|kube\w*|host|server",
}
_FALLBACKS = {
    "Meaning": "What the alert means is still to be written.",
    "Impact": "Who feels it is still to be written.",
    "Safety": "What can hurt, and when not to begin, is still to be written.",
    "Verify": "What is true when all is well again is still to be written.",
    "Escalate": "When to call whom is still to be written.",
}
_FRONT = re.compile(r"\A(---|\+\+\+)\n(.*?)\n\1(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title\s*[:=]\s*(.+)$", re.MULTILINE)
_TAGS = re.compile(r"</?(?:details|summary|br|p|div|span)\b[^<>]*>|<!--.*?-->", re.DOTALL)
_IMAGE = re.compile(r"!\[[^\]]*\]\(")


@dataclass(frozen=True, slots=True)
class Adopted:
    """A text that parses, and what a person must still complete, one sentence each."""

    source: str
    warnings: tuple[str, ...]


def adopt_runbook(text: str, *, today: date, name: str = "") -> Adopted:
    """Return a draft of the runbook in `text`; `name` is what it is called where it says nothing.

    Raises RunbookError when it is too long for one runbook.
    """
    clean = "\n".join(map(without_control_characters, normalise(text).split("\n")))
    if len(clean) > LONGEST_TEXT // 2:
        raise RunbookError(
            "too_long", f"The text is longer than {LONGEST_TEXT // 2:,} characters; split it."
        )
    title, body = _without_front(clean)
    # Braces in pairs begin a variable here; elsewhere they belong to a template.
    braced = re.sub(r"\{(?=\{)", "{ ", _TAGS.sub("", body))
    found = cut(braced.split("\n"))
    title = "".join(filter(str.isprintable, _one_line(found.title or title or name)))
    title = title[:120].strip() or "Imported runbook"
    steps, warnings = _steps(found)
    source = normalise(
        _front(title, found, len(steps), today)
        + "".join(f"\n## {part}\n\n{_prose(found, part)}\n" for part in ("Meaning", "Impact"))
        + f"\n## Safety\n\n{_prose(found, 'Safety')}\n\n## Steps\n\n"
        + "\n".join(steps)
        + "".join(f"\n## {part}\n\n{_prose(found, part)}\n" for part in ("Verify", "Escalate"))
    )
    parse_runbook(source)
    return Adopted(source, (*_general_warnings(found, braced, body), *warnings))


def _without_front(text: str) -> tuple[str, str]:
    """Return the title in the front matter of another tool, and the text below it."""
    front = _FRONT.match(text)
    if not front:
        return "", text
    title = _FRONT_TITLE.search(front[2])
    return (title[1].strip().strip("\"'") if title else ""), text[front.end() :]


def _front(title: str, found: Foreign, count: int, today: date) -> str:
    slug = slug_of_name(title)[:60].strip("-") or "imported-runbook"
    meaning = _joined(found.parts.get("Meaning", []))
    category = _category(slug.replace("-", " ")) or _category(meaning) or "general"
    return (
        f"---\nslug: {slug}\ntitle: {json.dumps(title, ensure_ascii=False)}\n"
        f"category: {category}\nmatches: []\nowner: {OWNER}\n"
        f"review_by: {(today + REVIEW_AFTER).isoformat()}\nminutes: {max(5, 3 * count)}\n"
        "language: en\n---\n"
    )


def _category(told: str) -> str:
    categories = _CATEGORIES.items()
    fits = (name for name, words in categories if re.search(rf"(?i)\b({words})\b", told))
    return next(fits, "")


def _prose(found: Foreign, name: str) -> str:
    pieces = [_safe(found.parts.get(name, []))]
    if name == "Meaning":
        for heading, lines in found.rest:
            pieces += [f"#### {heading}", _safe(lines)]
    return "\n\n".join(filter(None, pieces)) or _FALLBACKS[name]


def _steps(found: Foreign) -> tuple[list[str], list[str]]:
    """Return the text of each step, and what is to be completed in them."""
    looks = [(item, "check") for item in items_of(found.parts.get("Diagnosis", []))]
    deeds = [(item, "instruction") for item in items_of(found.parts.get("Mitigation", []))]
    items = [*looks, *deeds] or [(Item("Read the meaning, and decide what to do"), "instruction")]
    warnings = []
    if len(items) > MOST_STEPS:
        warnings.append(f"There were {len(items)} items; the last stand together in one step.")
        kept, over = items[: MOST_STEPS - 1], items[MOST_STEPS - 1 :]
        lines = [line for item, _ in over for line in (f"- {item.head}", *item.lines)]
        items = [*kept, (Item("Do what is left", lines), "instruction")]
    taken: set[str] = set()
    steps = []
    for number, (item, kind) in enumerate(items, start=1):
        text, is_destructive = _step(item, kind, taken)
        steps.append(text)
        if is_destructive:
            warnings.append(
                f"Step {number} may destroy or interrupt something; say what is lost and when it "
                "may be done, or delete the line 'destructive'."
            )
    if looks:
        warnings.append("Say in 'expect' and 'otherwise' of each check what is seen and what not.")
    if not looks and not deeds:
        warnings.append("There was nothing to look at and nothing to do; write the steps.")
    return steps, warnings


def _step(item: Item, kind: str, taken: set[str]) -> tuple[str, bool]:
    title, body = _title_and_body(item)
    base = slug_of_name(title)[:LONGEST_STEP_ID].strip("-") or "step"
    step_id, count = base, 1
    while step_id in taken or step_id == END:
        count += 1
        step_id = f"{base}-{count}"
    taken.add(step_id)
    is_destructive = kind == "instruction" and bool(DESTROYS.search(f"{title}\n{body}"))
    flag = "- destructive: yes\n" if is_destructive else ""
    return f"### {title}\n- type: {kind}\n- id: {step_id}\n{flag}\n{body}\n", is_destructive


def _title_and_body(item: Item) -> tuple[str, str]:
    head = _one_line(item.head)
    sentence, _, more = head.partition(". ")
    title = sentence if more else head.rstrip(":. ")
    above = more
    if len(title) > LONGEST_STEP_TITLE:
        title, above = textwrap.shorten(title, LONGEST_STEP_TITLE, placeholder=" …"), head
    # A word longer than a title is: shorten leaves nothing of it.
    title = title if title.strip(" …") else head[:LONGEST_STEP_TITLE]
    body = "\n\n".join(filter(None, [_safe([above]), _safe(item.lines)]))
    return title.strip() or "Look", body


def _safe(lines: Iterable[str]) -> str:
    """Return the lines with nothing in them that would begin a section or a step of ours."""
    fence = ""
    safe: list[str] = []
    for text in textwrap.dedent("\n".join(lines)).split("\n"):
        if not text and not safe:
            continue
        mark = FENCE.fullmatch(text)
        if fence:
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
        elif mark and not (mark[1][0] == "`" and "`" in mark[2]):
            fence = mark[1]
        else:
            heading = HEADING.fullmatch(text)
            is_ours = heading and len(heading[1]) < 4
            if is_ours or HEADING_WITHOUT_SPACE.match(text):
                text = text.replace("#", "\\#", 1)
        safe.append(text)
    if fence:
        safe.append(fence)
    return "\n".join(safe).rstrip()


def _general_warnings(found: Foreign, braced: str, body: str) -> list[str]:
    missing = [name for name in _FALLBACKS if not _joined(found.parts.get(name, []))]
    warnings = [f"There was no section '{name}'; write it." for name in missing]
    warnings.append(
        f"Say in 'matches' what it answers, in 'owner' who keeps it right instead of {OWNER!r}, "
        "and look at 'category', 'minutes', 'review_by' and 'language'."
    )
    if braced != _TAGS.sub("", body):
        warnings.append("Two braces were parted: '{{' begins a variable here. Look at each.")
    if _IMAGE.search(braced):
        warnings.append("Pictures were not taken along; add them to their steps with 'picture'.")
    return warnings


def _one_line(text: str) -> str:
    return " ".join(re.sub(r"\{(?=\{)", "{ ", text).strip("# \t").split())


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(lines).strip()
