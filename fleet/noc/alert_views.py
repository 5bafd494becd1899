"""The doors of the alert page: look, acknowledge, release, close, note."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from fleet.access import Action, may
from fleet.noc.alert_board import alert_board
from fleet.noc.live_pages import live_page
from fleet.noc.queue_board import queue_row
from fleet.noc.reader_language import languages_wanted
from fleet.noc.whole_numbers import read_whole
from runbooks.alerts import services
from runbooks.alerts.errors import (
    AlertError,
    BadHold,
    CloseReasonMissing,
    StepsUndone,
    TextRefused,
)
from runbooks.alerts.selectors import alert_for
from runbooks.models import Alert
from runbooks.runs.errors import RunError
from runbooks.suppression.errors import SuppressionError

_NOT_ALLOWED = (
    "You may look at this alert, not act on it. Ask an operator, or the owner of the site."
)
#: What a form may carry besides the action itself; kept in the field when it was refused.
_TYPED = ("reason", "text", "shelf_reason")


@live_page
@require_GET
def alert(request: HttpRequest, alert_id: int) -> HttpResponse:
    """The alert page, or its changing part where the page asks for it."""
    return show_alert(request, alert_for(request.user, alert_id))


@live_page
@require_POST
def alert_acknowledge(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Take the alert."""
    return act_on_alert(request, alert_id, services.acknowledge_alert)


@live_page
@require_POST
def alert_release(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Give the alert back: its escalation begins anew."""
    return act_on_alert(request, alert_id, services.release_alert)


@live_page
@require_POST
def alert_close(request: HttpRequest, alert_id: int) -> HttpResponse:
    """End the alert for good, with a reason."""
    return act_on_alert(
        request, alert_id, services.close_alert, reason=request.POST.get("reason", "")
    )


@live_page
@require_POST
def alert_comment(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Leave a note in the timeline."""
    return act_on_alert(
        request, alert_id, services.comment_on_alert, text=request.POST.get("text", "")
    )


def act_on_alert(
    request: HttpRequest,
    alert_id: int,
    service: Callable[..., object] | None,
    *,
    refusal: str = "",
    **said: Any,
) -> HttpResponse:
    """Do one thing to an alert, then show how it stands now, and why not where it was refused.

    `said` goes to the service; without a service `refusal` says why nothing is done.
    """
    now = timezone.now()
    subject = alert_for(request.user, alert_id)
    if not may(request.user, Action.RESPOND, subject.site):
        return show_alert(request, subject, fault=_NOT_ALLOWED, status=403)
    fault, status = refusal, 422 if refusal else 200
    if service is not None:
        fault, status = _attempt(service, request, subject, now, said)
    if not fault and not request.htmx:  # type: ignore[attr-defined]  # set by the middleware
        is_from_queue = request.POST.get("from") == "queue"
        return redirect("noc:alerts") if is_from_queue else redirect("noc:alert", alert_id)
    # Read again: somebody else may have been faster, and that is what the page must show.
    subject = alert_for(request.user, alert_id)
    field = "close" if service is services.close_alert and status == 422 else ""
    return show_alert(request, subject, fault=fault, field=field, status=status)


def _attempt(
    service: Callable[..., object],
    request: HttpRequest,
    subject: Alert,
    now: datetime,
    said: dict[str, Any],
) -> tuple[str, int]:
    """Return why the service refused, empty where it did not, and the status that says so."""
    action_id = request.POST.get("client_action_id") or None
    seen = read_whole(request.POST.get("seen_revision", ""), digits=9)
    if seen is not None:
        said = said | {"seen_revision": seen}
    try:
        service(alert=subject, by=request.user, now=now, client_action_id=action_id, **said)
    except SuppressionError as refusal:
        return refusal.sentence, 409 if refusal.code == "alert_moved" else 422
    except (BadHold, CloseReasonMissing, StepsUndone, TextRefused) as refusal:
        return refusal.sentence, 422
    except AlertError as refusal:
        return refusal.sentence, 409
    return "", 200


def show_alert(
    request: HttpRequest,
    subject: Alert,
    *,
    fault: str = "",
    field: str = "",
    status: int = 200,
    run_refusal: RunError | None = None,
    step_refusal: str = "",
) -> HttpResponse:
    """Show an alert as it stands, and why something was refused, of it or of its run.

    `field` says beside which form the refusal stands; empty for all of them.
    """
    now = timezone.now()
    is_fragment = bool(request.htmx)  # type: ignore[attr-defined]  # set by the middleware
    context: dict[str, Any] = {"now": now, "fault": fault, "action_id": uuid4().hex}
    context |= {"field": field, "step_fault": step_refusal}
    if run_refusal is not None:
        context |= {"run_fault": run_refusal.sentence}
        status = 422 if run_refusal.code == "nobody_chosen" else 409
    if is_fragment and request.POST.get("from") == "queue":
        context["row"] = queue_row(user=request.user, alert=subject, now=now)
        return render(request, "noc/_alert_row.html", context, status=status)
    board = alert_board(
        user=request.user,
        alert=subject,
        now=now,
        wanted=languages_wanted(request),
        with_runbook=not is_fragment,
    )
    context |= {"board": board, "alert": subject}
    context["typed"] = {key: request.POST.get(key, "") for key in _TYPED if fault}
    template = "noc/_alert.html" if is_fragment else "noc/alert.html"
    return render(request, template, context, status=status)
