"""Keep what receivers know us by out of everything that is written down or shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote, unquote, urlsplit

from fleet.models import Contact
from runbooks.paging.outcome import Answer
from runbooks.paging.transports.endpoint import Endpoint

MASK = "•••"
#: Shorter parts of an address are words such as "services", and masking them hides the fault.
_SHORTEST_SECRET = 6
_LONGEST_HEAD = 1000
#: Kinds whose address is as good as a password: whoever knows it can write there.
_SECRET_ADDRESSES = frozenset(
    {Contact.Kind.SLACK, Contact.Kind.TEAMS, Contact.Kind.WEB_PUSH, Contact.Kind.APPRISE}
)
_LONG_TOKEN = 16


def masked(answer: Answer, *, endpoint: Endpoint) -> Answer:
    """Return the answer without any secret of the endpoint in what is kept of it."""
    return replace(
        answer,
        error=mask(answer.error, endpoint=endpoint)[:300],
        body_head=mask(answer.body_head, endpoint=endpoint)[:_LONGEST_HEAD],
    )


def mask(text: str, *, endpoint: Endpoint) -> str:
    """Return `text` with every secret of the endpoint replaced, one cut off at the end too."""
    pieces = sorted(set(_pieces(endpoint)), key=len, reverse=True)
    for piece in pieces:
        text = text.replace(piece, MASK)
    for piece in pieces:
        text = _without_beginning_of(piece, text)
    return text


def shown_address(endpoint: Endpoint) -> str:
    """Return what may be shown of the address: enough to know which one it is, no secret."""
    if endpoint.kind == Contact.Kind.EMAIL:
        return endpoint.url.removeprefix("mailto:")
    if endpoint.kind == Contact.Kind.APPRISE:
        return f"{endpoint.url.partition('://')[0]}://{MASK}"
    try:
        parts = urlsplit(endpoint.url)
        place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    except ValueError:
        return MASK
    if endpoint.kind in _SECRET_ADDRESSES:
        return f"{place}/{MASK}"
    return place + parts.path + (f"?{MASK}" if parts.query else "")


def _pieces(endpoint: Endpoint) -> Iterator[str]:
    words = [word for secret in endpoint.secrets for word in _parts_of(secret)]
    if endpoint.kind in _SECRET_ADDRESSES:
        words += [endpoint.url, *_tokens(endpoint.url, endpoint.kind)]
    else:
        # The addresses of other kinds may hold a token in their query.
        words += re.split(r"[&=]", endpoint.url.partition("?")[2])
    for word in words:
        for form in (word, unquote(word), quote(word, safe="")):
            if len(form) >= _SHORTEST_SECRET:
                yield form


def _parts_of(secret: str) -> list[str]:
    try:
        said = json.loads(secret)
    except ValueError:
        return [secret, secret.removeprefix("whsec_")]
    if isinstance(said, dict):
        return [secret, *(str(value) for value in said.values())]
    return [secret]


def _tokens(url: str, kind: str) -> list[str]:
    """Return the parts of a secret address that could be one; host names stay readable."""
    _, _, rest = url.partition("://")
    if kind != Contact.Kind.APPRISE:
        rest = rest.partition("/")[2]
    words = [word for word in re.split(r"[/?&=:@,]", rest) if word]
    return [word for word in words if len(word) >= _LONG_TOKEN or any(map(str.isdigit, word))]


def _without_beginning_of(piece: str, text: str) -> str:
    """Mask a secret that the end of what was read has cut off."""
    longest = min(len(piece) - 1, len(text))
    for length in range(longest, _SHORTEST_SECRET - 1, -1):
        if text.endswith(piece[:length]):
            return text[: len(text) - length] + MASK
    return text
