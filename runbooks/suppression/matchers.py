"""Conditions on labels: read, written and applied. Pure.

The syntax is Alertmanager's: `kind="thermal.envelope"`, `site!="osaka-1"`, `node=~"gw-.*"`,
`role!~"storage|control"`, separated by commas or line ends. A label that an alert does not carry
is empty; a regular expression must fit the whole value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from runbooks.suppression.errors import MatcherError
from runbooks.suppression.patterns import pattern_of

__all__ = [
    "Matcher",
    "MatcherError",
    "checked_matchers",
    "matches",
    "parse_matchers",
    "read_matchers",
    "write_matchers",
]

MOST_MATCHERS: Final = 20
LONGEST_VALUE: Final = 500

_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_OPERATOR: Final = re.compile(r"=~|!~|!=|=")
#: What stands without quotes ends at a separator.
_BARE: Final = re.compile(r"[^\s,{}\"'`=!~]+")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_GAP: Final = re.compile(r"\s*")
_SEPARATORS: Final = re.compile(r"[\s,]*")
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; text says it as Alertmanager writes it."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True

    def __str__(self) -> str:
        operator = {(0, 1): "=", (0, 0): "!=", (1, 1): "=~", (1, 0): "!~"}[
            self.is_regex, self.is_equal
        ]
        value = self.value
        for plain, written in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r")):
            value = value.replace(plain, written)
        return f'{self.name}{operator}"{value}"'

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an alert with these labels fulfils the condition."""
        value = labels.get(self.name, "")
        found = pattern_of(self.value).matches(value) if self.is_regex else value == self.value
        return found is self.is_equal


def matches(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Tell whether an alert with these labels fulfils all of the conditions."""
    # A plain loop: this runs for every open alert and every silence in every cycle.
    for matcher in matchers:  # noqa: SIM110 - `all` with a generator takes three times as long
        if not matcher.fits(labels):
            return False
    return True


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Read conditions as people write them; raises MatcherError, which says where."""
    text = text.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    return checked_matchers(tuple(_parse_each(text)))


def read_matchers(value: object) -> tuple[Matcher, ...]:
    """Read conditions as they are kept: `[{"name": ..., "value": ..., ...}, ...]`.

    `is_regex` is False and `is_equal` True where it is left out. Raises MatcherError.
    """
    if not isinstance(value, list):
        raise MatcherError("bad_matchers", "Matchers are a list of objects; send a list.")
    return checked_matchers(tuple(_read(item) for item in value))


def write_matchers(matchers: Iterable[Matcher]) -> list[dict[str, str | bool]]:
    """Return the conditions as they are kept; `read_matchers` reads them back."""
    return [
        {"name": m.name, "value": m.value, "is_regex": m.is_regex, "is_equal": m.is_equal}
        for m in matchers
    ]


def checked_matchers(matchers: Sequence[Matcher]) -> tuple[Matcher, ...]:
    """Return the conditions where each can be applied; raises MatcherError."""
    if len(matchers) > MOST_MATCHERS:
        raise MatcherError(
            "too_many_matchers", f"At most {MOST_MATCHERS} conditions go together; leave some out."
        )
    for matcher in matchers:
        if not _NAME.fullmatch(matcher.name):
            raise MatcherError(
                "bad_label",
                f"{matcher.name[:40]!r} is no label name; use letters, digits and '_'.",
            )
        if len(matcher.value) > LONGEST_VALUE:
            raise MatcherError(
                "value_too_long",
                f"The value for {matcher.name} is longer than {LONGEST_VALUE} characters; shorten "
                "it, or match with =~.",
            )
        if matcher.is_regex:
            pattern_of(matcher.value)
    return tuple(matchers)


def _read(item: object) -> Matcher:
    if not isinstance(item, dict):
        raise MatcherError("bad_matcher", "Each matcher is an object with a name and a value.")
    name, value = item.get("name"), item.get("value")
    is_regex, is_equal = item.get("is_regex", False), item.get("is_equal", True)
    if not isinstance(name, str) or not isinstance(value, str):
        raise MatcherError("bad_matcher", "Each matcher needs a name and a value, both text.")
    if not isinstance(is_regex, bool) or not isinstance(is_equal, bool):
        raise MatcherError("bad_matcher", "is_regex and is_equal are true or false.")
    return Matcher(name, value, is_regex, is_equal)


def _parse_each(text: str) -> Iterator[Matcher]:
    at = _end(_SEPARATORS, text, 0)
    while at < len(text):
        matcher, at = _parse_one(text, at)
        yield matcher
        after = _end(_SEPARATORS, text, at)
        if after == at and at < len(text):
            raise _fault(text, at, "conditions are separated by a comma or a line end")
        at = after


def _parse_one(text: str, at: int) -> tuple[Matcher, int]:
    name = _NAME.match(text, at)
    if name is None:
        raise _fault(text, at, "a condition begins with a label name, as in kind")
    at = _end(_GAP, text, name.end())
    operator = _OPERATOR.match(text, at)
    if operator is None:
        raise _fault(text, at, f"after {name[0]} comes =, !=, =~ or !~")
    at = _end(_GAP, text, operator.end())
    quoted = _QUOTED.match(text, at)
    bare = _BARE.match(text, at)
    if quoted is not None:
        value, at = _unescape(quoted[1]), quoted.end()
    elif bare is not None:
        value, at = bare[0], bare.end()
    else:
        raise _fault(text, at, f"after {name[0]}{operator[0]} comes a value in double quotes")
    return Matcher(name[0], value, "~" in operator[0], operator[0].startswith("=")), at


def _unescape(text: str) -> str:
    # What is no escape of ours stays as it is, so that `\.` and `\d` reach the expression.
    return re.sub(r"\\(.)", lambda found: _ESCAPED.get(found[1], found[0]), text, flags=re.DOTALL)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _fault(text: str, at: int, what: str) -> MatcherError:
    rest = text[at : at + 30].split("\n")[0]
    where = f"at {rest!r}" if rest else "at the end"
    return MatcherError(
        "bad_matcher", f'These conditions cannot be read {where}: {what}. Write kind="site.dark".'
    )
