"""The JSON doors with which a tablet is made ready for a site."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from fleet.access import Action, sites_where
from fleet.models import Site
from runbooks.runs import batch
from runbooks.runs.errors import RunError
from runbooks.runs.tablets import note_readiness, read_readiness, site_pack_of
from runbooks.tablet.door import body_of, session_door, user_of

_MOST_BYTES = 4096


@session_door("GET", "HEAD")
def site_pack(request: HttpRequest, slug: str) -> HttpResponse:
    """Tell what a tablet has to hold to work at the site without network."""
    user = user_of(request)
    return JsonResponse(site_pack_of(site=_site(request, slug), user=user))


@session_door("POST")
def site_tablets(request: HttpRequest, slug: str) -> HttpResponse:
    """Note how ready a tablet says it is."""
    user = user_of(request)
    too_large = RunError("body_too_large", "Say how ready the tablet is and nothing else.")
    body = body_of(request, most=_MOST_BYTES, refuse=too_large)
    said = read_readiness(batch.read_json(body))
    tablet = note_readiness(site=_site(request, slug), user=user, said=said, now=timezone.now())
    return JsonResponse({"device": tablet.device_id, "ready": tablet.ready_count})


def _site(request: HttpRequest, slug: str) -> Site:
    site = sites_where(request.user, Action.RUN).filter(slug=slug).first()
    if site is None:
        raise RunError("no_such_site", "There is no such site, or you may not work there.")
    return site
