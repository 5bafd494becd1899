"""The doors of the silences page: look, hold back, see what it would hold, end, lengthen."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from fleet.access import Action, account_of, may, may_everywhere, site_for
from fleet.models import Site
from fleet.noc.live_pages import live_page
from fleet.noc.silence_board import SilenceForm, form_like, silence_board
from fleet.noc.span_form import FormFault, read_hours, read_moment
from fleet.noc.whole_numbers import read_whole
from runbooks.alerts.selectors import alert_for, alerts_visible_to
from runbooks.models import Silence
from runbooks.suppression.errors import SuppressionError
from runbooks.suppression.matchers import MatcherError, parse_matchers
from runbooks.suppression.selectors import silences_for
from runbooks.suppression.silences import (
    change_silence,
    create_silence,
    end_silence,
    matched_alerts,
)

_MOST_HOURS = 90 * 24
_SHOWN_MATCHES = 5
_NOT_ALLOWED = "You may look at silences, not make or end this one. Ask an operator of the site."
_FAULTS = (FormFault, MatcherError, SuppressionError)


@live_page
def silences(request: HttpRequest) -> HttpResponse:
    """The page; a POST makes a silence."""
    now = timezone.now()
    if request.method == "POST":
        return _create(request, now)
    form = None
    number = read_whole(request.GET.get("alert", ""), digits=17)
    if number is not None:
        form = form_like(alert_for(request.user, number))
    return _show(request, now, form=form)


@live_page
@require_GET
def silence_preview(request: HttpRequest) -> HttpResponse:
    """What the typed conditions would hold back right now."""
    context: dict[str, object] = {"now": timezone.now()}
    try:
        site = _site(request, request.GET.get("site", ""))
        matchers = parse_matchers(request.GET.get("matchers", ""))
        if not matchers:
            return HttpResponse("")
        visible = alerts_visible_to(request.user).values_list("pk", flat=True)
        found = list(matched_alerts(matchers=matchers, site=site))
        seen = set(visible.filter(pk__in=[alert.pk for alert in found]))
        matched = [alert for alert in found if alert.pk in seen]
        context |= {"count": len(matched), "alerts": matched[:_SHOWN_MATCHES]}
    except _FAULTS as fault:
        context["fault"] = fault.sentence
    return render(request, "noc/_silence_preview.html", context)


@live_page
@require_POST
def silence_end(request: HttpRequest, silence_id: UUID) -> HttpResponse:
    """Let go now what a silence holds back."""
    now = timezone.now()
    silence = _silence_for(request, silence_id, now)
    if not _may_hold(request, silence.site):
        return _show(request, now, fault=_NOT_ALLOWED, status=403)
    end_silence(silence=silence, by=account_of(request.user), now=now)
    messages.success(request, "The silence has ended. What still fires pages again in seconds.")
    return redirect("noc:silences")


@live_page
@require_POST
def silence_lengthen(request: HttpRequest, silence_id: UUID) -> HttpResponse:
    """Let a silence go on for some hours from now."""
    now = timezone.now()
    silence = _silence_for(request, silence_id, now)
    if not _may_hold(request, silence.site):
        return _show(request, now, fault=_NOT_ALLOWED, status=403)
    try:
        hours = read_hours(request.POST.get("hours", ""), most=_MOST_HOURS, what="new length")
        change_silence(silence=silence, ends_at=now + hours, by=account_of(request.user), now=now)
    except _FAULTS as fault:
        return _show(request, now, fault=fault.sentence, status=422)
    messages.success(request, "The silence has a new end.")
    return redirect("noc:silences")


def _create(request: HttpRequest, now: datetime) -> HttpResponse:
    said = SilenceForm(
        matchers=request.POST.get("matchers", ""),
        site=request.POST.get("site", ""),
        hours=request.POST.get("hours", ""),
        starts=request.POST.get("starts", ""),
        reason=request.POST.get("reason", ""),
    )
    try:
        site = _site(request, said.site)
        if not _may_hold(request, site):
            return _show(request, now, form=said, fault=_NOT_ALLOWED, status=403)
        starts_at = read_moment(said.starts, zone="UTC", what="start") if said.starts else now
        hours = read_hours(said.hours, most=_MOST_HOURS, what="length")
        create_silence(
            matchers=parse_matchers(said.matchers),
            starts_at=starts_at,
            ends_at=starts_at + hours,
            reason=said.reason,
            by=account_of(request.user),
            now=now,
            site=site,
        )
    except _FAULTS as fault:
        return _show(request, now, form=said, fault=fault.sentence, status=422)
    messages.success(request, "The silence is made. It ends by itself; you are reminded before.")
    return redirect("noc:silences")


def _site(request: HttpRequest, slug: str) -> Site | None:
    return site_for(request.user, slug) if slug else None


def _may_hold(request: HttpRequest, site: Site | None) -> bool:
    if site is None:
        return may_everywhere(request.user, Action.RESPOND)
    return may(request.user, Action.RESPOND, site)


def _silence_for(request: HttpRequest, silence_id: UUID, now: datetime) -> Silence:
    silence = silences_for(request.user, now).filter(pk=silence_id).first()
    if silence is None:
        raise Http404("There is no such silence, or you may not see it.")
    return silence


def _show(
    request: HttpRequest,
    now: datetime,
    *,
    form: SilenceForm | None = None,
    fault: str = "",
    status: int = 200,
) -> HttpResponse:
    board = silence_board(user=request.user, now=now, form=form)
    context = {"board": board, "now": now, "fault": fault}
    return render(request, "noc/silences.html", context, status=status)
