"""The door of the site page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from fleet.access import site_for
from fleet.models import Site
from fleet.noc.live_pages import live_page
from fleet.noc.reader_language import languages_wanted
from fleet.noc.site_board import site_board
from runbooks.runs.errors import RunError


@live_page
@require_GET
def site(request: HttpRequest, slug: str) -> HttpResponse:
    """The site page, or its changing part where the page asks for it."""
    return show_site(request, site_for(request.user, slug))


def show_site(
    request: HttpRequest, subject: Site, *, run_refusal: RunError | None = None
) -> HttpResponse:
    """Show a site as it stands, and why no run was begun where one was refused."""
    now = timezone.now()
    context: dict[str, object] = {"site": subject, "now": now}
    wanted = languages_wanted(request)
    context["board"] = site_board(user=request.user, site=subject, now=now, wanted=wanted)
    status = 200
    if run_refusal is not None:
        is_runbook = run_refusal.code in ("no_runbook", "edition_withdrawn")
        field = "runbook" if is_runbook else "node" if run_refusal.code == "node_elsewhere" else ""
        context |= {"fault": run_refusal.sentence, "field": field, "typed": request.POST}
        status = 422 if field else 409
    template = "noc/_site.html" if request.htmx else "noc/site.html"  # type: ignore[attr-defined]  # set by the middleware
    return render(request, template, context, status=status)
