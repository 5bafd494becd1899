"""The door of what people do to a run from the dashboard: hold, hand over, decide, end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from fleet.access import Action, account_of, may, users_who_may
from fleet.models import Site
from fleet.noc.live_pages import live_page
from fleet.noc.run_step_board import step_key
from fleet.noc.run_views import show_run
from fleet.noc.whole_numbers import read_whole
from runbooks.library.document import RunbookError
from runbooks.models import Run, RunEntry
from runbooks.runs import services
from runbooks.runs.errors import RunError
from runbooks.runs.latecomers import look_at_late_entries
from runbooks.runs.log import name_of
from runbooks.runs.selectors import run_for

Kind = RunEntry.Kind
Act = Callable[[Run, User, QueryDict, datetime], None]
#: Refusals that a person mends by typing something else; all others tell of a stale screen.
_MENDABLE: Final = frozenset(
    {"reason_missing", "text_refused", "note_missing", "nobody_chosen", "cannot_run"}
)
#: What somebody without the right to follow runbooks may do: the service asks for their standing.
_ANSWERS: Final = ("approve", "refuse")


def require_run(request: HttpRequest, site: Site) -> None:
    """Raise PermissionDenied for somebody who may look at a run and not work on it."""
    if not may(request.user, Action.RUN, site):
        raise PermissionDenied(
            f"Following runbooks at {site.name} takes the role of operator, engineer or remote "
            "hands there. You may look."
        )


@live_page
@require_POST
def run_act(request: HttpRequest, run_id: int, act: str) -> HttpResponse:
    """Do one thing to a run, then show how it stands, and why not where it was refused."""
    run = run_for(request.user, run_id)
    if act not in _ACTS:
        raise Http404("There is no such act.")
    if act not in _ANSWERS:
        require_run(request, run.site)
    try:
        _ACTS[act](run, account_of(request.user), request.POST, timezone.now())
    except RunError as refusal:
        status = 422 if refusal.code in _MENDABLE else 409
        step = request.POST.get("step", "")
        field = step_key(step) if step else act
        # Read again: somebody else may have been faster, and that is what the page must show.
        now_run = run_for(request.user, run_id)
        return show_run(request, now_run, fault=refusal.sentence, field=field, status=status)
    except RunbookError as unreadable:
        return show_run(request, run, fault=str(unreadable), status=409)
    if request.htmx:  # type: ignore[attr-defined]  # set by the middleware
        return show_run(request, run_for(request.user, run_id))
    return redirect("noc:run-watch", run_id)


def _pause(run: Run, by: User, said: QueryDict, now: datetime) -> None:
    services.pause_run(run=run, by=by, reason=said.get("reason", ""), now=now)


def _resume(run: Run, by: User, said: QueryDict, now: datetime) -> None:
    services.resume_run(run=run, by=by, now=now)


def _hand_over(run: Run, by: User, said: QueryDict, now: datetime) -> None:
    if said.get("seen_lead", "") != str(run.lead_id or ""):
        raise RunError(
            "lead_changed",
            f"{name_of(run.lead)} leads R-{run.pk} now: somebody was faster. Choose again if it "
            "is still to change.",
        )
    to = person_of(said.get("to", ""), run.site)
    services.hand_over_run(run=run, to=to, by=by, now=now, note=said.get("note", ""))


def _abandon(run: Run, by: User, said: QueryDict, now: datetime) -> None:
    services.abandon_run(run=run, by=by, reason=said.get("reason", ""), now=now)


def _fail(run: Run, by: User, said: QueryDict, now: datetime) -> None:
    services.fail_run(run=run, by=by, reason=said.get("reason", ""), now=now)


def _finish(run: Run, by: User, said: QueryDict, now: datetime) -> None:
    services.finish_run(run=run, by=by, now=now, note=said.get("note", ""))


def _note(run: Run, by: User, said: QueryDict, now: datetime) -> None:
    note = said.get("note", "").strip()
    last = run.entries.filter(actor=by).order_by("-pk").first()
    if last is not None and last.kind == Kind.NOTED and last.input == {"note": note}:
        return  # The second half of a double click.
    services.enter(run=run, kind=Kind.NOTED, by=by, now=now, said={"note": note})


def _look(run: Run, by: User, said: QueryDict, now: datetime) -> None:
    look_at_late_entries(run=run, seen=read_whole(said.get("seen", ""), digits=18) or 0, by=by)


def _choose(run: Run, by: User, said: QueryDict, now: datetime) -> None:
    chosen = {"entry": said.get("entry", "")}
    step_id = said.get("step", "")
    services.enter(run=run, kind=Kind.COUNTED, by=by, now=now, step_id=step_id, said=chosen)


def _entering(kind: RunEntry.Kind, *keys: str) -> Act:
    """Return the act that enters this kind about the step the form names."""

    def act(run: Run, by: User, said: QueryDict, now: datetime) -> None:
        typed = {key: said.get(key, "").strip() for key in keys}
        entered = {key: words for key, words in typed.items() if words}
        step_id = said.get("step", "")
        services.enter(run=run, kind=kind, by=by, now=now, step_id=step_id, said=entered)

    return act


def move_run(run: Run, by: User, said: QueryDict, now: datetime) -> None:
    """Move a run to the edition that the form showed. Raises RunError for a stale form."""
    number = read_whole(said.get("version", ""), digits=9) or 0
    version = run.runbook_version.runbook.versions.filter(number=number).first()
    if version is None:
        raise RunError("edition_not_newer", "There is no such edition; reload to see which is.")
    services.move_to_newer_edition(run=run, version=version, by=by, now=now)


def person_of(text: str, site: Site) -> User:
    """Return whom a form chose among those who may follow runbooks at the site; RunError."""
    number = read_whole(text, digits=18)
    person = users_who_may(Action.RUN, site).filter(pk=number).first() if number else None
    if person is None:
        raise RunError("nobody_chosen", f"Choose somebody who may follow runbooks at {site.name}.")
    return person


_ACTS: Mapping[str, Act] = {
    "pause": _pause,
    "resume": _resume,
    "hand-over": _hand_over,
    "abandon": _abandon,
    "fail": _fail,
    "finish": _finish,
    "move": move_run,
    "note": _note,
    "choose": _choose,
    "look": _look,
    "ask-approval": _entering(Kind.APPROVAL_ASKED),
    "approve": _entering(Kind.APPROVED),
    "refuse": _entering(Kind.REFUSED, "reason"),
    "verify": _entering(Kind.VERIFY_ASKED),
}
