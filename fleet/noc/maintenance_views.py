"""The doors of the maintenance page: look, plan, call off."""

from __future__ import annotations

from datetime import datetime

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from fleet.access import Action, account_of, may, site_for
from fleet.models import MaintenanceWindow, Node, Site
from fleet.noc.live_pages import live_page
from fleet.noc.maintenance_board import MaintenanceForm, maintenance_board
from fleet.noc.span_form import FormFault, read_day, read_hours, read_moment
from runbooks.suppression.errors import SuppressionError
from runbooks.suppression.maintenance import cancel_maintenance, plan_maintenance
from runbooks.suppression.matchers import MatcherError, parse_matchers
from runbooks.suppression.selectors import maintenance_for

_MOST_HOURS = 14 * 24
_NOT_ALLOWED = "You may look at maintenance, not plan it here. Ask an operator of the site."


@live_page
def maintenance(request: HttpRequest) -> HttpResponse:
    """The page; a POST plans a window."""
    now = timezone.now()
    if request.method == "POST":
        return _plan(request, now)
    return _show(request, now)


@live_page
@require_POST
def maintenance_cancel(request: HttpRequest, window_id: int) -> HttpResponse:
    """Call a window off; what it holds back is let go."""
    now = timezone.now()
    window = maintenance_for(request.user, now).filter(pk=window_id).first()
    if window is None:
        raise Http404("There is no such maintenance, or you may not see it.")
    if not may(request.user, Action.RESPOND, window.site):
        return _show(request, now, fault=_NOT_ALLOWED, status=403)
    cancel_maintenance(window=window, by=account_of(request.user), now=now)
    messages.success(request, "The maintenance is called off. What fires pages again in seconds.")
    return redirect("noc:maintenance")


def _plan(request: HttpRequest, now: datetime) -> HttpResponse:
    said = MaintenanceForm(
        **{
            name: request.POST.get(name, "")
            for name in (
                *("site", "node", "starts", "hours"),
                *("every", "last_day", "matchers", "reason"),
            )
        }
    )
    site = site_for(request.user, said.site)
    if not may(request.user, Action.RESPOND, site):
        return _show(request, now, form=said, fault=_NOT_ALLOWED, status=403)
    try:
        if said.every not in MaintenanceWindow.Every.values:
            raise FormFault("Choose how often it takes place.")
        starts_at = now
        if said.starts:
            starts_at = read_moment(said.starts, zone=site.time_zone, what="start")
        plan_maintenance(
            site=site,
            node=_node(site, said.node),
            matchers=parse_matchers(said.matchers) if said.matchers.strip() else (),
            starts_at=starts_at,
            ends_at=starts_at + read_hours(said.hours, most=_MOST_HOURS, what="length"),
            every=MaintenanceWindow.Every(said.every),
            last_day=read_day(said.last_day, what="last day"),
            time_zone=site.time_zone,
            reason=said.reason,
            by=account_of(request.user),
            now=now,
        )
    except (FormFault, MatcherError, SuppressionError) as fault:
        return _show(request, now, form=said, fault=fault.sentence, status=422)
    messages.success(request, "The maintenance is planned. Its alerts page nobody while it lasts.")
    return redirect("noc:maintenance")


def _node(site: Site, name: str) -> Node | None:
    """Return the node, None where none was named: then the window holds the whole site."""
    if not name:
        return None
    node = site.nodes.filter(name=name).first()
    if node is None:
        raise FormFault(
            f"{site.name} has no node {name!r} any more; choose one, or the whole site."
        )
    return node


def _show(
    request: HttpRequest,
    now: datetime,
    *,
    form: MaintenanceForm | None = None,
    fault: str = "",
    status: int = 200,
) -> HttpResponse:
    board = maintenance_board(user=request.user, now=now, form=form)
    context = {"board": board, "now": now, "fault": fault}
    return render(request, "noc/maintenance.html", context, status=status)
