"""The doors of a draft: write, look, compare, review; of new drafts and of imports."""

from __future__ import annotations

from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from fleet.access import account_of
from fleet.noc.draft_acts import Said, act_on_draft, read_said
from fleet.noc.draft_board import draft_page, text_view
from fleet.noc.live_pages import live_page
from fleet.noc.runbook_diff_board import lines_between
from fleet.noc.runbook_rights import may_write, require_write
from fleet.noc.whole_numbers import read_whole
from runbooks.library.desk import draft_for_page
from runbooks.library.document import RunbookError
from runbooks.library.errors import LibraryError
from runbooks.library.parse import normalise
from runbooks.library.visits import STILL_OPEN, note_visit, other_visits
from runbooks.models import RunbookDraft

#: What another person did meanwhile; the words that were typed then stand beside what is there.
_OVERTAKEN = ("draft_changed", "draft_moved_on")


@live_page
@require_http_methods(["GET", "POST"])
def draft(request: HttpRequest, draft_id: int) -> HttpResponse:
    """The page of a draft; a POST does what its button says."""
    now = timezone.now()
    if request.method == "GET":
        page = draft_page(user=request.user, draft_id=draft_id, today=now.date())
        line = read_whole(request.GET.get("line", ""), digits=6)
        context: dict[str, object] = {"page": page, "line": line, "now": now}
        context |= _visitors(request, page.draft, now)
        return render(request, "noc/draft.html", context)
    require_write(request.user)
    found = draft_for_page(draft_id)
    act, said = read_said(request, now=now)
    try:
        done = act_on_draft(found, act, said)
    except RunbookError as error:
        return _refused(request, found, said, error.code, str(error), line=error.line)
    except LibraryError as refusal:
        if refusal.code in _OVERTAKEN and said.typed is not None:
            return _overtaken(request, found, said, refusal)
        return _refused(request, found, said, refusal.code, refusal.sentence)
    messages.success(request, done.sentence)
    return redirect(done.address)


@require_POST
def draft_preview(request: HttpRequest, draft_id: int) -> HttpResponse:
    """What can be said of the text in the field, and how it will look; nothing is saved."""
    require_write(request.user)
    now = timezone.now()
    found = draft_for_page(draft_id)
    text = text_view(found, request.POST.get("source", ""), today=now.date())
    context = {"text": text, "draft": found, "may_write": True, "now": now}
    return render(request, "noc/_draft_text.html", context)


@live_page
@require_GET
def draft_standing(request: HttpRequest, draft_id: int) -> HttpResponse:
    """Whether the draft is still as the reader saw it, and who changed it otherwise."""
    found, now = draft_for_page(draft_id), timezone.now()
    seen = read_whole(request.GET.get("seen", ""), digits=9)
    context = {
        "draft": found,
        "is_changed": found.revision != seen or found.state != request.GET.get("state"),
        "now": now,
        **_visitors(request, found, now),
    }
    return render(request, "noc/_draft_standing.html", context)


def _visitors(request: HttpRequest, draft: RunbookDraft, now: datetime) -> dict[str, object]:
    """Note that the reader has the draft open to write in it; return who else has or had."""
    if draft.state != RunbookDraft.State.WRITING or not may_write(request.user):
        return {}
    reader = account_of(request.user)
    note_visit(draft=draft, by=reader, now=now)
    visits = other_visits(draft=draft, than=reader, now=now)
    return {"visits": visits, "still_open": now - STILL_OPEN}


def _overtaken(
    request: HttpRequest, draft: RunbookDraft, said: Said, refusal: LibraryError
) -> HttpResponse:
    """Show what is there now and what was typed, side by side; nothing of either is lost."""
    present = draft_for_page(draft.pk)
    typed = normalise(said.typed or "")
    context = {
        "draft": present,
        "is_writing": present.state == RunbookDraft.State.WRITING,
        "typed": typed,
        "pieces": lines_between(present.source, typed),
        "fault": refusal.sentence,
        "note": said.words.get("note", ""),
        "now": said.now,
    }
    return render(request, "noc/draft_conflict.html", context, status=409)


def _refused(
    request: HttpRequest, draft: RunbookDraft, said: Said, code: str, fault: str, *, line: int = 0
) -> HttpResponse:
    page = draft_page(
        user=account_of(request.user),
        draft_id=draft.pk,
        today=said.now.date(),
        typed=said.words.get("source"),
        seen=said.seen,
    )
    context = {
        "page": page,
        "fault": fault,
        "code": code,
        "line": line,
        "words": said.words,
        "now": said.now,
    }
    return render(request, "noc/draft.html", context, status=409 if code in _OVERTAKEN else 422)
