"""The door of browsers that are paged: where they subscribe."""

from __future__ import annotations

import json
import re
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from fleet.access import account_of
from fleet.noc.oncall_rights import owner_for, require_own
from fleet.noc.whole_numbers import read_whole
from runbooks.paging.browsers import subscribe_browser
from runbooks.paging.contacts import ContactError

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
        return JsonResponse({"code": refusal.code, "message": refusal.sentence}, status=422)
    messages.success(
        request, f"{contact.label} is subscribed. It counts once a test page got through: send one."
    )
    return JsonResponse({"contact": contact.pk})


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
