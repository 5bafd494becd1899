"""Read what stands behind a key of a runbook: a slug, a word of a list, a number, a day. Pure.

Every function takes the key for its message and raises RunbookError when the value does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from runbooks.library.document import RunbookError

LONGEST_TITLE = 120
LONGEST_PICTURE_NAME = 80
LONGEST_SHOWS = 200
#: The longest wait, and the longest that a value may have to hold: a day.
LONGEST_SECONDS = 86_400

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_METRIC = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")
# ASCII digits only: str.isdigit and \d also take digits of other scripts.
_NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,6})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PICTURE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.(svg|png|jpg|jpeg|webp)")
_SPAN = re.compile(r"([0-9]{1,5})[ \t]*(s|min|h)")
_SECONDS = {"s": 1, "min": 60, "h": 3600}
#: Where words of a name like `KubePodOOMKilled` begin.
_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
# Every control character but the tab. PostgreSQL stores neither NUL nor half of a surrogate pair;
# the Unicode line separators would make our line numbers differ from those the writer sees.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SWITCH = {"yes": True, "true": True, "no": False, "false": False}


@dataclass(frozen=True, slots=True)
class Value:
    """What stands behind a key, and on which line of the text."""

    text: str
    line: int


def listed(words: Iterable[str]) -> str:
    """Return the words as a sentence takes them: "a, b or c"."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def slug_of_name(name: str) -> str:
    """Return `gpu-too-hot` for `GpuTooHot`."""
    return "-".join(word for word in _WORD_STARTS.split(name) if word).lower()


def without_control_characters(text: str) -> str:
    """Return `text` without what no runbook may hold."""
    return _CONTROL.sub("", text)


def refuse_control_characters(text: str, line: int) -> None:
    """Refuse what the database cannot store and what an editor counts as a line of its own."""
    if found := _CONTROL.search(text):
        raise RunbookError(
            "bad_character",
            f"There is a control character, U+{ord(found.group()):04X}; delete it.",
            line,
        )


def refuse_variables(value: Value, key: str) -> None:
    """Refuse a variable where the text must be the same in every run."""
    if "{{" in value.text:
        raise RunbookError(
            "bad_variable", f"{key!r} holds a variable, which it cannot; write it out.", value.line
        )


def slug(value: Value, key: str) -> str:
    """Small letters, digits and single hyphens, at most 60."""
    if not _SLUG.fullmatch(value.text) or len(value.text) > 60:
        raise _bad_value(value, key, "write small letters, digits and hyphens, like 'site-dark'")
    return value.text


def language(value: Value, key: str) -> str:
    """A language tag such as "en" or "en-GB"."""
    if not _LANGUAGE.fullmatch(value.text) or len(value.text) > 35:
        raise _bad_value(value, key, "write a language tag, like 'en' or 'pt-BR'")
    return value.text


def metric(value: Value, key: str) -> str:
    """The dotted name of a metric such as "hw.temperature"."""
    if not _METRIC.fullmatch(value.text) or len(value.text) > 80:
        raise _bad_value(value, key, "write the name of a metric, like 'hw.temperature'")
    return value.text


def phrase(value: Value, key: str, longest: int = LONGEST_TITLE) -> str:
    """Some text, at most `longest` characters."""
    if not value.text:
        raise RunbookError("empty_value", f"{key!r} is empty; write something.", value.line)
    if len(value.text) > longest:
        raise RunbookError(
            "too_long", f"{key!r} is longer than {longest} characters; shorten it.", value.line
        )
    return value.text


def word(value: Value, key: str, words: Collection[str]) -> str:
    """One of `words`."""
    if value.text not in words:
        raise _bad_value(value, key, f"use {listed(words)}")
    return value.text


def number(value: Value, key: str) -> float:
    """A decimal number such as "-9" or "0.5"."""
    if not _NUMBER.fullmatch(value.text):
        raise _bad_value(value, key, "write a number without its unit, like '27' or '0.5'")
    return float(value.text)


def minutes(value: Value, key: str) -> int:
    """A whole number of minutes, from one to those of a day."""
    if not re.fullmatch(r"[0-9]{1,4}", value.text) or not 1 <= int(value.text) <= 1440:
        raise _bad_value(value, key, "write whole minutes from 1 to 1440")
    return int(value.text)


def wait_seconds(value: Value, key: str) -> int:
    """A number of minutes, such as "10" or "0.5", as whole seconds up to those of a day."""
    seconds = 0
    if re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", value.text):
        seconds = round(float(value.text) * 60)
    if not 1 <= seconds <= LONGEST_SECONDS:
        raise _bad_value(value, key, "write minutes up to 1440, like '10' or '0.5'")
    return seconds


def span(value: Value, key: str) -> int:
    """A time with its unit, such as "30 s", "10 min" or "2 h", as seconds up to those of a day."""
    found = _SPAN.fullmatch(value.text)
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 1 <= seconds <= LONGEST_SECONDS:
        raise _bad_value(value, key, "write a time with its unit, like '30 s', '10 min' or '2 h'")
    return seconds


def picture(value: Value, key: str) -> tuple[str, str]:
    """The name of a picture and what it shows, written "gauge.svg | The gauge by the door"."""
    refuse_variables(value, key)
    name, bar, shows = (part.strip() for part in value.text.partition("|"))
    if not picture_name_is_good(name) or not bar:
        raise _bad_value(value, key, "write its name and what it shows: 'gauge.svg | The gauge'")
    return name, phrase(Value(shows, value.line), "what the picture shows", LONGEST_SHOWS)


def picture_name_is_good(name: str) -> bool:
    """Tell whether a picture may be called so: like a slug, and ending in its kind."""
    return bool(_PICTURE.fullmatch(name)) and len(name) <= LONGEST_PICTURE_NAME


def day(value: Value, key: str) -> date:
    """A day written 2030-01-31."""
    if _DAY.fullmatch(value.text):
        try:
            return date.fromisoformat(value.text)
        except ValueError:
            pass  # 2030-02-30: the right form, but no day; it gets the sentence below.
    raise _bad_value(value, key, "write a day like '2030-01-31'")


def switch(value: Value, key: str) -> bool:
    """Yes or no."""
    if value.text not in _SWITCH:
        raise _bad_value(value, key, "write yes or no")
    return _SWITCH[value.text]


def _bad_value(value: Value, key: str, advice: str) -> RunbookError:
    return RunbookError(
        "bad_value", f"{key!r} cannot be {value.text[:40]!r}; {advice}.", value.line
    )
