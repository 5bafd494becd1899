"""The doors of the delivery log: look, and have a dead page sent once more."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from fleet.access import account_of
from fleet.noc.delivery_board import LogFilters, delivery_board, page_for
from fleet.noc.live_pages import live_page
from fleet.noc.oncall_rights import require_view
from runbooks.paging.dead import RedeliveryError, redeliver_page


@live_page
@require_GET
def deliveries(request: HttpRequest) -> HttpResponse:
    """The log, dead letters first; the whole page, or the list alone where the page asks."""
    require_view(request.user)
    now = timezone.now()
    filters = LogFilters.read(request.GET)
    board = delivery_board(user=request.user, filters=filters, now=now)
    is_part = request.htmx  # type: ignore[attr-defined]  # set by the middleware
    template = "noc/delivery_list.html" if is_part else "noc/deliveries.html"
    return render(request, template, {"board": board, "now": now})


@require_POST
def delivery_redeliver(request: HttpRequest, page_id: UUID) -> HttpResponse:
    """Try a dead page anew, then show the log as it was looked at."""
    page = page_for(request.user, page_id)
    if page is None:
        raise Http404("There is no such page at a site where you may act.")
    try:
        redeliver_page(page=page, by=account_of(request.user), now=timezone.now())
    except RedeliveryError as refusal:
        messages.warning(request, refusal.sentence)
    else:
        messages.success(request, "The page is on its way once more, for five minutes at most.")
    return redirect(reverse("noc:deliveries") + LogFilters.read(request.GET).query)
