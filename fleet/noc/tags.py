"""Template tags of the dashboard: severity marks and times, the same on every page.

A severity is always a shape, a word and a colour. A time is always a `<time>` with its instant,
so that the browser can let relative ages tick (`static/js/clock.js` uses the same words).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.template import Context
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from fleet.lengths import duration_words
from fleet.names import name_of
from fleet.noc.row_links import site_address
from runbooks.alerts.errors import closer_of, holder_of
from runbooks.library.difference import Mark, Piece
from runbooks.models import Run
from runbooks.paging.outcome import status_words

register = template.Library()

_NUMBER_AND_UNIT = re.compile(r"(?<=\d) (?=(?:°C|%|[A-Za-z/]{1,4})(?:\W|$))")

SEVERITY_WORDS = {1: "urgent", 2: "high", 3: "low"}
STATE_WORDS = {
    "p1": "urgent",
    "p2": "high",
    "p3": "low",
    "stale": "out of contact",
    "maint": "not in service",
    "ok": "well",
}


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _full(at: datetime) -> str:
    local = at.astimezone(UTC)
    return f"{local.day} {local:%b %Y, %H:%M:%S} UTC"


def _now(context: Context) -> datetime:
    # A view that hands its own `now` to the page gets pages that agree with themselves.
    now = context.get("now")
    return now if isinstance(now, datetime) else timezone.now()


@register.simple_tag
@cache
def icon(name: str, css: str = "") -> SafeString:
    """Draw one mark of the sprite; it says nothing to a screen reader, so a word stands by."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        f"{name} {css}".strip(),
        static("icons.svg"),
        name,
    )


@register.simple_tag
def cells(views: Iterable[Any]) -> SafeString:
    """Draw sites as unnamed cells, each with its words for those who do not see it.

    Here rather than in a template: a thousand cells took a third of a second there.
    """
    return format_html_join(
        "",
        '<li><a class="cell {} live-value" href="{}" title="{}" aria-label="{}" id="cell-{}">'
        "{}</a></li>",
        (
            (
                view.state,
                site_address(view.site.slug),
                view.line,
                view.line,
                view.site.pk,
                icon(view.state),
            )
            for view in views
        ),
    )


@register.filter
def sev_class(severity: int) -> str:
    """Return the CSS class and icon name of an alert's severity: `p1`, `p2`, `p3`."""
    return f"p{int(severity)}"


@register.filter
def sev_word(severity: int) -> str:
    """Return the word of an alert's severity: `urgent`, `high`, `low`."""
    return SEVERITY_WORDS[int(severity)]


@register.filter
def state_word(state: str) -> str:
    """Return the word of a state (`p1` to `p3`, `stale`, `maint`, `ok`)."""
    return STATE_WORDS[state]


@register.simple_tag
def sev(severity: int, label: str = "") -> SafeString:
    """Draw a severity: its shape and its word, or its shape, `label` and the word unseen."""
    name = sev_class(severity)
    word = sev_word(severity)
    said = format_html('{}<span class="hide">, {}</span>', label, word) if label else word
    return format_html('<span class="sev {}">{}<span>{}</span></span>', name, icon(name), said)


@register.simple_tag
def state(name: str, label: str = "") -> SafeString:
    """Draw a state of a site or node as `sev` does; `ok` is the small dot."""
    word = STATE_WORDS[name]
    said = format_html('{}<span class="hide">, {}</span>', label, word) if label else word
    return format_html('<span class="sev {}">{}<span>{}</span></span>', name, icon(name), said)


@register.simple_tag(takes_context=True)
def ago(context: Context, at: datetime | None, none: str = "never") -> SafeString | str:
    """Write how long ago `at` was, ticking: `4 min`. The instant stands in the title."""
    if at is None:
        return none
    words = duration_words((_now(context) - at).total_seconds())
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>', _instant(at), _full(at), words
    )


@register.simple_tag(takes_context=True)
def until(context: Context, at: datetime | None, none: str = "") -> SafeString | str:
    """Write how long until `at`, ticking: `in 1 min`, or `now` once it is due."""
    if at is None:
        return none
    seconds = (at - _now(context)).total_seconds()
    words = f"in {duration_words(seconds)}" if seconds >= 1 else "now"
    return format_html(
        '<time datetime="{}" title="{}" data-until>{}</time>', _instant(at), _full(at), words
    )


@register.simple_tag
def clock(at: datetime | None, zone: str = "UTC", none: str = "never") -> SafeString | str:
    """Write the time of day with its zone: `12:00:05 UTC`, `21:00 in Tokyo`."""
    if at is None:
        return none
    local = at.astimezone(ZoneInfo(zone))
    place = zone.rpartition("/")[2].replace("_", " ")
    words = f"{local:%H:%M:%S} UTC" if zone == "UTC" else f"{local:%H:%M} in {place}"
    return format_html('<time datetime="{}" title="{}">{}</time>', _instant(at), _full(at), words)


@register.simple_tag
def stamp(at: datetime | None, none: str = "never") -> SafeString | str:
    """Write day and time in UTC: `1 Jan 2030, 12:00:05 UTC`."""
    if at is None:
        return none
    return format_html('<time datetime="{}">{}</time>', _instant(at), _full(at))


@register.filter
def count_of(number: int, words: str) -> str:
    """Return a number with its noun: `3|count_of:"site,sites"` is `3 sites`."""
    one, many = words.split(",")
    return f"{number} {one if number == 1 else many}"


@register.filter
def unbroken(sentence: str) -> str:
    """Return the sentence with each number bound to its unit, so that no line ends between."""
    return _NUMBER_AND_UNIT.sub("\u00a0", sentence)


@register.filter
def full_stop(sentence: str) -> str:
    """Return what somebody typed with one full stop at its end, typed or not."""
    return f"{sentence.rstrip().rstrip('.')}."


@register.filter
def size_words(size: int) -> str:
    """Return a size as people say it: `962 bytes`, `132 kB`, `1.4 MB`."""
    if size < 1_000:
        return f"{size} bytes"
    return f"{size / 1_000:.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"


@register.filter
def marked(pieces: Iterable[Piece]) -> SafeString:
    """Draw what was added and removed with a sign before it, unseen words around it.

    What is empty before a word stays outside its mark, so that the sign touches the word.
    """
    return format_html_join("", "{}", ((_marked(piece),) for piece in pieces))


def _marked(piece: Piece) -> SafeString | str:
    if piece.mark == Mark.KEPT:
        return piece.text
    tag, word = ("ins", "added") if piece.mark == Mark.ADDED else ("del", "removed")
    text = piece.text.lstrip(" \n") or piece.text
    return format_html(
        '{}<{tag}><b class="sign" aria-hidden="true">{}</b><span class="hide">{}: </span>{}'
        '<span class="hide"> (end) </span></{tag}>',
        piece.text[: len(piece.text) - len(text)],
        piece.mark.value,
        word,
        text,
        tag=tag,
    )


@register.filter
def in_run(at: datetime, run: Run) -> str:
    """Return a moment of a run on its site's clock, with its day where the run began on another."""
    zone = ZoneInfo(run.site.time_zone)
    local, begun = at.astimezone(zone), run.created_at.astimezone(zone)
    day = "" if local.date() == begun.date() else f"{local.day} {local:%b}, "
    return f"{day}{local:%H:%M:%S}"


@register.filter
def phone_link(number: str) -> SafeString | str:
    """Draw a telephone number as a link that dials it; empty for none."""
    if not number:
        return ""
    dialled = re.sub(r"[^0-9+]", "", number)
    return format_html('<a class="phone" href="tel:{}">{}</a>', dialled, number)


@register.filter
def at_key(mapping: Any, key: Any) -> Any:
    """Return `mapping[key]`, or None; templates cannot subscript by a variable."""
    return mapping.get(key)


register.filter("length_of_time", duration_words)
register.filter("person_name", name_of)
register.filter("status_words", status_words)
register.filter("holder_name", holder_of)
register.filter("closer_name", closer_of)
