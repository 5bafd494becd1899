"""Read the front matter of a runbook: the YAML between the two '---' lines. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml

from runbooks.library import values
from runbooks.library.document import CATEGORIES, FINDING_KINDS, RunbookError
from runbooks.library.values import Value

LONGEST_FRONT_MATTER = 4_000
DEEPEST_FRONT_MATTER = 8

KEYS = ("slug", "title", "category", "matches", "owner", "review_by", "minutes", "language")
#: The keys that narrow what a runbook is for; without them it is for every site and node.
SCOPE_KEYS = ("sites", "classes")
MOST_IN_SCOPE = 50
LONGEST_CLASS = 60

_LIST_SAMPLES = {
    "matches": "disk.full, memory.pressure",
    "sites": "osaka-3, lyon-1",
    "classes": "edge-2u-l4",
}
_NOT_YAML = "The front matter is not YAML; write 'key: value' lines, values with ':' in quotes."


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The front matter, each value in the type it has in RunbookDocument."""

    slug: str
    title: str
    category: str
    matches: tuple[str, ...]
    owner: str
    review_by: date
    minutes: int
    language: str
    sites: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


def read_front_matter(lines: Sequence[str]) -> tuple[FrontMatter, int]:
    """Return the front matter and the index of the first line after it."""
    if lines[0] != "---":
        raise RunbookError(
            "no_front_matter", "The text does not begin with '---'; put the front matter first.", 1
        )
    if "---" not in lines[1:]:
        raise RunbookError(
            "no_front_matter", "The front matter has no end; close it with a line '---'.", 1
        )
    end = lines.index("---", 1)
    entries = _entries("\n".join(lines[1:end]))
    for key in KEYS:
        if key not in entries:
            raise RunbookError(
                "missing_key", f"{key!r} is missing from the front matter; add it.", end + 1
            )
    front = FrontMatter(
        slug=values.slug(_scalar(entries["slug"], "slug"), "slug"),
        title=values.phrase(_scalar(entries["title"], "title"), "title"),
        category=values.word(_scalar(entries["category"], "category"), "category", CATEGORIES),
        matches=_list(entries["matches"], "matches", _kind),
        owner=values.phrase(_scalar(entries["owner"], "owner"), "owner"),
        review_by=values.day(_scalar(entries["review_by"], "review_by"), "review_by"),
        minutes=values.minutes(_scalar(entries["minutes"], "minutes"), "minutes"),
        language=values.language(_scalar(entries["language"], "language"), "language"),
        sites=_scope(entries, "sites", values.slug),
        classes=_scope(entries, "classes", _hardware_class),
    )
    return front, end + 1


def with_front_matter(text: str, changes: Mapping[str, str]) -> str:
    """Return the normalised text of a runbook with other values behind some keys it has.

    The rest stays as it is, letter for letter. Raises RunbookError for a front matter that cannot
    be read; whether the values fit is seen when the whole is read.
    """
    lines = text.split("\n")
    if lines[0] != "---" or "---" not in lines[1:]:
        raise RunbookError(
            "no_front_matter", "The text does not begin with '---'; put the front matter first.", 1
        )
    end = lines.index("---", 1)
    front = "\n".join(lines[1:end])
    places = [
        (node.start_mark.index, node.end_mark.index, value)
        for key, node in _entries(front).items()
        if (value := changes.get(key)) is not None
    ]
    # From the last to the first, so that the places before stay where they are.
    for start, stop, value in sorted(places, reverse=True):
        front = f"{front[:start]}{json.dumps(value, ensure_ascii=False)}{front[stop:]}"
    return "\n".join(["---", front, *lines[end:]])


def _entries(text: str) -> dict[str, yaml.Node]:
    """Return the YAML nodes by key.

    Nodes, not objects: so dates, `no` and `1e3` stay the text they were, a key given twice is
    seen, and every node knows its line.
    """
    root = _compose(text)
    if not isinstance(root, yaml.MappingNode):
        raise RunbookError("bad_front_matter", _NOT_YAML, 1)
    entries: dict[str, yaml.Node] = {}
    for key_node, node in root.value:
        key = _scalar(key_node, "a key")
        if key.text not in (*KEYS, *SCOPE_KEYS):
            raise RunbookError(
                "unknown_key",
                f"{key.text[:40]!r} is no key of the front matter; use "
                f"{values.listed((*KEYS, *SCOPE_KEYS))}.",
                key.line,
            )
        if key.text in entries:
            raise RunbookError("duplicate_key", f"{key.text!r} is given twice; keep one.", key.line)
        entries[key.text] = node
    return entries


def _compose(text: str) -> yaml.Node | None:
    if len(text) > LONGEST_FRONT_MATTER:
        raise RunbookError(
            "too_long",
            f"The front matter is longer than {LONGEST_FRONT_MATTER:,} characters; shorten it.",
            1,
        )
    try:
        _refuse_deep_nesting(text)
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = _line(error.problem_mark)
        raise RunbookError("bad_front_matter", _NOT_YAML, line) from None
    # PyYAML's scanner also lets through the ValueError or OverflowError of chr() for an escape
    # like "\UFFFFFFFF".
    except (yaml.YAMLError, ValueError, OverflowError):
        raise RunbookError("bad_front_matter", _NOT_YAML, 1) from None


def _refuse_deep_nesting(text: str) -> None:
    """Stop at the first collection that is far too deep.

    PyYAML composes by recursion and scans nested brackets in quadratic time: 2,000 of them took
    a second and could exhaust the stack. Events come one by one, so we stop early.
    """
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST_FRONT_MATTER:
            raise RunbookError("bad_front_matter", _NOT_YAML, _line(event.start_mark))


def _line(mark: Any) -> int:
    """Return the line of the text: the front matter begins on its second, marks count from 0.

    Any: PyYAML has one Mark in Python and another in C, without a common base.
    """
    return mark.line + 2 if mark else 1


def _scalar(node: yaml.Node, key: str) -> Value:
    line = _line(node.start_mark)
    if not isinstance(node, yaml.ScalarNode) or "\n" in node.value:
        raise RunbookError("bad_value", f"{key!r} is not one value on one line; write it so.", line)
    # An escape in quotes ("\0") can hold what the text itself may not.
    values.refuse_control_characters(node.value, line)
    if "{{" in node.value:
        raise RunbookError(
            "bad_variable",
            f"{key!r} holds a variable, which the front matter cannot; write it out.",
            line,
        )
    return Value(node.value.strip(), line)


def _list(node: yaml.Node, key: str, read: Callable[[Value, str], str]) -> tuple[str, ...]:
    """Return the values of a list, each read by `read`, none twice; nothing at all is empty."""
    if isinstance(node, yaml.ScalarNode) and not node.value:
        return ()
    if not isinstance(node, yaml.SequenceNode):
        raise RunbookError(
            "bad_value",
            f"{key!r} is no list; write it like '[{_LIST_SAMPLES[key]}]', or '[]'.",
            _line(node.start_mark),
        )
    found: list[str] = []
    for item in node.value:
        value = _scalar(item, key)
        if value.text in found:
            raise RunbookError(
                "duplicate_key", f"{value.text[:60]!r} is in {key!r} twice; keep one.", value.line
            )
        found.append(read(value, key))
    return tuple(found)


def _scope(
    entries: dict[str, yaml.Node], key: str, read: Callable[[Value, str], str]
) -> tuple[str, ...]:
    if key not in entries:
        return ()
    found = _list(entries[key], key, read)
    if len(found) > MOST_IN_SCOPE:
        raise RunbookError(
            "too_long",
            f"There are more than {MOST_IN_SCOPE} values in {key!r}; leave it out to mean all.",
            _line(entries[key].start_mark),
        )
    return found


def _kind(value: Value, key: str) -> str:
    return values.word(value, key, FINDING_KINDS)


def _hardware_class(value: Value, key: str) -> str:
    return values.phrase(value, key, LONGEST_CLASS)
