"""Addresses that are keys themselves: whoever knows one may act, so no log learns it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse

_P = ParamSpec("_P")
_View = Callable[Concatenate[HttpRequest, _P], HttpResponse]


def secret_path(shown_as: str) -> Callable[[_View[_P]], _View[_P]]:
    """Keep the path of a view out of logs, where it is `shown_as`, and from other sites.

    Above what refuses a method: such a request is logged with its path, too.
    """

    def decorate(view: _View[_P]) -> _View[_P]:
        @wraps(view)
        def wrapped(request: HttpRequest, /, *args: _P.args, **kwargs: _P.kwargs) -> HttpResponse:
            # Django logs the path of every request that is refused or fails.
            request.path = request.path_info = shown_as
            response = view(request, *args, **kwargs)
            response["Referrer-Policy"] = "no-referrer"
            response["X-Robots-Tag"] = "noindex, nofollow"
            return response

        return wrapped

    return decorate
