"""The door of sending a run to somebody: a person, or whoever scans the code."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from fleet.access import account_of
from fleet.noc.live_pages import live_page
from fleet.noc.run_act_views import person_of, require_run
from fleet.noc.run_dispatch_board import dispatch_board, dispatch_words, qr_code
from fleet.noc.whole_numbers import read_whole
from runbooks.models import Run
from runbooks.runs.errors import RunError
from runbooks.runs.selectors import run_for
from runbooks.runs.services import dispatch_run
from runbooks.runs.tokens import IssuedToken, make_claim, revoke_token


@live_page
@require_http_methods(["GET", "POST"])
def run_dispatch(request: HttpRequest, run_id: int) -> HttpResponse:
    """Whom the run goes to; a POST sends it, makes a code that is shown once, or takes one back."""
    run = run_for(request.user, run_id)
    require_run(request, run.site)
    if request.method == "GET":
        return _show(request, run)
    act = request.POST.get("act", "")
    try:
        if act == "code":
            return _show(request, run, claim=make_claim(run=run, now=timezone.now()))
        messages.success(request, _act(request, run, act))
    except RunError as refusal:
        return _show(request, run_for(request.user, run_id), refusal=refusal)
    return redirect("noc:run-dispatch", run_id)


def _act(request: HttpRequest, run: Run, act: str) -> str:
    """Do what a button asks and return what came of it, as a sentence."""
    now = timezone.now()
    if act == "revoke":
        number = read_whole(request.POST.get("token", ""), digits=18) or 0
        token = run.tokens.filter(pk=number).first()
        if token is None:
            raise Http404("The run has no such code.")
        revoke_token(token=token, now=now)
        return f"{token.prefix}… is taken back. What its device still sends is kept aside."
    if act != "send":
        raise Http404("There is no such act.")
    to = person_of(request.POST.get("to", ""), run.site)
    if run.assigned_to_id != to.pk:
        dispatch_run(run=run, to=to, by=account_of(request.user), now=now)
    return f"{dispatch_words(run)} They find it under Runs, or by its code."


def _show(
    request: HttpRequest,
    run: Run,
    *,
    claim: IssuedToken | None = None,
    refusal: RunError | None = None,
) -> HttpResponse:
    now = timezone.now()
    context: dict[str, Any] = {
        "run": run,
        "board": dispatch_board(run=run, now=now),
        "is_open": run.state not in Run.ENDED,
        "now": now,
    }
    status = 200
    if claim is not None:
        link = settings.HEARTHWATCH_BASE_URL.rstrip("/") + reverse("run-claim", args=[claim.text])
        context |= {"claim": claim.token, "link": link, "code": qr_code(link)}
    if refusal is not None:
        field = "to" if refusal.code in ("nobody_chosen", "cannot_run") else ""
        context |= {"fault": refusal.sentence, "field": field}
        status = 422 if field else 409
    return render(request, "noc/run_dispatch.html", context, status=status)
