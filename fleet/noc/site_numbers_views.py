"""The door of a site's emergency numbers: whom to call there when it burns."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from fleet.access import Action, account_of, may, site_for
from fleet.models import Site
from fleet.noc.live_pages import live_page
from fleet.services.phones import (
    LONGEST_LABEL,
    MOST_NUMBERS,
    EmergencyNumber,
    PhoneError,
    emergency_numbers_of,
    numbers_seen,
    set_emergency_numbers,
)

#: Empty lines of the form below those that are filled in.
_SPARE = 3


@live_page
@require_http_methods(["GET", "POST"])
def site_numbers(request: HttpRequest, slug: str) -> HttpResponse:
    """The numbers as a form; a POST keeps them."""
    site = site_for(request.user, slug)
    if not may(request.user, Action.CHANGE, site):
        raise PermissionDenied(
            f"Changing the emergency numbers of {site.name} takes the role of engineer or admin "
            "there."
        )
    if request.method == "GET":
        return _show(request, site, emergency_numbers_of(site=site))
    said = _said(request)
    try:
        set_emergency_numbers(
            site=site,
            numbers=said,
            seen=request.POST.get("seen", ""),
            by=account_of(request.user),
            now=timezone.now(),
        )
    except PhoneError as refusal:
        if refusal.code == "numbers_changed":
            return _show(request, site, emergency_numbers_of(site=site), fault=refusal)
        return _show(request, site, said, fault=refusal)
    messages.success(request, f"The emergency numbers of {site.name} are saved.")
    return redirect("noc:site", slug=slug)


def _said(request: HttpRequest) -> list[EmergencyNumber]:
    """Return the lines of the form in which anything stands."""
    labels, numbers = request.POST.getlist("label"), request.POST.getlist("number")
    lines = zip(labels, numbers, strict=False)
    return [EmergencyNumber(*line) for line in lines if any(part.strip() for part in line)]


def _show(
    request: HttpRequest,
    site: Site,
    lines: Sequence[EmergencyNumber],
    *,
    fault: PhoneError | None = None,
) -> HttpResponse:
    spare = min(_SPARE, max(MOST_NUMBERS - len(lines), 0))
    context = {
        "site": site,
        "lines": [*lines, *[EmergencyNumber("", "")] * spare],
        "seen": numbers_seen(site=site),
        "most": MOST_NUMBERS,
        "longest": LONGEST_LABEL,
        "fault": fault,
    }
    status = 200 if fault is None else 409 if fault.code == "numbers_changed" else 422
    return render(request, "noc/site_numbers.html", context, status=status)
