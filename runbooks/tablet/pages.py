"""Doors of the tablet's program: its pages, its service worker, its manifest, who is signed in.

The pages say nothing about any run: what somebody may see is decided where the facts are fetched,
so a tablet with a key needs no login, and a kept page gives nothing away.
"""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from fleet.access import Action, account_of, sites_where
from fleet.names import name_of
from fleet.secret_paths import secret_path
from runbooks.runs.selectors import open_runs, runs_where
from runbooks.runs.tablets import MOST_RUNS
from runbooks.tablet.claim_views import run_claim
from runbooks.tablet.shell import SHELL


@login_not_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show what the tablet holds: its runs, how ready it is, its choices."""
    return _page(request, "tablet/home.html", "js/run/home.js")


@login_not_required
@require_safe
def run(request: HttpRequest, run_id: int) -> HttpResponse:
    """Show one run; the tablet fetches its pack with its key or its login."""
    return _page(request, "tablet/run.html", "js/run/app.js")


@login_not_required
@require_safe
def run_shell(request: HttpRequest) -> HttpResponse:
    """Show the page of a run without naming one, for tablets to keep."""
    return _page(request, "tablet/run.html", "js/run/app.js")


@secret_path("/r/-")
@csrf_exempt
@login_not_required
def claim(request: HttpRequest, claim: str) -> HttpResponse:
    """Show the page behind a QR code to a browser; programs get the door itself.

    Without the form's own token: the code is the proof, and it is known to no other site.
    """
    wants_page = "text/html" in request.headers.get("Accept", "")
    if wants_page and request.method in ("GET", "HEAD"):
        return _page(request, "tablet/claim.html", "js/run/claim.js")
    return run_claim(request, claim)


@login_not_required
@never_cache
@require_safe
def session(request: HttpRequest) -> HttpResponse:
    """Say who is signed in, where they may follow runbooks, which runs they were sent to do, and
    the token that forms need."""
    user = request.user
    if not user.is_authenticated:
        return JsonResponse({"user": None, "csrf": "", "sites": [], "runs": []})
    sites = sites_where(user, Action.RUN).order_by("name").values("slug", "name")
    sent = open_runs(runs_where(user, Action.RUN)).filter(assigned_to=account_of(user))
    return JsonResponse(
        {
            "user": {"id": user.pk, "name": name_of(account_of(user))},
            "csrf": get_token(request),
            "sites": list(sites),
            "runs": list(sent.order_by("-pk").values_list("pk", flat=True)[:MOST_RUNS]),
        }
    )


@login_not_required
@require_safe
def worker(request: HttpRequest) -> HttpResponse:
    """Give the service worker, plain or as a module; it is asked for anew at every start."""
    text = SHELL.worker(is_module="module" in request.GET)
    response = HttpResponse(text, content_type="text/javascript; charset=utf-8")
    response["Cache-Control"] = "no-cache"
    response["Service-Worker-Allowed"] = "/"
    return response


@login_not_required
@require_safe
def manifest(request: HttpRequest) -> HttpResponse:
    """Describe the app to whoever puts it on a home screen."""
    icons = [
        {
            "src": static(f"icons/tablet-{size}.png"),
            "sizes": f"{size}x{size}",
            "type": "image/png",
            "purpose": "any maskable",
        }
        for size in (192, 512)
    ]
    facts = {
        "name": "Hearthwatch runs",
        "short_name": "Runs",
        "description": "Follow a runbook at the site, with or without network.",
        "id": reverse("tablet:home"),
        "start_url": reverse("tablet:home"),
        "scope": "/",
        "display": "standalone",
        "background_color": "#e9eaec",
        "theme_color": "#1b1f24",
        "icons": icons,
    }
    response = JsonResponse(facts, content_type="application/manifest+json")
    response["Cache-Control"] = "no-cache"
    return response


def _page(request: HttpRequest, template: str, script: str) -> HttpResponse:
    response = render(request, template, {"modules": SHELL.first_modules(script)})
    # A worker takes only a page of its own version; the page itself is the same for everybody.
    response["X-Shell"] = SHELL.version
    response["Cache-Control"] = "no-cache"
    return response
