"""What the doors of runs share: who asks, how much they may say, and how a refusal is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from fleet.access import Action
from runbooks.library.document import RunbookError
from runbooks.models import Run, RunToken
from runbooks.runs.errors import RunError
from runbooks.runs.selectors import run_by_token, run_for
from runbooks.runs.tokens import find_token, refuse_unfit

#: Every other code answers 409: the run does not stand as the sender thought.
_STATUSES = {
    "bad_json": 400,
    "bad_batch": 400,
    "bad_count": 400,
    "bad_device": 400,
    "bad_moment": 400,
    "bad_since": 400,
    "bad_readiness": 400,
    "bad_answer": 400,
    "bad_begun": 400,
    "token_missing": 401,
    "token_unknown": 401,
    "token_revoked": 401,
    "token_expired": 401,
    "entry_of_another_run": 401,
    "claim_unknown": 404,
    "no_such_run": 404,
    "no_such_site": 404,
    "no_such_photo": 404,
    "method_not_allowed": 405,
    "body_too_large": 413,
    "too_many_entries": 413,
    "photo_too_large": 413,
    "photo_type": 415,
    "photo_damaged": 422,
    "reason_missing": 422,
    "photos_too_fast": 429,
}

Door = Callable[..., HttpResponse]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks about a run: a device with its key, or somebody who is logged in."""

    run: Run
    token: RunToken | None = None
    #: The key's text, under which its device signs.
    secret: str = ""
    user: User | None = None


def door(*methods: str) -> Callable[[Door], Door]:
    """Make a JSON door for these methods; what is refused is told as code and sentence.

    A door checks by itself who asks. Those that a session opens are made with `session_door`.
    """

    def decorate(view: Door) -> Door:
        return csrf_exempt(login_not_required(never_cache(_answering(view, methods))))

    return decorate


def session_door(*methods: str) -> Callable[[Door], Door]:
    """Make a JSON door for people who are logged in; a form's token guards what it changes."""

    def decorate(view: Door) -> Door:
        return login_not_required(never_cache(_answering(view, methods)))

    return decorate


def _answering(view: Door, methods: tuple[str, ...]) -> Door:
    @wraps(view)
    def answering(request: HttpRequest, *args: Any, **captured: Any) -> HttpResponse:
        if request.method not in methods:
            sentence = f"This address takes {' or '.join(methods)}."
            answer = refusal(RunError("method_not_allowed", sentence))
            answer["Allow"] = ", ".join(methods)
            return answer
        try:
            return view(request, *args, **captured)
        except RunError as exc:
            return refusal(exc)
        except RunbookError as exc:
            return refusal(RunError("edition_unreadable", str(exc)))
        except Http404:
            return refusal(no_such_run())

    return answering


def refusal(exc: RunError) -> HttpResponse:
    """Answer with a code for machines and a sentence for people."""
    body = {"code": exc.code, "message": exc.sentence}
    answer = JsonResponse(body, status=_STATUSES.get(exc.code, 409))
    if answer.status_code == 401:
        answer["WWW-Authenticate"] = 'Bearer realm="Hearthwatch run"'
    return answer


def no_such_run() -> RunError:
    """The run does not exist, or is hidden."""
    return RunError("no_such_run", "There is no such run, or you may not work on it.")


def caller_of(request: HttpRequest, run_id: int, *, must_be_valid: bool = True) -> Caller:
    """Return who asks, by the key that came along or else by the session. Raises RunError."""
    secret = bearer_of(request)
    if not secret:
        user = user_of(request)
        return Caller(run=run_for(user, run_id, Action.RUN), user=user)
    token = find_token(text=secret)
    if token is None:
        raise RunError(
            "token_unknown",
            "This key is unknown; ask the lead of the run for a new one. Nothing was stored, "
            "everything is still on this device.",
        )
    run = run_by_token(run_id)
    if run is None:
        raise no_such_run()
    if must_be_valid:
        refuse_unfit(token, run=run, now=timezone.now())
    return Caller(run=run, token=token, secret=secret, user=token.user)


def user_of(request: HttpRequest) -> User:
    """Return who is logged in; raises RunError for nobody."""
    if not isinstance(request.user, User):
        raise RunError(
            "token_missing", "Log in, or send the run's key as `Authorization: Bearer hwr_...`."
        )
    return request.user


def bearer_of(request: HttpRequest) -> str:
    """Return the key of the `Authorization` header, empty without one."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def body_of(request: HttpRequest, *, most: int, refuse: RunError) -> bytes:
    """Return the whole body; raises `refuse` where it is longer than `most` bytes."""
    body = bytes(request.read(most + 1))
    if len(body) > most:
        raise refuse
    return body
