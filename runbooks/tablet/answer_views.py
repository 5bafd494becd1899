"""The door at which somebody who is logged in answers an approval on a tablet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from runbooks.models import RunEntry
from runbooks.runs import batch
from runbooks.runs.approvals import refusal_of
from runbooks.runs.errors import RunError
from runbooks.runs.selectors import run_for
from runbooks.runs.services import enter
from runbooks.tablet.door import body_of, session_door, user_of

_MOST_BYTES = 8192
_KINDS = {"approved": RunEntry.Kind.APPROVED, "refused": RunEntry.Kind.REFUSED}


@session_door("GET", "HEAD", "POST")
def run_answer(request: HttpRequest, run_id: int) -> HttpResponse:
    """Tell whether the person may answer the step's approval; a POST answers it.

    Whoever may see the run is heard: the owner of a site approves without working there. The
    person is the one who is logged in, never the one whose key the tablet has.
    """
    user = user_of(request)
    run = run_for(user, run_id)
    now = timezone.now()
    if request.method != "POST":
        step_id = request.GET.get("step", "")
        refusal = refusal_of(run=run, step_id=step_id, by=user, now=now)
        message = refusal.sentence if refusal else ""
        return JsonResponse({"may": refusal is None, "message": message})
    said = batch.read_json(_body(request))
    entry = enter(
        run=run,
        kind=_kind_of(said),
        by=user,
        now=now,
        step_id=_text(said, "step"),
        said={"reason": reason} if (reason := _text(said, "reason").strip()) else {},
        channel=RunEntry.Channel.TABLET,
    )
    return JsonResponse({"id": entry.pk}, status=201)


def _kind_of(said: Mapping[str, Any]) -> RunEntry.Kind:
    kind = _KINDS.get(_text(said, "answer"))
    if kind is None:
        raise RunError("bad_answer", "'answer' is approved or refused.")
    return kind


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name, "")
    if not isinstance(value, str):
        raise RunError("bad_answer", f"{name!r} is a text.")
    return value


def _body(request: HttpRequest) -> bytes:
    too_large = RunError("body_too_large", "Say the step, the answer and a reason, nothing else.")
    return body_of(request, most=_MOST_BYTES, refuse=too_large)
