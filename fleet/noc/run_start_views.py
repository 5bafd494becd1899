"""The doors that start runs: from an alert, with its pinned edition, and at a site."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from fleet.access import account_of, site_for
from fleet.noc.alert_views import show_alert
from fleet.noc.live_pages import live_page
from fleet.noc.reader_language import languages_wanted
from fleet.noc.run_act_views import move_run, person_of, require_run
from fleet.noc.run_dispatch_board import dispatch_words
from fleet.noc.site_views import show_site
from fleet.noc.whole_numbers import read_whole
from runbooks.alerts.selectors import alert_for
from runbooks.library.selectors import newest_in_force
from runbooks.library.translations import language_for
from runbooks.models import Run
from runbooks.runs.errors import RunError
from runbooks.runs.selectors import run_for
from runbooks.runs.services import start_run_at_site, start_run_for_alert

#: What a form says where the run is for whoever scans its code.
ANYBODY = "anybody"


@live_page
@require_POST
def alert_run(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Start a run of the alert's pinned edition, for oneself or for whom the form chose."""
    alert = alert_for(request.user, alert_id)
    require_run(request, alert.site)
    by, to = account_of(request.user), request.POST.get("to", "")
    try:
        person = person_of(to, alert.site) if to not in ("", ANYBODY) else None
        run = start_run_for_alert(
            alert=alert,
            by=by,
            now=timezone.now(),
            language=language_for(alert.runbook_version, languages_wanted(request)),
            assigned_to=person,
        )
    except RunError as refusal:
        return show_alert(request, alert_for(request.user, alert_id), run_refusal=refusal)
    if to == ANYBODY:
        return redirect("noc:run-dispatch", run.pk)
    if person is not None and run.assigned_to_id != person.pk:
        messages.warning(request, f"R-{run.pk} was under way already; send it from its own page.")
    elif person is not None:
        messages.success(request, dispatch_words(run))
    return redirect("noc:alert", alert_id)


@live_page
@require_POST
def alert_run_move(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Move the alert's run to the newer edition that the page showed."""
    alert = alert_for(request.user, alert_id)
    require_run(request, alert.site)
    number = read_whole(request.POST.get("run", ""), digits=18) or 0
    run = run_for(request.user, number)
    try:
        move_run(run, account_of(request.user), request.POST, timezone.now())
    except RunError as refusal:
        return show_alert(request, alert_for(request.user, alert_id), run_refusal=refusal)
    messages.success(request, f"R-{run.pk} follows v{request.POST['version']} from now on.")
    return redirect("noc:alert", alert_id)


@live_page
@require_POST
def site_run(request: HttpRequest, slug: str) -> HttpResponse:
    """Start a run of a runbook that the form chose, at the site or for one of its nodes."""
    site = site_for(request.user, slug)
    require_run(request, site)
    try:
        run = _start(request, slug)
    except RunError as refusal:
        return show_site(request, site, run_refusal=refusal)
    return redirect("noc:run-watch", run.pk)


def _start(request: HttpRequest, slug: str) -> Run:
    site = site_for(request.user, slug)
    version = newest_in_force(request.POST.get("runbook", ""))
    if version is None:
        raise RunError("no_runbook", "Choose the runbook to follow.")
    node_id = request.POST.get("node", "")
    node = site.nodes.filter(pk=read_whole(node_id, digits=18) or 0).first()
    if node_id and node is None:
        raise RunError("node_elsewhere", f"That node is not at {site}; choose one of its nodes.")
    return start_run_at_site(
        site=site,
        version=version,
        node=node,
        by=account_of(request.user),
        now=timezone.now(),
        language=language_for(version, languages_wanted(request)),
        seen_run=read_whole(request.POST.get("seen_run", ""), digits=18),
    )
