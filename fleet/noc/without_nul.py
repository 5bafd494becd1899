"""NUL is taken out of what comes in forms and addresses: no key types it, no database keeps it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict

_NUL = "\0"
#: What an address names by a NUL is nothing; without it, it might name something else.
_UNREADABLE = "\ufffd"


class WithoutNul:
    """Middleware: the doors see every field as it was typed, without its NULs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on; the request is looked at when its view is known."""
        return self._get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> None:
        """Clean the address, and the form where one is read: doors of programs read the body.

        It is called after the form's token was checked, and before any view reads the form.
        """
        request.GET = _cleaned(request.GET, _UNREADABLE)  # type: ignore[assignment]  # only read from here on
        if request.method == "POST" and not getattr(view, "csrf_exempt", False):
            request.POST = _cleaned(request.POST, "")  # type: ignore[assignment]  # only read from here on


def _cleaned(said: QueryDict, instead: str) -> QueryDict:
    if not any(_NUL in text for _, texts in said.lists() for text in texts):
        return said
    kept = said.copy()
    for name, texts in said.lists():
        kept.setlist(name, [text.replace(_NUL, instead) for text in texts])
    return kept
