"""The doors of the inhibition rules: which alert explains which others."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from fleet.access import Action, account_of, may_everywhere
from fleet.noc.live_pages import live_page
from fleet.noc.oncall_rights import require_view
from runbooks.models import InhibitionRule
from runbooks.suppression.errors import SuppressionError
from runbooks.suppression.matchers import parse_matchers, read_matchers
from runbooks.suppression.rules import remove_rule, set_rule, switch_rule
from runbooks.suppression.selectors import inhibition_rules

_NOT_ALLOWED = "Rules hold back alerts of every site; ask an engineer with rights everywhere."


@live_page
def rules(request: HttpRequest) -> HttpResponse:
    """The page; a POST makes a rule or replaces the one of the same name."""
    require_view(request.user)
    if request.method != "POST":
        return _show(request)
    if not may_everywhere(request.user, Action.CHANGE):
        return _show(request, fault=_NOT_ALLOWED, status=403)
    said = request.POST
    try:
        set_rule(
            name=said.get("name", ""),
            source_matchers=parse_matchers(said.get("source", "")),
            target_matchers=parse_matchers(said.get("target", "")),
            equal=said.get("equal", "").replace(",", " ").split(),
            by=account_of(request.user),
            now=timezone.now(),
        )
    except SuppressionError as fault:
        return _show(request, fault=fault.sentence, status=422)
    messages.success(request, "The rule holds from the next cycle on, in seconds.")
    return redirect("noc:rules")


@live_page
@require_POST
def rule_change(request: HttpRequest, rule_id: int) -> HttpResponse:
    """Switch a rule on or off, or remove it."""
    if not may_everywhere(request.user, Action.CHANGE):
        return _show(request, fault=_NOT_ALLOWED, status=403)
    rule: InhibitionRule | None = inhibition_rules().filter(pk=rule_id).first()
    if rule is None:
        raise Http404("There is no such rule.")
    by, now = account_of(request.user), timezone.now()
    if request.POST.get("act") == "remove":
        remove_rule(rule=rule, by=by, now=now)
    else:
        switch_rule(rule=rule, is_enabled=not rule.is_enabled, by=by, now=now)
    return redirect("noc:rules")


def _show(request: HttpRequest, *, fault: str = "", status: int = 200) -> HttpResponse:
    rows = [
        {
            "rule": rule,
            "sources": [str(matcher) for matcher in read_matchers(rule.source_matchers)],
            "targets": [str(matcher) for matcher in read_matchers(rule.target_matchers)],
        }
        for rule in inhibition_rules()
    ]
    context = {
        "rows": rows,
        "typed": request.POST,
        "fault": fault,
        "may_change": may_everywhere(request.user, Action.CHANGE),
        "now": timezone.now(),
    }
    return render(request, "noc/rules.html", context, status=status)
