"""The rarer doors of the alert page: escalate, pass on, hand over, shelve."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from fleet.access import Action, users_who_may
from fleet.noc.alert_views import act_on_alert
from fleet.noc.live_pages import live_page
from fleet.noc.oncall_rights import owners_visible_to
from fleet.noc.whole_numbers import read_whole
from runbooks.alerts import services
from runbooks.alerts.selectors import alert_for
from runbooks.suppression.shelf import shelve_alert, unshelve_alert

_LONGEST_SHELF_HOURS = 168
_NOBODY = "Choose a person first; nothing was done."


@live_page
@require_POST
def alert_escalate(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Take the next step of the policy now, or the one that was chosen."""
    seen = read_whole(request.POST.get("seen_sequence", ""), digits=9)
    # No escalation is at -1, so what is no number escalates nothing.
    sequence = -1 if seen is None else seen
    # The first step is 1 to people; what is no number of a step reaches nobody.
    step = request.POST.get("step", "")
    to_step = (read_whole(step, digits=3) or 0) - 1 if step else None
    return act_on_alert(
        request,
        alert_id,
        services.escalate_alert,
        seen_sequence=sequence,
        to_step=to_step,
    )


@live_page
@require_POST
def alert_keep(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Take the alert for so long, or keep it for so long from now on."""
    minutes = read_whole(request.POST.get("minutes", ""), digits=6) or 0
    lasts = timedelta(minutes=minutes)
    return act_on_alert(request, alert_id, services.acknowledge_alert, lasts=lasts)


@live_page
@require_POST
def alert_pass_on(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Page one chosen person at once."""
    number = read_whole(request.POST.get("to", ""), digits=17)
    chosen = owners_visible_to(request.user).filter(pk=number).first() if number else None
    if chosen is None:
        return act_on_alert(request, alert_id, None, refusal=_NOBODY)
    return act_on_alert(request, alert_id, services.pass_on_alert, to=chosen)


@live_page
@require_POST
def alert_hand_over(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Give the alert to a colleague, who has it from now on."""
    subject = alert_for(request.user, alert_id)
    number = read_whole(request.POST.get("to", ""), digits=17)
    colleagues = users_who_may(Action.RESPOND, subject.site)
    chosen = colleagues.filter(pk=number).first() if number else None
    if chosen is None:
        return act_on_alert(request, alert_id, None, refusal=_NOBODY)
    return act_on_alert(request, alert_id, services.hand_over_alert, to=chosen)


@live_page
@require_POST
def alert_shelve(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Set the alert aside for some hours, with a reason."""
    hours = read_whole(request.POST.get("hours", ""), digits=17) or 0
    if not 0 < hours <= _LONGEST_SHELF_HOURS:
        refusal = f"Choose 1 to {_LONGEST_SHELF_HOURS} hours; nothing was done."
        return act_on_alert(request, alert_id, None, refusal=refusal)
    return act_on_alert(
        request,
        alert_id,
        shelve_alert,
        until=timezone.now() + timedelta(hours=hours),
        reason=request.POST.get("shelf_reason", ""),
    )


@live_page
@require_POST
def alert_unshelve(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Take the alert from the shelf: paging goes on where it stopped."""
    return act_on_alert(request, alert_id, unshelve_alert)
