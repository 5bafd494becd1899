"""Calendars that follow a schedule: the address itself, and the forms that make and revoke one."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from fleet.access import account_of
from fleet.noc.live_pages import live_page
from fleet.noc.oncall_rights import may_view, require_view
from fleet.noc.schedule_views import schedule_of, show_schedule
from fleet.secret_paths import secret_path
from runbooks.oncall.errors import OnCallError
from runbooks.oncall.feeds import create_feed, feed_named, feeds_of, revoke_feed
from runbooks.oncall.ical import export_calendar

#: What a calendar that follows a schedule shows.
_PAST: Final = timedelta(days=30)
_AHEAD: Final = timedelta(days=180)


@login_not_required
@never_cache
@secret_path("/oncall/feeds/-.ics")
@require_safe
def calendar_feed(request: HttpRequest, token: str) -> HttpResponse:
    """The turns of a schedule, for the calendar of somebody who may look at it; no addresses."""
    now = timezone.now()
    feed = feed_named(token=token, now=now)
    if feed is None or not may_view(feed.user):
        said = "No calendar is at this address any more; make one on the schedule's page."
        return JsonResponse({"code": "unknown_calendar", "message": said}, status=404)
    # Of whole days, so that what calendars read twice on one is the same twice.
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    body = export_calendar(
        feed.schedule,
        start=today - _PAST,
        end=today + _AHEAD,
        with_addresses=False,
        with_reasons=False,
    )
    return HttpResponse(body, content_type="text/calendar; charset=utf-8")


@live_page
@require_POST
def feed_create(request: HttpRequest, slug: str) -> HttpResponse:
    """Make an address and show it, once."""
    require_view(request.user)
    schedule = schedule_of(slug)
    try:
        issued = create_feed(schedule=schedule, by=account_of(request.user), now=timezone.now())
    except OnCallError as refusal:
        return show_schedule(request, schedule, fault=refusal.sentence, status=422)
    return show_schedule(request, schedule, issued=issued)


@live_page
@require_POST
def feed_revoke(request: HttpRequest, slug: str, feed_id: int) -> HttpResponse:
    """Revoke an address of one's own."""
    require_view(request.user)
    by, now = account_of(request.user), timezone.now()
    feed = feeds_of(user=by, schedule=schedule_of(slug)).filter(pk=feed_id).first()
    if feed is None:
        raise Http404("There is no such address, or it is not yours.")
    revoke_feed(feed=feed, by=by, now=now)
    messages.success(request, f"{feed.prefix}… is revoked; calendars that follow it stop.")
    return redirect("noc:schedule", slug=slug)
