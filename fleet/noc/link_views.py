"""The page behind the link in a page: one alert, one big button, for whoever holds the phone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from fleet.secret_paths import secret_path
from runbooks.alerts.errors import AlertClosed, AlertError, holder_of, spell_moment
from runbooks.alerts.replies import acknowledge_by_link
from runbooks.models import Alert, Page
from runbooks.paging.links import LinkError, page_of

_TITLES = {
    "link_unknown": "No such link",
    "link_expired": "Too late for this link",
    "link_used": "This link was used already",
}
_STATUSES = {"link_unknown": 404, "link_expired": 410, "link_used": 409}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the alert stands for whoever holds the link, in words; `icon` is a mark's name."""

    code: str
    title: str
    sentence: str
    icon: str = ""
    can_take: bool = False


# Without the form's own token: the link is the proof, it is known to no other site, and a phone's
# mail program may keep no cookies.
@csrf_exempt
@login_not_required
@never_cache
@secret_path("/p/-/")
@require_http_methods(["GET", "HEAD", "POST"])
def link(request: HttpRequest, token: str) -> HttpResponse:
    """Show the alert of a page; a press acknowledges it, a mere visit never does."""
    now = timezone.now()
    try:
        page = page_of(token, now=now)
        if request.method != "POST":
            return _show(request, page, _standing_of(page))
        acknowledge_by_link(page=page, now=now)
    except LinkError as refusal:
        if refusal.code == "link_used" and refusal.page is not None:
            # The second press of a double click, most of all: it sees what the first one did.
            page = page_of(token, now=now)
            standing = _standing_of(page)
            status = 200 if standing.code == "yours" else 409
            return _show(request, page, standing, status=status)
        return _refuse(request, refusal)
    except AlertError:
        page = page_of(token, now=now)
        return _show(request, page, _standing_of(page), status=409)
    # Back to a plain visit, so that a reload asks nothing.
    answer = HttpResponseRedirect(reverse("noc:link", args=[token]))
    answer.status_code = 303
    return answer


def _standing_of(page: Page) -> Standing:
    alert = page.alert
    if alert.response == Alert.Response.CLOSED:
        return Standing("closed", "Closed", AlertClosed(alert).sentence, "done")
    if alert.response == Alert.Response.ACKNOWLEDGED:
        return _held(page)
    if page.link_used_at is not None:
        return Standing(
            "used",
            "It waits again",
            f"This link was used {spell_moment(page.link_used_at)} and works once. Since then the "
            "alert was given back: use the link in your newest page, or log in.",
        )
    if alert.condition == Alert.Condition.CLEARED:
        sentence = (
            "The trouble is over and nobody had taken it. Acknowledge that you have seen it, and "
            "the alert closes."
        )
        return Standing("cleared", "Over for now", sentence, can_take=True)
    return Standing(
        "waiting",
        "Nobody has it yet",
        f"Acknowledge as {page.owner.name} and paging stops. You then answer for it.",
        can_take=True,
    )


def _held(page: Page) -> Standing:
    alert = page.alert
    since = spell_moment(alert.acknowledged_at)
    is_own_account = bool(page.owner.user_id) and alert.acknowledged_by_id == page.owner.user_id
    if is_own_account or alert.acknowledged_owner_id == page.owner_id:
        sentence = (
            f"{page.owner.name} acknowledged it {since}. Paging has stopped. The alert stays open "
            "until the trouble is over."
        )
        return Standing("yours", "You have it", sentence, "check")
    holder = holder_of(alert) or "Somebody else"
    sentence = f"{holder} acknowledged it {since}. Nothing is left for you to do here."
    return Standing("taken", f"{holder} has it", sentence, "check")


def _show(
    request: HttpRequest, page: Page, standing: Standing, *, status: int = 200
) -> HttpResponse:
    context: dict[str, Any] = {
        "page": page,
        "alert": page.alert,
        "standing": standing,
        "others": page.bundled.count(),
        "now": timezone.now(),
    }
    return render(request, "noc/link.html", context, status=status)


def _refuse(request: HttpRequest, refusal: LinkError) -> HttpResponse:
    context = {
        "title": _TITLES[refusal.code],
        "sentence": refusal.sentence,
        "alert_id": refusal.page.alert_id if refusal.page else None,
    }
    return render(request, "noc/link_refused.html", context, status=_STATUSES[refusal.code])
