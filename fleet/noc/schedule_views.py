"""The doors of a schedule's page: look, change, take away as a calendar."""

from __future__ import annotations

from datetime import date, timedelta

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from fleet.access import account_of
from fleet.noc.live_pages import live_page
from fleet.noc.oncall_rights import may_change_plans, require_change, require_view
from fleet.noc.schedule_board import schedule_board
from fleet.noc.schedule_forms import ACTS
from fleet.noc.schedule_rotation import RotationForm, form_like, form_typed
from fleet.noc.span_form import FormFault, read_day
from runbooks.models import Schedule
from runbooks.oncall.errors import OnCallError
from runbooks.oncall.feeds import IssuedFeed, feeds_of
from runbooks.oncall.ical import export_calendar
from runbooks.oncall.selectors import schedule_named

#: How far ahead a calendar goes that is taken away.
_EXPORTED = timedelta(days=90)
#: Days in the address beyond these would leave the calendar.
_LEAST_YEAR, _MOST_YEAR = 2000, 2200


@live_page
@require_GET
def schedule(request: HttpRequest, slug: str) -> HttpResponse:
    """Two weeks of the schedule, from today or from the day in the address."""
    require_view(request.user)
    return show_schedule(request, schedule_of(slug))


@live_page
@require_POST
def schedule_change(request: HttpRequest, slug: str, act: str) -> HttpResponse:
    """Do what one of the page's forms asks."""
    require_change(request.user)
    found = schedule_of(slug)
    if act not in ACTS:
        raise Http404("There is no such change.")
    try:
        sentence = ACTS[act](
            found, request.POST, request.FILES, account_of(request.user), timezone.now()
        )
    except (FormFault, OnCallError) as refusal:
        return show_schedule(request, found, fault=refusal.sentence, act=act, status=422)
    messages.success(request, sentence)
    return redirect("noc:schedule", slug=slug)


@require_GET
def schedule_calendar(request: HttpRequest, slug: str) -> HttpResponse:
    """The turns of the next 90 days as an iCalendar file."""
    require_view(request.user)
    found = schedule_of(slug)
    now = timezone.now()
    body = export_calendar(
        found,
        start=now,
        end=now + _EXPORTED,
        # The people on call are known by name to every viewer, their addresses are not.
        with_addresses=may_change_plans(request.user),
    )
    answer = HttpResponse(body, content_type="text/calendar; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{found.slug}.ics"'
    return answer


def schedule_of(slug: str) -> Schedule:
    """Return the schedule of an address, or 404."""
    found = schedule_named(slug)
    if found is None:
        raise Http404("There is no such schedule.")
    return found


def _first_day(text: str) -> date | None:
    try:
        day = read_day(text, what="day")
    except FormFault:
        return None
    return day if day and _LEAST_YEAR <= day.year <= _MOST_YEAR else None


def show_schedule(
    request: HttpRequest,
    found: Schedule,
    *,
    fault: str = "",
    act: str = "",
    issued: IssuedFeed | None = None,
    status: int = 200,
) -> HttpResponse:
    """Return the schedule's page; `issued` is an address that is shown this once."""
    now = timezone.now()
    first = _first_day(request.GET.get("from", ""))
    board = schedule_board(user=request.user, schedule=found, first=first, now=now)
    number = request.GET.get("rotation", "")
    rows = [row.rotation for row in board.rotations if str(row.rotation.pk) == number]
    form = RotationForm(position=str(board.next_position))
    if act == "rotation":
        form = form_typed(request.POST)
    elif rows:
        form, act = form_like(rows[0]), "rotation"
    context = {"board": board, "now": now, "fault": fault, "act": act, "form": form}
    feeds = feeds_of(user=account_of(request.user), schedule=found)
    context |= {"said": request.POST, "feeds": feeds, "issued": issued}
    context["base_url"] = settings.HEARTHWATCH_BASE_URL
    return render(request, "noc/schedule.html", context, status=status)
