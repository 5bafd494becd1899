"""The doors of the alert queue."""

from __future__ import annotations

from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from fleet.noc.live_pages import live_page
from fleet.noc.queue_board import Filters, queue_board, queue_row
from runbooks.alerts.selectors import alert_for


@live_page
@require_GET
def alerts(request: HttpRequest) -> HttpResponse:
    """The queue: the whole page, or the list alone where the page asks for it."""
    now = timezone.now()
    board = queue_board(user=request.user, filters=Filters.read(request.GET), now=now)
    template = "noc/_queue.html" if request.htmx else "noc/alerts.html"  # type: ignore[attr-defined]  # set by the middleware
    return render(request, template, {"board": board, "now": now, "action_id": uuid4().hex})


@live_page
@require_GET
def alert_row(request: HttpRequest, alert_id: int) -> HttpResponse:
    """One row of the queue."""
    row = queue_row(user=request.user, alert=alert_for(request.user, alert_id))
    context = {"row": row, "now": timezone.now(), "action_id": uuid4().hex}
    return render(request, "noc/_alert_row.html", context)
