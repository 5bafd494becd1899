"""The doors of the groups' pages: look, make, change, delete."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods, require_POST

from fleet.access import account_of
from fleet.models import Owner
from fleet.noc.group_board import GroupForm, group_board, groups_board
from fleet.noc.live_pages import live_page
from fleet.noc.oncall_rights import require_change, require_view
from fleet.noc.whole_numbers import read_whole
from runbooks.models import PagingGroup
from runbooks.oncall.errors import OnCallError
from runbooks.oncall.selectors import all_groups
from runbooks.oncall.services import change_group, create_group, delete_group

_LONGEST_SLUG = 60
#: Beside which field a refusal stands; those of others stand over the page.
_FIELDS = {"bad_name": "name", "group_exists": "name", "empty_group": "people"}
_STALE = frozenset({"group_changed", "group_gone"})


@live_page
@require_http_methods(["GET", "POST"])
def groups(request: HttpRequest) -> HttpResponse:
    """Every group; a POST makes one."""
    require_view(request.user)
    if request.method == "GET":
        return _show_all(request)
    require_change(request.user)
    form = _form(request)
    try:
        group = create_group(
            slug=slugify(form.name)[:_LONGEST_SLUG],
            name=form.name,
            owners=_owners(form.chosen),
            by=account_of(request.user),
            now=timezone.now(),
        )
    except OnCallError as refusal:
        return _show_all(request, form=form, refusal=refusal)
    messages.success(
        request, f"The group {group.name} is made. It is paged once a step of a policy names it."
    )
    return redirect("noc:group", slug=group.slug)


@live_page
@require_http_methods(["GET", "POST"])
def group(request: HttpRequest, slug: str) -> HttpResponse:
    """One group; a POST gives it another name and other people."""
    require_view(request.user)
    found = _group(slug)
    if request.method == "GET":
        return _show(request, found)
    require_change(request.user)
    form = _form(request)
    try:
        change_group(
            group=found,
            revision=read_whole(request.POST.get("revision", ""), digits=9) or 0,
            name=form.name,
            owners=_owners(form.chosen),
            by=account_of(request.user),
            now=timezone.now(),
        )
    except OnCallError as refusal:
        # What somebody else made of it is shown, not what was typed over it unseen.
        kept = None if refusal.code in _STALE else form
        return _show(request, _group(slug), form=kept, refusal=refusal)
    messages.success(request, "The group is changed. Whoever is paged next is looked up anew.")
    return redirect("noc:group", slug=slug)


@live_page
@require_POST
def group_delete(request: HttpRequest, slug: str) -> HttpResponse:
    """Take a group away that no policy names."""
    require_view(request.user)
    found = _group(slug)
    require_change(request.user)
    try:
        delete_group(group=found, by=account_of(request.user), now=timezone.now())
    except OnCallError as refusal:
        return _show(request, found, refusal=refusal)
    messages.success(request, f"The group {found.name} is deleted.")
    return redirect("noc:groups")


def _group(slug: str) -> PagingGroup:
    found = all_groups().filter(slug=slug).first()
    if found is None:
        raise Http404("There is no such group.")
    return found


def _form(request: HttpRequest) -> GroupForm:
    said = request.POST
    return GroupForm(name=said.get("name", "").strip(), chosen=set(said.getlist("owner")))


def _owners(chosen: Collection[str]) -> list[Owner]:
    numbers = [read_whole(text, digits=17) for text in chosen]
    return list(Owner.objects.filter(pk__in=[number for number in numbers if number is not None]))


def _show_all(
    request: HttpRequest, *, form: GroupForm | None = None, refusal: OnCallError | None = None
) -> HttpResponse:
    now = timezone.now()
    board = groups_board(user=request.user, form=form, now=now)
    context = {"board": board, "now": now, **_said(refusal)}
    return render(request, "noc/groups.html", context, status=_status(refusal))


def _show(
    request: HttpRequest,
    found: PagingGroup,
    *,
    form: GroupForm | None = None,
    refusal: OnCallError | None = None,
) -> HttpResponse:
    now = timezone.now()
    board = group_board(user=request.user, group=found, form=form, now=now)
    context = {"board": board, "now": now, **_said(refusal)}
    return render(request, "noc/group.html", context, status=_status(refusal))


def _said(refusal: OnCallError | None) -> dict[str, str]:
    if refusal is None:
        return {}
    return {"fault": refusal.sentence, "field": _FIELDS.get(refusal.code, "")}


def _status(refusal: OnCallError | None) -> int:
    if refusal is None:
        return 200
    return 409 if refusal.code in _STALE else 422
