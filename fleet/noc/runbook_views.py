"""The doors of the runbook library and of one runbook."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_safe

from fleet.noc.media_answer import kept_image
from fleet.noc.runbook_board import library_board, runbook_page
from runbooks.library.media import media_for_page


@require_GET
def runbooks(request: HttpRequest) -> HttpResponse:
    """The library, by category."""
    board = library_board(today=timezone.now().date())
    return render(request, "noc/runbooks.html", {"board": board})


@require_GET
def runbook(request: HttpRequest, slug: str) -> HttpResponse:
    """One runbook: its newest edition, or the one the address asks for."""
    asked = request.GET.get("v")
    if asked is not None and not asked.isdecimal():
        raise Http404("There is no such edition.")
    number = int(asked) if asked else None
    today = timezone.now().date()
    page = runbook_page(slug=slug, number=number, today=today)
    return render(request, "noc/runbook.html", {"page": page, "view": page.view, "is_whole": True})


@require_safe
def runbook_media(request: HttpRequest, sha256: str) -> HttpResponse:
    """One picture of an edition, by the hash of its bytes."""
    picture = media_for_page(sha256)
    return kept_image(bytes(picture.data), picture.content_type)
