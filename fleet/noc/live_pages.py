"""What every answer that is a page here and a part of it there tells browsers and proxies."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.vary import vary_on_headers

View = Callable[..., HttpResponse]


def live_page(view: View) -> View:
    """Let nobody keep the answer: the way back would show a bare part, or old news as new.

    One address answers with the page or with its changing part; browsers take the newest answer
    of an address for the page when somebody goes back.
    """
    kept_apart: View = never_cache(vary_on_headers("HX-Request")(view))
    return kept_apart
