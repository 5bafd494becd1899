"""The doors of the heartbeats' page: look, expect one, pause, resume, make a new key, delete."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from fleet.access import Action, account_of, may, sites_visible_to, sites_where
from fleet.models import Site
from fleet.noc.heartbeats_board import heartbeats_board
from fleet.noc.heartbeats_form import HeartbeatForm, node_of, read_form, seconds_of
from fleet.noc.live_pages import live_page
from fleet.noc.oncall_rights import require_view
from runbooks.heartbeats.errors import HeartbeatError
from runbooks.heartbeats.pauses import pause_heartbeat, resume_heartbeat
from runbooks.heartbeats.services import (
    IssuedHeartbeat,
    create_heartbeat,
    revoke_heartbeat,
    rotate_key,
)
from runbooks.models import Heartbeat

_ACTS = ("pause", "resume", "rotate", "delete")
#: Beside which field a refusal stands.
_FIELDS = {
    "bad_name": "name",
    "name_taken": "name",
    "no_site": "site",
    "node_unknown": "node",
    "bad_period": "period",
    "bad_grace": "grace",
}
_STALE = frozenset({"already_revoked", "already_paused", "not_paused", "key_changed"})


@live_page
@require_http_methods(["GET", "POST"])
def heartbeats(request: HttpRequest) -> HttpResponse:
    """The list; a POST expects another one and shows its key, once."""
    require_view(request.user)
    if request.method == "GET":
        return _show(request)
    if not sites_where(request.user, Action.CHANGE).exists():
        raise PermissionDenied("Heartbeats are made by the engineers and admins of a site.")
    form = read_form(request.POST)
    try:
        site = _site(request, form.site)
        issued = create_heartbeat(
            site=site,
            node=node_of(form, site),
            name=form.name,
            period_seconds=seconds_of(form.period, form.period_unit, code="bad_period"),
            grace_seconds=seconds_of(form.grace, form.grace_unit, code="bad_grace"),
            by=account_of(request.user),
            now=timezone.now(),
        )
    except HeartbeatError as refusal:
        return _show(request, form=form, refusal=refusal, act="create")
    return _show(request, issued=issued)


@live_page
@require_POST
def heartbeat_change(request: HttpRequest, heartbeat_id: int, act: str) -> HttpResponse:
    """Do what one heartbeat's buttons ask."""
    found = _heartbeat(request, heartbeat_id)
    if act not in _ACTS:
        raise Http404("There is no such change.")
    if not may(request.user, Action.CHANGE, found.site):
        raise PermissionDenied(
            f"Changing what is expected of {found.site.name} takes the role of engineer or admin "
            "there."
        )
    try:
        if act == "rotate":
            return _show(request, issued=_rotate(request, found))
        messages.success(request, _change(request, found, act))
    except HeartbeatError as refusal:
        return _show(request, refusal=refusal, act=f"{act}-{found.pk}")
    return redirect("noc:heartbeats")


def _change(request: HttpRequest, found: Heartbeat, act: str) -> str:
    """Change it and return what came of it, as a sentence."""
    by, now = account_of(request.user), timezone.now()
    if act == "pause":
        reason = request.POST.get("reason", "")
        pause_heartbeat(heartbeat=found, reason=reason, by=by, now=now)
        return f"{found.name} is paused: nobody expects it until somebody resumes it."
    if act == "resume":
        resume_heartbeat(heartbeat=found, by=by, now=now)
        return f"{found.name} is expected again, from now on."
    revoke_heartbeat(heartbeat=found, by=by, now=now)
    return f"{found.name} is deleted. Its key opens nothing any more."


def _rotate(request: HttpRequest, found: Heartbeat) -> IssuedHeartbeat:
    if request.POST.get("prefix") != found.prefix:
        raise HeartbeatError(
            "key_changed",
            f"Somebody made a new key for {found} meanwhile; ask them for it, or make another.",
        )
    return rotate_key(heartbeat=found, by=account_of(request.user), now=timezone.now())


def _site(request: HttpRequest, slug: str) -> Site:
    site = sites_where(request.user, Action.CHANGE).filter(slug=slug).first()
    if site is None:
        raise HeartbeatError("no_site", "Choose the site it comes from.")
    return site


def _heartbeat(request: HttpRequest, heartbeat_id: int) -> Heartbeat:
    visible = Heartbeat.objects.filter(site__in=sites_visible_to(request.user))
    found = visible.select_related("site").filter(pk=heartbeat_id).first()
    if found is None:
        raise Http404("There is no such heartbeat, or you may not see it.")
    return found


def _show(
    request: HttpRequest,
    *,
    form: HeartbeatForm | None = None,
    refusal: HeartbeatError | None = None,
    act: str = "",
    issued: IssuedHeartbeat | None = None,
) -> HttpResponse:
    now = timezone.now()
    context: dict[str, object] = {
        "board": heartbeats_board(user=request.user, now=now, form=form),
        "now": now,
        "base_url": settings.HEARTHWATCH_BASE_URL,
        "issued": issued,
    }
    status = 200
    if refusal is not None:
        context |= {"fault": refusal.sentence}
        # A pause lacks nothing but its reason; all other refusals of acts stand over the page.
        fields = _FIELDS if act == "create" else {"no_reason": act}
        context |= {"field": fields.get(refusal.code, "")}
        status = 409 if refusal.code in _STALE else 422
    is_part = request.htmx and request.method == "GET"  # type: ignore[attr-defined]  # set by the middleware
    template = "noc/heartbeats_list.html" if is_part else "noc/heartbeats.html"
    return render(request, template, context, status=status)
