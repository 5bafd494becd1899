"""Runbook text to safe HTML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

from runbooks.library.document import SLOT, VARIABLES, words_for

# HTML in the source is shown as text. Images would fetch from other hosts, headings would
# break the page's outline; both are switched off.
_MARKDOWN: Final = (
    MarkdownIt("commonmark", {"html": False, "linkify": False})
    .enable("table")
    .disable(["image", "heading", "lheading", "html_block", "html_inline"])
)
# Letters of the private use area stand for a value while Markdown works: it leaves them alone,
# so that no value can begin markup of its own.
_CODE: Final = re.compile(r"<code>([a-z0-9-]+)</code>")
_OPEN, _SHUT = "\ue000", "\ue001"


@dataclass(frozen=True, slots=True)
class Markdown:
    """Turns runbook text into HTML; every tag in it and in the values is shown, not obeyed.

    `values` fill the variables (`{{ site.name }}`); one that is missing becomes a phrase such as
    "site name". `links` gives the address of each code word that names another runbook.
    """

    values: Mapping[str, str | None] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)

    def block(self, text: str) -> SafeString:
        """Return paragraphs, lists and tables."""
        return self._render(text, is_inline=False)

    def line(self, text: str) -> SafeString:
        """Return one line without a paragraph around it."""
        return self._render(text, is_inline=True)

    def _render(self, text: str, *, is_inline: bool) -> SafeString:
        pieces: list[str] = []

        def keep(found: re.Match[str]) -> str:
            pieces.append(self._filled(found.group(1).strip()))
            return f"{_OPEN}{len(pieces) - 1}{_SHUT}"

        source = SLOT.sub(keep, text.replace(_OPEN, "").replace(_SHUT, ""))
        html = _MARKDOWN.renderInline(source) if is_inline else _MARKDOWN.render(source)
        html = _CODE.sub(self._linked, html)
        for number, piece in enumerate(pieces):
            html = html.replace(f"{_OPEN}{number}{_SHUT}", piece)
        # Safe: html is off in the renderer, so every other `<` of the source comes out escaped.
        return mark_safe(html)  # noqa: S308

    def _filled(self, name: str) -> str:
        value = words_for(name, self.values)
        if value:
            return f'<span class="filled">{escape(value)}</span>'
        phrase = escape(VARIABLES.get(name, name))
        # Whoever learns the value later, as a tablet without network does, finds its place.
        return f'<span class="unfilled" data-name="{escape(name)}">{phrase}</span>'

    def _linked(self, found: re.Match[str]) -> str:
        address = self.links.get(found.group(1))
        return f'<a href="{escape(address)}">{found.group(0)}</a>' if address else found.group(0)
