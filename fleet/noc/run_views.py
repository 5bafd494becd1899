"""The doors of runs for those who watch: the list, one run as it happens, its photos."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_safe

from fleet.noc.live_pages import live_page
from fleet.noc.media_answer import kept_image
from fleet.noc.run_list_board import run_list
from fleet.noc.run_watch_board import head_sentence, watch_board
from runbooks.models import Run
from runbooks.runs.selectors import run_for


@live_page
@require_GET
def runs(request: HttpRequest) -> HttpResponse:
    """The runs under way, and those that have ended."""
    now = timezone.now()
    board = run_list(user=request.user, asked=request.GET, now=now)
    is_part = request.htmx  # type: ignore[attr-defined]  # set by the middleware
    template = "noc/_runs.html" if is_part else "noc/runs.html"
    return render(request, template, {"board": board, "now": now})


@live_page
@require_GET
def run_watch(request: HttpRequest, run_id: int) -> HttpResponse:
    """One run as it happens, or its changing part where the page asks for it."""
    return show_run(request, run_for(request.user, run_id))


@require_safe
def run_photo(request: HttpRequest, run_id: int, sha256: str) -> HttpResponse:
    """One photo of a run, to whoever may look at its site."""
    run = run_for(request.user, run_id)
    photo = run.photos.filter(sha256=sha256.replace("\0", "")).first()
    if photo is None:
        raise Http404("The run has no such photo; it may still come.")
    return kept_image(bytes(photo.data), photo.content_type)


def show_run(
    request: HttpRequest, run: Run, *, fault: str = "", field: str = "", status: int = 200
) -> HttpResponse:
    """Show a run as it stands, and beside which form something was refused."""
    now = timezone.now()
    board = watch_board(user=request.user, run=run, now=now)
    context = {
        "board": board,
        "run": run,
        "head": head_sentence(board),
        "now": now,
        "fault": fault,
        "field": field,
        "typed": request.POST if fault else {},
    }
    is_part = request.htmx  # type: ignore[attr-defined]  # set by the middleware
    template = "noc/_run.html" if is_part else "noc/run_watch.html"
    return render(request, template, context, status=status)
