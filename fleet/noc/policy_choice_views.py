"""The doors of a site's choice: which policy it follows, with a dry run before it does."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from fleet.access import Action, account_of, may, site_for
from fleet.models import Site
from fleet.noc.live_pages import live_page
from fleet.noc.policy_choice_board import choice_board
from runbooks.escalation.sites import ChoiceError, choose_policy
from runbooks.escalation.steps import SEVERITIES
from runbooks.models import EscalationPolicy


@live_page
@require_http_methods(["GET", "POST"])
def site_policy(request: HttpRequest, slug: str) -> HttpResponse:
    """What the site follows, and a dry run of any other policy; a POST chooses one."""
    site = site_for(request.user, slug)
    if request.method == "GET":
        return _show(request, site)
    if not may(request.user, Action.CHANGE, site):
        raise PermissionDenied(
            f"Choosing who is paged for {site.name} takes the role of engineer or admin there."
        )
    try:
        policy = _policy(request.POST.get("policy", ""))
        if policy is None:
            raise ChoiceError(
                "no_policy", f"Choose a policy: without one nobody is paged for {site.name}."
            )
        choose_policy(
            site=site,
            policy=policy,
            instead_of=_policy(request.POST.get("instead_of", "")),
            by=account_of(request.user),
            now=timezone.now(),
        )
    except ChoiceError as refusal:
        return _show(request, site, refusal=refusal)
    messages.success(
        request,
        f"{site.name} follows {policy.name}. Open alerts keep the edition they began with.",
    )
    return redirect("noc:site-policy", slug=slug)


def _policy(slug: str) -> EscalationPolicy | None:
    return EscalationPolicy.objects.filter(slug=slug).first()


def _show(request: HttpRequest, site: Site, *, refusal: ChoiceError | None = None) -> HttpResponse:
    now, asked = timezone.now(), request.POST if request.method == "POST" else request.GET
    board = choice_board(
        user=request.user,
        site=site,
        policy_slug=asked.get("policy", ""),
        severity=asked.get("severity", ""),
        at=asked.get("at", ""),
        now=now,
    )
    context = {
        "board": board,
        "site": site,
        "now": now,
        "severities": SEVERITIES,
        "refusal": refusal,
        **board.answer,
    }
    is_part = request.htmx and request.method == "GET"  # type: ignore[attr-defined]  # set by the middleware
    template = "noc/policy_choice_preview.html" if is_part else "noc/policy_choice.html"
    status = 200 if refusal is None else 409 if refusal.code == "choice_changed" else 422
    return render(request, template, context, status=status)
