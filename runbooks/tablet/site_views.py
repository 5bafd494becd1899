"""The JSON doors with which a tablet is made ready for a site."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.gzip import gzip_page

from fleet.access import Action, sites_where
from fleet.models import Site
from runbooks.runs import batch
from runbooks.runs.begun import read_begun, take_in_begun
from runbooks.runs.errors import RunError
from runbooks.runs.tablets import note_readiness, read_readiness, site_pack_of
from runbooks.runs.tokens import issue_token
from runbooks.tablet.door import body_of, session_door, user_of

_MOST_BYTES = 4096


@session_door("GET", "HEAD")
@gzip_page
def site_pack(request: HttpRequest, slug: str) -> HttpResponse:
    """Tell what a tablet has to hold to work at the site without network.

    Squeezed: a library of a hundred runbooks is 1.5 MB, and 65 kB on a thin line.
    """
    user = user_of(request)
    language = request.GET.get("language", "")[:35]
    site = _site(request, slug)
    return JsonResponse(site_pack_of(site=site, user=user, now=timezone.now(), language=language))


@session_door("POST")
def site_begun(request: HttpRequest, slug: str) -> HttpResponse:
    """Take in a run that a tablet began without network, and give the tablet a key to it.

    Told twice it is still one run.
    """
    user, now = user_of(request), timezone.now()
    too_large = RunError("body_too_large", "Say which run was begun and nothing else.")
    body = body_of(request, most=_MOST_BYTES, refuse=too_large)
    begun = read_begun(batch.read_json(body))
    run = take_in_begun(site=_site(request, slug), begun=begun, by=user, now=now)
    # The desk may have ended it before the tablet heard its number: what was entered comes late.
    issued = issue_token(run=run, user=user, device_id=begun.device_id, now=now, is_end_fine=True)
    key = {"token": issued.text, "expires_at": issued.token.expires_at.isoformat()}
    return JsonResponse({"run": run.pk, **key}, status=201)


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
