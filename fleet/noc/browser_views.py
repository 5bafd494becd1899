"""The doors of browsers that are paged: where they subscribe, and what they say by themselves."""

from __future__ import annotations

import json
import re
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from fleet.access import account_of
from fleet.noc.oncall_rights import owner_for, require_own
from fleet.noc.whole_numbers import read_whole
from fleet.secret_paths import secret_path
from runbooks.paging.browsers import SubscriptionUnknown, renew_subscription, subscribe_browser
from runbooks.paging.contacts import ContactError
from runbooks.paging.links import Act, LinkError, page_of
from runbooks.paging.receipts import confirm_shown
from runbooks.paging.trials import confirm_test

#: A subscription is some 500 bytes.
LARGEST_BODY = 5_000
#: PostgreSQL keeps no NUL, and half a surrogate pair is no character.
_UNKEEPABLE = re.compile(r"\\u0000|[\ud800-\udfff]")


@never_cache
@require_POST
def contact_browser(request: HttpRequest, owner_id: int) -> JsonResponse:
    """Make the browser that asks a contact of its user, or keep its new subscription."""
    owner = owner_for(request.user, owner_id)
    require_own(request.user, owner)
    try:
        said = _body_of(request)
        contact = subscribe_browser(
            owner=owner,
            subscription=said.get("subscription"),
            label=str(said.get("label", "")),
            known_as=read_whole(str(said.get("contact", "")), digits=9),
            by=account_of(request.user),
            now=timezone.now(),
        )
    except ContactError as refusal:
        return _refusal(refusal, 422)
    messages.success(
        request, f"{contact.label} is subscribed. It counts once a test page got through: send one."
    )
    return JsonResponse({"contact": contact.pk})


# A service worker has no form's token and may have no login: the signed address is the proof.
@csrf_exempt
@login_not_required
@never_cache
@secret_path("/p/-/shown/")
@require_POST
def shown(request: HttpRequest, token: str) -> JsonResponse:
    """Keep that a browser showed the page that the address came in; asked twice, it counts once."""
    now = timezone.now()
    try:
        recorded = confirm_test(token=token, now=now)
        if recorded is None:
            recorded = confirm_shown(page=page_of(token, now=now, act=Act.SHOWN), now=now)
    except LinkError as refusal:
        return _refusal(refusal, 410 if refusal.code == "link_expired" else 404)
    return JsonResponse({"recorded": recorded})


@csrf_exempt
@login_not_required
@never_cache
@require_POST
def renew(request: HttpRequest) -> JsonResponse:
    """Keep the subscription that took the place of another, signed by the keys of that one."""
    try:
        said = _body_of(request)
        passed = renew_subscription(
            endpoint=str(said.get("endpoint", "")),
            subscription=said.get("subscription"),
            signed=request.body,
            signature=request.headers.get("push-signature", ""),
            now=timezone.now(),
        )
    except SubscriptionUnknown as refusal:
        return _refusal(refusal, 404)
    except ContactError as refusal:
        return _refusal(refusal, 422)
    return JsonResponse({"counts": passed})


def _refusal(refusal: ContactError | LinkError | SubscriptionUnknown, status: int) -> JsonResponse:
    return JsonResponse({"code": refusal.code, "message": refusal.sentence}, status=status)


def _body_of(request: HttpRequest) -> dict[str, Any]:
    try:
        said = json.loads(request.body[: LARGEST_BODY + 1]) if request.body else None
        if _UNKEEPABLE.search(json.dumps(said, ensure_ascii=False)):
            said = None
    # A thousand opening brackets are too deep for the decoder; that is no fault of ours.
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or len(request.body) > LARGEST_BODY:
        raise ContactError(
            "body_unreadable", "The browser's subscription cannot be read. Reload, then try again."
        )
    return said
