"""The doors of the policies' pages: look, ask who is paged when, publish an edition."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_http_methods

from fleet.access import account_of
from fleet.noc.live_pages import live_page
from fleet.noc.oncall_rights import may_change_plans, require_change, require_view
from fleet.noc.policy_board import (
    PolicyBoard,
    editor_for,
    policy_board,
    policy_rows,
    question_about,
    try_out,
)
from fleet.noc.policy_form import PolicyForm, edition_of, read_form
from fleet.noc.span_form import FormFault
from runbooks.escalation.plan import PlanError
from runbooks.escalation.policies import publish_policy
from runbooks.escalation.steps import SEVERITIES
from runbooks.models import EscalationPolicy

_LONGEST_NAME, _LONGEST_SLUG = 120, 60


@live_page
@require_GET
def policies(request: HttpRequest) -> HttpResponse:
    """Every policy with its steps in words."""
    require_view(request.user)
    context = {
        "rows": policy_rows(request.user),
        "may_change": may_change_plans(request.user),
        "now": timezone.now(),
    }
    return render(request, "noc/policies.html", context)


@live_page
@require_http_methods(["GET", "POST"])
def policy_new(request: HttpRequest) -> HttpResponse:
    """The form of a policy that is not there yet; a POST publishes it."""
    require_change(request.user)
    if request.method == "GET":
        return _show_editor(request, None, None)
    form = read_form(request.POST)
    form = replace(form, slug=slugify(form.name)[:_LONGEST_SLUG])
    # The address of this very form.
    is_known = form.slug == "new" or EscalationPolicy.objects.filter(slug=form.slug).exists()
    fault = "There is a policy of that name already; open it to publish a new edition."
    return _publish(request, None, form, fault=fault if is_known else "")


@live_page
@require_GET
def policy(request: HttpRequest, slug: str) -> HttpResponse:
    """One policy: its steps in words, its editions, who is paged when."""
    require_view(request.user)
    now = timezone.now()
    board = policy_board(user=request.user, policy=_policy(slug))
    context: dict[str, object] = {"board": board, "now": now, "severities": SEVERITIES}
    context |= _preview(request, board, now)
    is_part = request.htmx  # type: ignore[attr-defined]  # set by the middleware
    template = "noc/policy_preview.html" if is_part else "noc/policy.html"
    return render(request, template, context)


@live_page
@require_http_methods(["GET", "POST"])
def policy_edit(request: HttpRequest, slug: str) -> HttpResponse:
    """The form of the policy's next edition; a POST publishes it."""
    require_change(request.user)
    board = policy_board(user=request.user, policy=_policy(slug))
    if request.method == "GET":
        return _show_editor(request, board, None)
    return _publish(request, board, read_form(request.POST, slug=slug))


def _publish(
    request: HttpRequest, board: PolicyBoard | None, form: PolicyForm, *, fault: str = ""
) -> HttpResponse:
    if request.POST.get("act") == "add":
        return _show_editor(request, board, form.with_another_step())
    if not form.slug or not 0 < len(form.name) <= _LONGEST_NAME:
        fault = "Give the policy a name of 1 to 120 characters, with letters in it."
    if fault:
        return _show_editor(request, board, form, fault=fault, status=422)
    try:
        version = publish_policy(
            slug=form.slug,
            name=form.name,
            by=account_of(request.user),
            now=timezone.now(),
            **edition_of(form),
        )
    except (FormFault, PlanError) as refusal:
        sentence = refusal.sentence
        return _show_editor(request, board, form, fault=sentence, code=refusal.code, status=422)
    if board and board.current and board.current.version.pk == version.pk:
        messages.success(request, f"Edition {version.number} says the same; nothing was changed.")
    else:
        messages.success(
            request,
            f"Edition {version.number} is published. New alerts follow it; those that run keep "
            "the one they began with.",
        )
    return redirect("noc:policy", slug=form.slug)


def _policy(slug: str) -> EscalationPolicy:
    found = EscalationPolicy.objects.filter(slug=slug).first()
    if found is None:
        raise Http404("There is no such policy.")
    return found


def _preview(request: HttpRequest, board: PolicyBoard, now: datetime) -> dict[str, object]:
    asked = request.GET
    question = question_about(
        board,
        site_slug=asked.get("site", ""),
        severity=asked.get("severity", ""),
        at=asked.get("at", ""),
        now=now,
    )
    if question is None:
        return {"question": None}
    version = board.current.version if board.current else None
    return {"question": question, **try_out(version, question)}


def _show_editor(
    request: HttpRequest,
    board: PolicyBoard | None,
    form: PolicyForm | None,
    *,
    fault: str = "",
    code: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "board": board,
        "editor": editor_for(board, form),
        "fault": fault,
        "code": code,
        "now": timezone.now(),
    }
    return render(request, "noc/policy_edit.html", context, status=status)
