"""The doors of the runbook library and of reading one runbook."""

from __future__ import annotations

from dataclasses import replace

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_safe

from fleet.access import account_of
from fleet.noc.media_answer import kept_image
from fleet.noc.runbook_board import runbook_page, runbook_view
from fleet.noc.runbook_editions_board import in_language
from fleet.noc.runbook_library_board import STATES, library_page, read_filters
from fleet.noc.runbook_rights import may_write
from fleet.noc.whole_numbers import read_whole
from runbooks.library.document import CATEGORIES
from runbooks.library.exchange import export_library
from runbooks.library.media import media_for_page
from runbooks.library.selectors import version_for_page
from runbooks.library.translations import languages_of


@require_GET
def runbooks(request: HttpRequest) -> HttpResponse:
    """The library: runbooks by category, and the drafts that wait for somebody."""
    now = timezone.now()
    user = account_of(request.user)
    page = library_page(user=user, filters=read_filters(request.GET), today=now.date())
    context = {
        "page": page,
        "categories": CATEGORIES,
        "states": STATES,
        "may_write": may_write(user),
        "now": now,
    }
    return render(request, "noc/runbooks.html", context)


@require_GET
def runbooks_export(request: HttpRequest) -> HttpResponse:
    """Every edition in force, in one zip."""
    export = export_library()
    return file_answer(export.name, export.content_type, export.data)


@require_GET
def runbook(request: HttpRequest, slug: str) -> HttpResponse:
    """One runbook: the edition in force, or the one the address asks for, in a language."""
    now = timezone.now()
    page = runbook_page(slug=slug, number=asked_edition(request), today=now.date())
    version = page.view.version
    language = request.GET.get("lang", "")
    if language:
        translated = runbook_view(in_language(version, language), today=now.date())
        page = replace(page, view=translated)
    context = {
        "page": page,
        "view": page.view,
        "is_whole": True,
        "in_force": version_for_page(slug),
        "withdrawal": getattr(version, "withdrawal", None),
        "language": language,
        "languages": languages_of(version),
        "may_write": may_write(request.user),
        "tab": "read",
        "slug": slug,
        "now": now,
    }
    return render(request, "noc/runbook.html", context)


def asked_edition(request: HttpRequest, key: str = "v") -> int | None:
    """Return the number of the edition that the address asks for, None for none; or 404."""
    asked = request.GET.get(key)
    if asked is None:
        return None
    number = read_whole(asked, digits=6)
    if number is None:
        raise Http404("There is no such edition.")
    return number


@require_safe
def runbook_media(request: HttpRequest, sha256: str) -> HttpResponse:
    """One picture of an edition, by the hash of its bytes."""
    picture = media_for_page(sha256)
    return kept_image(bytes(picture.data), picture.content_type)


def file_answer(name: str, content_type: str, data: bytes) -> HttpResponse:
    """Return a file to keep, not to open in the browser."""
    answer = HttpResponse(data, content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
