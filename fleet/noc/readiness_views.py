"""The door of the readiness page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from fleet.noc.live_pages import live_page
from fleet.noc.oncall_rights import require_view
from fleet.noc.readiness_board import readiness_board


@live_page
@require_GET
def readiness(request: HttpRequest) -> HttpResponse:
    """What is lacking, and what to do about each."""
    require_view(request.user)
    now = timezone.now()
    context = {"board": readiness_board(user=request.user, now=now), "now": now}
    return render(request, "noc/readiness.html", context)
