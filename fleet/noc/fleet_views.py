"""The doors of the fleet page and of the counts in every page's header."""

from __future__ import annotations

from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from fleet.noc.fleet_board import fleet_board
from fleet.noc.live_pages import live_page


@require_GET
@live_page
def fleet(request: HttpRequest) -> HttpResponse:
    """The fleet: the whole page, or the board alone where the page asks for it."""
    now = timezone.now()
    board = fleet_board(user=request.user, now=now)
    template = "noc/_fleet_board.html" if request.htmx else "noc/fleet.html"  # type: ignore[attr-defined]  # set by HtmxMiddleware
    return render(request, template, {"board": board, "now": now, "action_id": uuid4().hex})


@require_GET
@live_page
def counts(request: HttpRequest) -> HttpResponse:
    """How many alerts of each severity are open, as the header shows them."""
    return render(request, "noc/_counts.html")
