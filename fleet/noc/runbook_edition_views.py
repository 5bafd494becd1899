"""The doors around one runbook: editions, comparison, usage, languages, export, withdrawal."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from fleet.access import account_of
from fleet.noc.picture_upload import uploaded_pictures
from fleet.noc.runbook_board import kinds_in_words
from fleet.noc.runbook_diff_board import diff_board
from fleet.noc.runbook_editions_board import editions_of, instead_of
from fleet.noc.runbook_rights import may_write, require_write
from fleet.noc.runbook_usage_board import usage_page
from fleet.noc.runbook_views import asked_edition, file_answer
from runbooks.library.bundle import LARGEST_BUNDLE, Bundle, unpack
from runbooks.library.document import RunbookError
from runbooks.library.errors import LibraryError
from runbooks.library.exchange import export_edition
from runbooks.library.publishing import withdraw_edition
from runbooks.library.selectors import document_of, version_for_page
from runbooks.library.translations import languages_of, publish_translation
from runbooks.models import RunbookVersion


@require_GET
def runbook_editions(request: HttpRequest, slug: str) -> HttpResponse:
    """Every edition: who published it when, what was new, and why it was withdrawn."""
    version = version_for_page(slug)
    context = {"editions": editions_of(version.runbook)}
    return _show(request, "noc/runbook_editions.html", version, "editions", context)


@require_GET
def runbook_diff(request: HttpRequest, slug: str) -> HttpResponse:
    """What is new between two editions; without a choice between the newest and the one before."""
    editions = editions_of(version_for_page(slug).runbook)
    to_number = asked_edition(request, "to") or editions[0].version.number
    after = version_for_page(slug, to_number)
    earlier = [one.version.number for one in editions if one.version.number < to_number]
    from_number = asked_edition(request, "from") or (earlier[0] if earlier else to_number)
    before = version_for_page(slug, from_number)
    context: dict[str, object] = {"editions": editions, "before": before, "after": after}
    try:
        context["diff"] = diff_board(document_of(before), document_of(after))
    except RunbookError:
        context["fault"] = "One of the two is of an older form and cannot be compared; read both."
    return _show(request, "noc/runbook_diff.html", after, "diff", context)


@require_GET
def runbook_usage(request: HttpRequest, slug: str) -> HttpResponse:
    """What points here, and how the runs of the last 90 days went."""
    version = version_for_page(slug)
    context = {"usage": usage_page(version, now=timezone.now())}
    return _show(request, "noc/runbook_usage.html", version, "usage", context)


@require_http_methods(["GET", "POST"])
def runbook_translations(request: HttpRequest, slug: str) -> HttpResponse:
    """The languages of an edition; a POST publishes another one."""
    version = version_for_page(slug, asked_edition(request))
    if request.method == "GET":
        return _show_translations(request, version)
    require_write(request.user)
    now = timezone.now()
    try:
        brought = _translation(request)
        made = publish_translation(
            version=version,
            source=brought.source,
            by=account_of(request.user),
            now=now,
            media=brought.pictures,
        )
    except RunbookError as error:
        return _show_translations(request, version, code=error.code, fault=str(error))
    except LibraryError as refusal:
        return _show_translations(request, version, code=refusal.code, fault=refusal.sentence)
    messages.success(request, f"{version} can be read in {made.language} now.")
    return redirect("noc:runbook-translations", slug=slug)


@require_GET
def runbook_export(request: HttpRequest, slug: str) -> HttpResponse:
    """An edition as a file."""
    export = export_edition(version_for_page(slug, asked_edition(request)))
    return file_answer(export.name, export.content_type, export.data)


@require_http_methods(["GET", "POST"])
def runbook_withdraw(request: HttpRequest, slug: str) -> HttpResponse:
    """What withdrawing an edition would change; a POST with a reason does it."""
    require_write(request.user)
    version = version_for_page(slug, asked_edition(request))
    context: dict[str, object] = {"instead": instead_of(version), "typed": request.POST}
    if request.method == "GET":
        return _show(request, "noc/runbook_withdraw.html", version, "editions", context)
    reason = request.POST.get("reason", "")
    try:
        withdraw_edition(
            version=version, reason=reason, by=account_of(request.user), now=timezone.now()
        )
    except LibraryError as refusal:
        context |= {"fault": refusal.sentence, "code": refusal.code}
        return _show(request, "noc/runbook_withdraw.html", version, "editions", context, status=422)
    messages.success(request, f"{version} is withdrawn. Open alerts and runs keep it.")
    return redirect("noc:runbook-editions", slug=slug)


def _show_translations(
    request: HttpRequest, version: RunbookVersion, *, code: str = "", fault: str = ""
) -> HttpResponse:
    context = {
        "translations": version.translations.select_related("published_by").defer("document"),
        "own": languages_of(version)[0],
        "pictures": version.document.get("media", {}),
        "typed": request.POST,
        "fault": fault,
        "code": code,
    }
    status = 422 if fault else 200
    return _show(
        request, "noc/runbook_translations.html", version, "translations", context, status=status
    )


def _translation(request: HttpRequest) -> Bundle:
    """Return the text that was pasted, or the file's with its pictures; and those beside it.

    Raises RunbookError for a file that is neither a text nor a zip with one.
    """
    upload = request.FILES.get("file")
    if upload is None:
        brought = Bundle(request.POST.get("source", ""), {})
    else:
        brought = unpack(upload.read(LARGEST_BUNDLE + 1))
    return Bundle(brought.source, {**brought.pictures, **uploaded_pictures(request)})


def _show(
    request: HttpRequest,
    template: str,
    version: RunbookVersion,
    tab: str,
    context: Mapping[str, object],
    *,
    status: int = 200,
) -> HttpResponse:
    shared = {
        "version": version,
        "runbook": version.runbook,
        "slug": version.runbook.slug,
        "answers": kinds_in_words(version.document.get("matches", ())),
        "may_write": may_write(request.user),
        "tab": tab,
        "now": timezone.now(),
    }
    return render(request, template, {**shared, **context}, status=status)
