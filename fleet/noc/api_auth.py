"""Who a program is: its token, and the user it acts for. Everything under `/api` starts here."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from functools import wraps

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from fleet.services.api_tokens import Scope, find_api_token

#: A storm of 10,000 alerts is 3 MB; what is longer is no list of alerts.
MOST_BYTES = 16 * 2**20

#: A view that is given the request, the token, and what stands in the address.
_TokenView = Callable[..., HttpResponse]
_View = Callable[..., HttpResponse]


class BodyTooLong(Exception):
    """A request carries more than `MOST_BYTES`."""

    code = "body_too_long"

    def __init__(self) -> None:
        super().__init__(
            f"The body is longer than {MOST_BYTES // 2**20} MiB. Send fewer alerts at a time."
        )


def api_view(scopes: Mapping[str, Scope]) -> Callable[[_TokenView], _View]:
    """Let a view answer the methods of `scopes`, for tokens that have the method's scope.

    The view is given the request and the token. A session opens nothing here, so there is no
    form to be forged.
    """

    def decorate(view: _TokenView) -> _View:
        @csrf_exempt
        @login_not_required
        @never_cache
        @wraps(view)
        def guarded(request: HttpRequest, **captured: str) -> HttpResponse:
            method = "GET" if request.method == "HEAD" else request.method or ""
            if method not in scopes:
                said = f"{method} is not possible here. Use {' or '.join(sorted(scopes))}."
                return refusal(405, "method_not_allowed", said, Allow=", ".join(sorted(scopes)))
            token = find_api_token(text=_token_text(request), now=timezone.now())
            if token is None:
                return _not_signed_in()
            if scopes[method] not in token.scopes:
                return refusal(
                    403,
                    "scope_missing",
                    f"The token {token} lacks the scope {scopes[method].value}. "
                    "Make one that has it: manage.py create_api_token.",
                )
            try:
                return view(request, token, **captured)
            except BodyTooLong as exc:
                return refusal(413, exc.code, str(exc))

        return guarded

    return decorate


def refusal(status: int, code: str, message: str, **headers: str) -> HttpResponse:
    """Answer with an error: a code for machines and a sentence for people."""
    body = {"code": code, "message": message}
    return JsonResponse(body, status=status, headers=headers)


def body_of(request: HttpRequest) -> bytes:
    """Return the whole body; raises `BodyTooLong`."""
    # Not `request.body`: its limit is one for forms, lower than a batch of alerts is long.
    body = request.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise BodyTooLong
    return bytes(body)


def _token_text(request: HttpRequest) -> str:
    """Return the token of `Authorization`: as Bearer, or as the password of Basic."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return value
    if scheme.lower() != "basic":
        return ""
    try:
        _, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeError, ValueError):
        return ""
    return password


def _not_signed_in() -> HttpResponse:
    answer = refusal(
        401,
        "token_missing",
        "No valid token came with this request. Send one as `Authorization: Bearer hwa_...`, or "
        "as the password of Basic authentication; make one with manage.py create_api_token.",
    )
    answer["WWW-Authenticate"] = 'Basic realm="Hearthwatch", charset="UTF-8"'
    return answer
