"""The door of the node page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from fleet.access import node_for
from fleet.noc.live_pages import live_page
from fleet.noc.node_board import DEFAULT_WINDOW, WINDOWS, node_board


@live_page
@require_GET
def node(request: HttpRequest, node_id: int) -> HttpResponse:
    """The node page, or its changing part where the page asks for it."""
    now = timezone.now()
    subject = node_for(request.user, node_id)
    asked = request.GET.get("window", DEFAULT_WINDOW)
    window = asked if asked in WINDOWS else DEFAULT_WINDOW
    board = node_board(user=request.user, node=subject, window=window, now=now)
    template = "noc/_node.html" if request.htmx else "noc/node.html"  # type: ignore[attr-defined]  # set by the middleware
    context = {"board": board, "node": subject, "now": now, "windows": list(WINDOWS)}
    return render(request, template, context)
