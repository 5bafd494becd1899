"""The door of the site page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from fleet.access import site_for
from fleet.noc.live_pages import live_page
from fleet.noc.site_board import site_board


@live_page
@require_GET
def site(request: HttpRequest, slug: str) -> HttpResponse:
    """The site page, or its changing part where the page asks for it."""
    now = timezone.now()
    subject = site_for(request.user, slug)
    board = site_board(user=request.user, site=subject, now=now)
    template = "noc/_site.html" if request.htmx else "noc/site.html"  # type: ignore[attr-defined]  # set by the middleware
    return render(request, template, {"board": board, "site": subject, "now": now})
