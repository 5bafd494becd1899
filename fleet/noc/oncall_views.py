"""The doors of the on-call page."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_POST

from fleet.access import account_of
from fleet.noc.live_pages import live_page
from fleet.noc.oncall_board import oncall_board
from fleet.noc.oncall_rights import require_change, require_view
from runbooks.oncall.errors import OnCallError
from runbooks.oncall.services import create_schedule

_LONGEST_NAME = 120


@live_page
@require_GET
def oncall(request: HttpRequest) -> HttpResponse:
    """Who has the pager now; the whole page, or what changes where the page asks for it."""
    require_view(request.user)
    return _show(request)


@require_POST
def schedule_create(request: HttpRequest) -> HttpResponse:
    """Make a schedule and go on to give it a rotation."""
    require_change(request.user)
    now = timezone.now()
    said = {name: request.POST.get(name, "").strip() for name in ("name", "time_zone")}
    slug = slugify(said["name"])[:60]
    try:
        if not slug or len(said["name"]) > _LONGEST_NAME:
            raise OnCallError(
                "bad_name", "Give the schedule a name of 1 to 120 characters, such as Europe."
            )
        schedule = create_schedule(slug=slug, **said, by=account_of(request.user), now=now)
    except OnCallError as refusal:
        return _show(request, fault=refusal.sentence, said=said, status=422)
    messages.success(request, "The schedule is made. Nobody is on call yet: add a rotation.")
    return redirect("noc:schedule", slug=schedule.slug)


def _show(
    request: HttpRequest, *, fault: str = "", said: dict[str, str] | None = None, status: int = 200
) -> HttpResponse:
    now = timezone.now()
    board = oncall_board(user=request.user, severity=request.GET.get("severity", ""), now=now)
    context = {"board": board, "now": now, "fault": fault, "said": said or {}}
    is_part = request.htmx and request.method == "GET"  # type: ignore[attr-defined]  # set by the middleware
    template = "noc/oncall_board.html" if is_part else "noc/oncall.html"
    return render(request, template, context, status=status)
