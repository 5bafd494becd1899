"""What people do to a run: steps, pauses, approvals, choices, hand-overs, editions, its end.

Callers have checked, through `fleet.access`, that the person may work on the run; who may approve
and who leads is checked here. Each service takes the run's row lock, writes one entry and brings
the state in line, in one transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from fleet.access import Action, may
from runbooks.library.document import RunbookDocument
from runbooks.library.run_log import names_of, run_progress
from runbooks.library.selectors import document_of
from runbooks.models import Run, RunbookVersion, RunEntry
from runbooks.runs.checks import LONGEST_REASON, Draft, is_storable
from runbooks.runs.errors import RunError, reason_missing, step_barred, steps_undone, text_refused
from runbooks.runs.log import (
    Channel,
    Kind,
    Writer,
    change,
    locked_run,
    name_of,
    open_run,
    settle,
    write,
)
from runbooks.runs.record import Place, record, step_in
from runbooks.runs.selectors import newer_edition
from runbooks.runs.starting import (
    cannot_run,
    dispatch_run,
    start_run_at_site,
    start_run_for_alert,
)
from runbooks.runs.told import call_off_dispatch, tell_of_late_entries

__all__ = [
    "abandon_run",
    "dispatch_run",
    "enter",
    "fail_run",
    "finish_run",
    "hand_over_run",
    "move_to_newer_edition",
    "pause_run",
    "resume_run",
    "start_run_at_site",
    "start_run_for_alert",
]

logger = logging.getLogger(__name__)

#: What does something at a step, or begins to.
_DOES = (Kind.STEP_DONE, Kind.VERIFY_ASKED, Kind.TIMER_STARTED)


@transaction.atomic
def enter(
    *,
    run: Run,
    kind: RunEntry.Kind,
    by: User,
    now: datetime,
    step_id: str = "",
    said: Mapping[str, Any] | None = None,
    channel: Channel = Channel.BROWSER,
) -> RunEntry:
    """Write what somebody who is logged in says: a step, an approval, a choice, a note.

    `said` is the entry's input. Raises RunError; notes are never too late, all else is. What cannot
    be undone is not done before what it waits for, unless `said` has a `reason`; a device's word
    that it was is taken in either way.
    """
    current = locked_run(run.pk) if kind == Kind.NOTED else open_run(run)
    document = document_of(current.runbook_version)
    step = step_in(document, step_id)
    is_explained = bool(str((said or {}).get("reason") or "").strip())
    if step is not None and step.is_destructive and kind in _DOES and not is_explained:
        _refuse_barred(current, document, step_id, now)
    entry = record(
        run=current,
        draft=Draft(kind=kind, step_id=step_id, input=said or {}),
        writer=Writer.person(by, channel),
        place=Place(version=current.runbook_version, document=document),
        now=now,
    )
    settle(current, now=now, document=document)
    if entry.is_after_end and by.pk != current.lead_id:
        tell_of_late_entries(run=current, now=now)
    return entry


def _refuse_barred(run: Run, document: RunbookDocument, step_id: str, now: datetime) -> None:
    progress = run_progress(run, now=now, document=document)
    barred_by = next((one.barred_by for one in progress.steps if one.id == step_id), ())
    if barred_by:
        raise step_barred(run, document, step_id, barred_by)


@transaction.atomic
def pause_run(
    *, run: Run, by: User, reason: str, now: datetime, channel: Channel = Channel.BROWSER
) -> None:
    """Hold the run, with a reason; what devices enter meanwhile is taken in all the same.

    Paused twice, the first reason stays. Raises RunError.
    """
    reason = _checked_reason(reason, "the run is paused")
    current = open_run(run)
    if current.paused_at is not None:
        return
    change(current, paused_at=now, reason=reason)
    write(current, Kind.PAUSED, Writer.person(by, channel), now=now, input={"reason": reason})


@transaction.atomic
def resume_run(*, run: Run, by: User, now: datetime, channel: Channel = Channel.BROWSER) -> None:
    """Let a paused run go on; one that is not paused goes on anyway. Raises RunError."""
    current = open_run(run)
    if current.paused_at is None:
        return
    change(current, paused_at=None, reason="")
    write(current, Kind.RESUMED, Writer.person(by, channel), now=now)
    settle(current, now=now)


@transaction.atomic
def hand_over_run(
    *,
    run: Run,
    to: User,
    by: User,
    now: datetime,
    note: str = "",
    channel: Channel = Channel.BROWSER,
) -> None:
    """Make somebody else the lead; whoever was it stays in the log. Raises RunError."""
    if not is_storable(note, LONGEST_REASON):
        raise text_refused("note", LONGEST_REASON)
    current = open_run(run)
    if not may(to, Action.RUN, current.site):
        raise cannot_run(to, current.site)
    if current.lead_id == to.pk:
        return
    said = {"from": name_of(current.lead), "to": name_of(to), "to_id": to.pk, "note": note.strip()}
    change(current, lead=to)
    write(current, Kind.HANDED_OVER, Writer.person(by, channel), now=now, input=said)


@transaction.atomic
def move_to_newer_edition(
    *,
    run: Run,
    version: RunbookVersion,
    by: User,
    now: datetime,
    channel: Channel = Channel.BROWSER,
) -> None:
    """Follow a newer edition from now on; steps keep what was entered, by their id.

    What was entered under the old edition keeps saying so. Raises RunError: edition_not_newer.
    """
    current = open_run(run)
    old, newest = current.runbook_version, newer_edition(current)
    is_usable = version.runbook_id == old.runbook_id and version.number > old.number
    if newest is None or not is_usable or hasattr(version, "withdrawal"):
        raise RunError(
            "edition_not_newer",
            f"{version} is no newer edition of what R-{run.pk} follows ({old}) that is in use; "
            "reload to see which is.",
        )
    change(current, runbook_version=version)
    said = {"from": old.number, "to": version.number}
    write(current, Kind.EDITION_MOVED, Writer.person(by, channel), now=now, input=said)
    settle(current, now=now)


@transaction.atomic
def finish_run(
    *, run: Run, by: User, now: datetime, note: str = "", channel: Channel = Channel.BROWSER
) -> None:
    """End the run as done: every mandatory step is done, or skipped with a reason.

    Raises RunError: steps_undone names what is left; a step that cannot be done ends the run with
    `fail_run` instead.
    """
    if not is_storable(note, LONGEST_REASON):
        raise text_refused("note", LONGEST_REASON)
    current = open_run(run)
    document = document_of(current.runbook_version)
    progress = run_progress(current, now=now, document=document)
    if progress.undone:
        raise steps_undone(current, document, progress.undone)
    said = {"note": note.strip()} if note.strip() else {}
    _end(current, Run.State.DONE, Kind.DONE, Writer.person(by, channel), now, said)


@transaction.atomic
def fail_run(
    *, run: Run, by: User, reason: str, now: datetime, channel: Channel = Channel.BROWSER
) -> None:
    """End the run because a mandatory step cannot be done, with a reason.

    Raises RunError: nothing_failed when no step says so; then it may be abandoned instead.
    """
    reason = _checked_reason(reason, "the run fails")
    current = open_run(run)
    document = document_of(current.runbook_version)
    unable = run_progress(current, now=now, document=document).unable
    if not unable:
        raise RunError(
            "nothing_failed",
            f"No mandatory step of R-{run.pk} is marked as impossible. Mark it first, or abandon "
            "the run.",
        )
    said = {
        "reason": reason,
        "steps": list(unable),
        "named": names_of(document, unable, current.values),
    }
    _end(current, Run.State.FAILED, Kind.FAILED, Writer.person(by, channel), now, said)


@transaction.atomic
def abandon_run(
    *, run: Run, by: User, reason: str, now: datetime, channel: Channel = Channel.BROWSER
) -> None:
    """End the run unfinished, with a reason; what devices still send is kept and marked."""
    reason = _checked_reason(reason, "the run is abandoned")
    current = open_run(run)
    writer = Writer.person(by, channel)
    _end(current, Run.State.ABORTED, Kind.ABORTED, writer, now, {"reason": reason})


def _checked_reason(reason: str, what: str) -> str:
    """Return a reason without the space around it. Raises RunError where it is none."""
    reason = reason.strip()
    if not reason:
        raise reason_missing(what)
    if not is_storable(reason, LONGEST_REASON):
        raise text_refused("reason", LONGEST_REASON)
    return reason


def _end(
    run: Run,
    state: Run.State,
    kind: RunEntry.Kind,
    writer: Writer,
    now: datetime,
    said: dict[str, Any],
) -> None:
    # The entry first: it belongs to the run while that was open.
    write(run, kind, writer, now=now, input=said)
    change(run, state=state, ended_at=now, paused_at=None, reason=said.get("reason", ""))
    call_off_dispatch(run)
    logger.info("run.ended", extra={"run_id": run.pk, "state": state.value})
