"""The doors at which drafts begin: empty, from an edition, from a file or a text of others."""

from __future__ import annotations

from datetime import datetime

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from fleet.access import account_of
from fleet.noc.runbook_rights import require_write
from fleet.noc.whole_numbers import read_whole
from runbooks.library.bundle import LARGEST_BUNDLE
from runbooks.library.document import RunbookError
from runbooks.library.drafts import LONGEST_REMARK, begin_draft, comment_on_draft
from runbooks.library.errors import LibraryError
from runbooks.library.exchange import Import, begin_import
from runbooks.library.restoring import restore_edition
from runbooks.library.selectors import version_for_page

_FRONT = ("owner", "review_by")


@require_POST
def draft_new(request: HttpRequest) -> HttpResponse:
    """Begin an empty draft, or one from the edition that is named; owner and review day may be."""
    require_write(request.user)
    by, now = account_of(request.user), timezone.now()
    slug = request.POST.get("slug", "")
    if not slug:
        begun = begin_draft(by=by, now=now)
        return redirect("noc:runbook-draft", draft_id=begun.pk)
    number = read_whole(request.POST.get("v", ""), digits=6)
    if number is None:
        raise Http404("There is no such edition.")
    base = version_for_page(slug, number)
    front = {key: said for key in _FRONT if (said := request.POST.get(key, "").strip())}
    try:
        begun = begin_draft(by=by, now=now, base=base, front=front)
    except RunbookError as error:
        messages.error(request, str(error))
        return redirect("noc:runbook", slug=slug)
    return redirect("noc:runbook-draft", draft_id=begun.pk)


@require_POST
def draft_restore(request: HttpRequest, slug: str) -> HttpResponse:
    """Begin a draft with the text of an older edition."""
    require_write(request.user)
    number = read_whole(request.POST.get("v", ""), digits=6)
    if number is None:
        raise Http404("There is no such edition.")
    version = version_for_page(slug, number)
    try:
        begun = restore_edition(version=version, by=account_of(request.user), now=timezone.now())
    except LibraryError as refusal:
        messages.error(request, refusal.sentence)
        return redirect("noc:runbook", slug=slug)
    messages.success(
        request, f"The text of v{number} is a draft now. A second person publishes it."
    )
    return redirect("noc:runbook-draft", draft_id=begun.pk)


@require_http_methods(["GET", "POST"])
def draft_import(request: HttpRequest) -> HttpResponse:
    """The form for a file or a text; a POST makes a draft of it."""
    require_write(request.user)
    if request.method == "GET":
        return _show(request)
    now = timezone.now()
    data, name = _brought(request)
    if not data.strip():
        return _show(request, fault="Paste a text or choose a file; nothing came.", status=422)
    try:
        found = begin_import(data=data, name=name, by=account_of(request.user), now=now)
    except RunbookError as error:
        return _show(request, fault=str(error), code=error.code, status=422)
    except LibraryError as refusal:
        return _show(request, fault=refusal.sentence, code=refusal.code, status=422)
    _keep_warnings(request, found, now)
    messages.success(request, "Imported as a draft. Nothing is published yet.")
    return redirect("noc:runbook-draft", draft_id=found.draft.pk)


def _brought(request: HttpRequest) -> tuple[bytes, str]:
    """Return the file, or the text where there is no file, and what it is called."""
    upload = request.FILES.get("file")
    if upload is not None:
        return upload.read(LARGEST_BUNDLE + 1), upload.name or ""
    text = request.POST.get("text", "")
    return text.encode("utf-8", "replace"), "Pasted runbook"


def _keep_warnings(request: HttpRequest, found: Import, now: datetime) -> None:
    """Let what a person must still do stand with the draft for whoever goes on with it."""
    said = ""
    for warning in [*found.warnings, ""]:
        if said and (not warning or len(said) + len(warning) + 1 > LONGEST_REMARK):
            comment_on_draft(draft=found.draft, text=said, by=account_of(request.user), now=now)
            said = ""
        said = f"{said}\n{warning[:LONGEST_REMARK]}".strip()


def _show(
    request: HttpRequest, *, fault: str = "", code: str = "", status: int = 200
) -> HttpResponse:
    context = {"fault": fault, "code": code, "typed": request.POST}
    return render(request, "noc/draft_import.html", context, status=status)
