"""What receivers of pages tell us: that somebody has the alert, and what became of the page.

Each request is signed as pages are, with the contact's own secret, and names the page and what it
asks in its body: a page of ours that is sent back to us asks nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from fleet.models import Contact
from runbooks.alerts.errors import AlertError
from runbooks.alerts.replies import acknowledge_by_api
from runbooks.models import Page
from runbooks.paging.facts import page_by_webhook_id
from runbooks.paging.receipts import record_receipt
from runbooks.paging.signature import SignatureError, verify
from runbooks.paging.transports.registry import endpoint_of

LARGEST_BODY = 20_000
_HIGHEST_SEQ = 2**63 - 1
_SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")


class ApiError(Exception):
    """A request that is refused: status, a code for machines, a sentence for people."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.sentence = sentence


Body = dict[str, Any]
Act = Callable[[Page, Body, datetime], Body]
View = Callable[[HttpRequest, str], JsonResponse]


def _signed_door(kind: str) -> Callable[[Act], View]:
    """Make a door for signed requests whose body says `kind`; refusals are JSON."""

    def decorate(act: Act) -> View:
        @csrf_exempt
        @login_not_required
        @never_cache
        @require_POST
        @wraps(act)
        def door(request: HttpRequest, webhook_id: str) -> JsonResponse:
            now = timezone.now()
            try:
                page, body = _read(request, webhook_id, kind, now)
                return JsonResponse(act(page, body, now))
            except ApiError as refusal:
                return _refusal(refusal.status, refusal.code, refusal.sentence)
            except AlertError as refusal:
                return _refusal(409, refusal.code, refusal.sentence)

        return door

    return decorate


@_signed_door("page.acknowledge")
def acknowledge(page: Page, body: Body, now: datetime) -> Body:
    """Take the page's alert for the owner it was sent to; asked twice, it happens once."""
    acknowledge_by_api(page=page, now=now)
    return {"acknowledged": True, "alert": page.alert_id, "by": page.owner.name}


@_signed_door("page.receipt")
def receipt(page: Page, body: Body, now: datetime) -> Body:
    """Keep what the receiver says became of the page: queued, delivered, read or failed."""
    word, seq = body.get("receipt"), body.get("seq")
    words = [known.value for known in Page.Receipt if known.value]
    if word not in words:
        raise ApiError(
            422, "receipt_unknown", f"'receipt' must be one of {', '.join(words)}; send it anew."
        )
    if not isinstance(seq, int) or isinstance(seq, bool) or not 1 <= seq <= _HIGHEST_SEQ:
        raise ApiError(
            422, "seq_invalid", "'seq' must be a whole number from 1 that rises with each receipt."
        )
    is_news = record_receipt(
        page=page,
        receipt=Page.Receipt(word),
        seq=seq,
        now=now,
        is_askable=body.get("ask") is True,
    )
    return {"recorded": is_news}


def _read(request: HttpRequest, webhook_id: str, kind: str, now: datetime) -> tuple[Page, Body]:
    page = page_by_webhook_id(webhook_id)
    if page is None:
        raise ApiError(404, "page_unknown", "There is no such page; use its `webhook-id`.")
    raw = _body_of(request)
    contact = page.contact
    if contact.kind != Contact.Kind.WEBHOOK:
        raise ApiError(
            403, "contact_not_signed", "Only the receiver of a signed webhook can answer here."
        )
    headers = {name: request.headers.get(name, "") for name in _SIGNED}
    try:
        verify(raw, headers, secrets=endpoint_of(contact, now).secrets, now=now)
    except SignatureError as refusal:
        raise ApiError(401, refusal.code, refusal.sentence) from None
    body = _decoded(raw)
    if body.get("type") != kind or body.get("page") != webhook_id:
        # A signature alone does not say what is asked: our own pages carry one too.
        raise ApiError(
            422,
            "request_unclear",
            f'The body must say "type": "{kind}" and "page": "{webhook_id}".',
        )
    return page, body


def _body_of(request: HttpRequest) -> bytes:
    length = request.headers.get("content-length") or "0"
    if not length.isascii() or not length.isdigit() or int(length) > LARGEST_BODY:
        raise ApiError(
            413, "body_too_large", f"The body may have {LARGEST_BODY:,} bytes; send less."
        )
    return request.body


def _decoded(raw: bytes) -> Body:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, Mapping):
        raise ApiError(422, "body_unreadable", "The body must be one JSON object; send it anew.")
    return dict(body)


def _refusal(status: int, code: str, sentence: str) -> JsonResponse:
    return JsonResponse({"code": code, "message": sentence}, status=status)
