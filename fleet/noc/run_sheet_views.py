"""The doors of the sheet after a run: to print, and as files for others' programs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from fleet.noc.chart_cards import Span
from fleet.noc.live_pages import live_page
from runbooks.library.document import RunbookError
from runbooks.models import Run
from runbooks.runs.export import entries_csv, sheet_json, sheet_markdown
from runbooks.runs.selectors import run_for
from runbooks.runs.sheet import Sheet, sheet_of

_WRITERS: Final[dict[str, tuple[str, Callable[[Sheet], str]]]] = {
    "json": ("application/json", sheet_json),
    "csv": ("text/csv; charset=utf-8", entries_csv),
    "md": ("text/markdown; charset=utf-8", sheet_markdown),
}


@live_page
@require_GET
def run_sheet(request: HttpRequest, run_id: int) -> HttpResponse:
    """Who did what, how long it took, and what did not go smoothly."""
    run, now = run_for(request.user, run_id), timezone.now()
    zone = run.site.time_zone
    context = {
        "run": run,
        "sheet": _sheet(run, now),
        "zone_words": Span(now, now, zone, now).zone_words,
        "now": now,
    }
    return render(request, "noc/run_sheet.html", context)


@live_page
@require_GET
def run_export(request: HttpRequest, run_id: int, form: str) -> HttpResponse:
    """The sheet as a file."""
    if form not in _WRITERS:
        raise Http404("There is no such form; ask for json, csv or md.")
    content_type, write = _WRITERS[form]
    run = run_for(request.user, run_id)
    answer = HttpResponse(write(_sheet(run, timezone.now())), content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="R-{run.pk}.{form}"'
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def _sheet(run: Run, now: datetime) -> Sheet:
    try:
        return sheet_of(run=run, now=now)
    except RunbookError as unreadable:
        raise Http404(f"R-{run.pk} has no sheet: {unreadable}") from None
