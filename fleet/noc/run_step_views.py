"""The door of a step that somebody at the desk enters beside the alert's chart."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from fleet.access import account_of
from fleet.noc.alert_views import show_alert
from fleet.noc.live_pages import live_page
from fleet.noc.number_input import read_number
from fleet.noc.run_act_views import require_run
from fleet.noc.whole_numbers import read_whole
from runbooks.alerts.selectors import alert_for
from runbooks.library.document import RunbookError, RunbookStep
from runbooks.library.run_log import run_progress
from runbooks.library.selectors import document_of
from runbooks.models import Run, RunEntry
from runbooks.runs import services
from runbooks.runs.errors import RunError
from runbooks.runs.selectors import run_for

Kind = RunEntry.Kind
Input = dict[str, Any]
#: What a form asks for that is no word about how a step went.
_ASKED: Final[Mapping[str, RunEntry.Kind]] = {
    "ask-approval": Kind.APPROVAL_ASKED,
    "verify": Kind.VERIFY_ASKED,
}
#: What the person whose form it was has to mend; all else tells of a stale screen.
_MENDABLE: Final = frozenset(
    {"reason_missing", "text_refused", "number_missing", "number_unclear", "choice_unknown"}
)


@live_page
@require_POST
def alert_run_step(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Enter the current step of the run that the alert's page shows."""
    alert = alert_for(request.user, alert_id)
    require_run(request, alert.site)
    run = run_for(request.user, read_whole(request.POST.get("run", ""), digits=18) or 0)
    try:
        _enter(run, request, timezone.now())
    except RunError as refusal:
        status = 422 if refusal.code in _MENDABLE else 409
        again = alert_for(request.user, alert_id)
        return show_alert(request, again, step_refusal=refusal.sentence, status=status)
    except RunbookError as unreadable:
        return show_alert(request, alert, step_refusal=str(unreadable), status=409)
    if request.htmx:  # type: ignore[attr-defined]  # set by the middleware
        return show_alert(request, alert_for(request.user, alert_id))
    return redirect("noc:alert", alert_id)


def _enter(run: Run, request: HttpRequest, now: datetime) -> None:
    document = document_of(run.runbook_version)
    step_id = request.POST.get("step", "")
    current = run_progress(run, now=now, document=document).current
    step = next((one for one in document.steps if one.id == step_id), None)
    if step is None or step_id != current:
        raise RunError(
            "step_settled",
            "That step was entered meanwhile. The page shows now where the run is.",
        )
    kind, said = _said(step, request.POST, now)
    by = account_of(request.user)
    services.enter(run=run, kind=kind, by=by, now=now, step_id=step.id, said=said)


def _said(step: RunbookStep, form: QueryDict, now: datetime) -> tuple[RunEntry.Kind, Input]:
    """Return what a form says of a step, as its log keeps it."""
    answer = form.get("answer", "")
    if answer in _ASKED:
        return _ASKED[answer], _without(form)
    if answer == "cannot":
        return Kind.STEP_CANNOT, {"reason": form.get("reason", "").strip()}
    if answer == "timer":
        until = now + timedelta(seconds=step.wait_seconds or 0)
        return Kind.TIMER_STARTED, {"until": until.isoformat()} | _without(form)
    return Kind.STEP_DONE, _done(step, form) | _without(form)


def _without(form: QueryDict) -> Input:
    """Why it is done without the answers that it waits for."""
    reason = form.get("without", "").strip()
    return {"reason": reason} if reason else {}


def _done(step: RunbookStep, form: QueryDict) -> Input:
    match step.kind:
        case "reading" | "verify":
            return {"value": read_number(form.get("value", "")), "unit": step.unit}
        case "check":
            return {"is_as_expected": form.get("answer") == "expected"}
        case "choice" | "branch":
            return {"choice": form.get("choice", "")}
        case "escalate":
            return {"said_to": form.get("said_to", "").strip()}
        case "scan":
            return {"code": form.get("code", "").strip()}
        case _:
            return {}
