"""The doors of the alert queue."""

from __future__ import annotations

from uuid import uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from fleet.access import account_of
from fleet.noc.live_pages import live_page
from fleet.noc.queue_board import Filters, queue_board, queue_row
from fleet.noc.whole_numbers import read_whole
from runbooks.alerts.bulk import BulkOutcome, acknowledge_alerts, close_alerts
from runbooks.alerts.errors import AlertError
from runbooks.alerts.selectors import alert_for

#: Refusals told one by one; the rest is counted.
_REFUSALS_TOLD = 3


@live_page
@require_GET
def alerts(request: HttpRequest) -> HttpResponse:
    """The queue: the whole page, or the list alone where the page asks for it."""
    return _show(request)


@live_page
@require_POST
def alerts_bulk(request: HttpRequest) -> HttpResponse:
    """Acknowledge or close the chosen alerts, then show the queue and what came of it."""
    read = (read_whole(text, digits=17) for text in request.POST.getlist("alert"))
    chosen = [number for number in read if number is not None]
    said, is_fault = _act_on(request, chosen)
    if request.htmx:  # type: ignore[attr-defined]  # set by the middleware
        return _show(request, said=said, is_fault=is_fault)
    (messages.warning if is_fault else messages.success)(request, said)
    return redirect(reverse("noc:alerts") + Filters.read(request.GET).query)


@live_page
@require_GET
def alert_row(request: HttpRequest, alert_id: int) -> HttpResponse:
    """One row of the queue."""
    now = timezone.now()
    row = queue_row(user=request.user, alert=alert_for(request.user, alert_id), now=now)
    context = {"row": row, "now": now, "action_id": uuid4().hex}
    return render(request, "noc/_alert_row.html", context)


def _act_on(request: HttpRequest, chosen: list[int]) -> tuple[str, bool]:
    """Do what the form asks; return what came of it, and whether something was refused."""
    if not chosen:
        return "Choose alerts first: tick the boxes at the beginning of their rows.", True
    now = timezone.now()
    action_id = request.POST.get("client_action_id") or None
    seen = _seen_revisions(request, chosen)
    try:
        if request.POST.get("act") == "close":
            reason = request.POST.get("reason", "")
            outcome = close_alerts(
                alert_ids=chosen,
                by=account_of(request.user),
                reason=reason,
                now=now,
                client_action_id=action_id,
                seen_revisions=seen,
            )
            return _words(outcome, "closed")
        outcome = acknowledge_alerts(
            alert_ids=chosen,
            by=account_of(request.user),
            now=now,
            client_action_id=action_id,
            seen_revisions=seen,
        )
        return _words(outcome, "acknowledged")
    except AlertError as refusal:
        return refusal.sentence, True


def _seen_revisions(request: HttpRequest, chosen: list[int]) -> dict[int, int]:
    """Return the revision that the form showed of each chosen alert, where it says one."""
    read = {pk: read_whole(request.POST.get(f"seen_{pk}", ""), digits=9) for pk in chosen}
    return {pk: revision for pk, revision in read.items() if revision is not None}


def _words(outcome: BulkOutcome, verb: str) -> tuple[str, bool]:
    noun = "alert" if outcome.done == 1 else "alerts"
    sentence = f"{outcome.done} {noun} {verb}."
    if not outcome.refused:
        return sentence, False
    told = " ".join(why for _, why in outcome.refused[:_REFUSALS_TOLD])
    more = len(outcome.refused) - _REFUSALS_TOLD
    rest = f" And {more} more were left as they are." if more > 0 else ""
    return f"{sentence} {told}{rest}", True


def _show(request: HttpRequest, *, said: str = "", is_fault: bool = False) -> HttpResponse:
    now = timezone.now()
    board = queue_board(user=request.user, filters=Filters.read(request.GET), now=now)
    template = "noc/_queue.html" if request.htmx else "noc/alerts.html"  # type: ignore[attr-defined]  # set by the middleware
    context = {"board": board, "now": now, "action_id": uuid4().hex}
    return render(request, template, context | {"said": said, "is_fault": is_fault})
