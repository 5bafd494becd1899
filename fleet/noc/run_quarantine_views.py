"""The doors of entries that were kept aside: read them, take them in, or set them aside."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from fleet.access import account_of
from fleet.noc.live_pages import live_page
from fleet.noc.run_act_views import require_run
from fleet.noc.run_quarantine_board import aside_for, aside_row_for
from fleet.noc.run_views import show_run
from runbooks.models import Run, RunQuarantine
from runbooks.runs.errors import RunError
from runbooks.runs.quarantine import accept_quarantined, set_aside_quarantined
from runbooks.runs.selectors import run_for

_ACTS = ("accept", "set-aside")


@live_page
@require_GET
def run_quarantine(request: HttpRequest) -> HttpResponse:
    """What was kept aside of every run that the reader may see."""
    return _show(request)


@live_page
@require_POST
def run_quarantine_settle(request: HttpRequest, row_id: int, act: str) -> HttpResponse:
    """Settle one entry."""
    row = aside_row_for(request.user, row_id)
    run = row.run
    if act not in _ACTS or run is None:
        raise Http404("There is no such act.")
    require_run(request, run.site)
    try:
        said = _settle(request, row, act)
    except RunError as refusal:
        return _refused(request, run, row, refusal)
    if request.POST.get("from") == "watch":
        if request.htmx:  # type: ignore[attr-defined]  # set by the middleware
            return show_run(request, run_for(request.user, run.pk))
        return redirect("noc:run-watch", run.pk)
    messages.success(request, said)
    return redirect("noc:run-quarantine")


def _settle(request: HttpRequest, row: RunQuarantine, act: str) -> str:
    """Settle the entry and return what came of it, as a sentence."""
    by, now = account_of(request.user), timezone.now()
    if act == "accept":
        entry = accept_quarantined(row=row, by=by, now=now)
        return f"The entry is in the log of R-{entry.run_id}, as entry {entry.pk}."
    set_aside_quarantined(row=row, by=by, now=now)
    return f"The entry is set aside: it stays out of the log of R-{row.run_id}."


def _refused(request: HttpRequest, run: Run, row: RunQuarantine, refusal: RunError) -> HttpResponse:
    field = f"aside-{row.pk}"
    if request.POST.get("from") == "watch":
        shown = run_for(request.user, run.pk)
        return show_run(request, shown, fault=refusal.sentence, field=field, status=409)
    return _show(request, fault=refusal.sentence, field=field, status=409)


def _show(
    request: HttpRequest, *, fault: str = "", field: str = "", status: int = 200
) -> HttpResponse:
    now = timezone.now()
    rows = aside_for(request.user)
    context = {"rows": rows, "now": now, "fault": fault, "field": field}
    return render(request, "noc/run_quarantine.html", context, status=status)
