"""The log of a run, written under the run's row lock, and the state that follows from it.

Whatever a person, a device or the engine does to a run comes through here in one transaction: the
entry that answers and the state that goes on because of it are committed together, so an answer
can never overtake the pause it answers.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import F

from fleet.live import LiveEvent, publish_on_commit
from fleet.names import name_of as spelled
from runbooks.library.document import RunbookDocument
from runbooks.library.outcomes import Progress
from runbooks.library.run_log import run_progress
from runbooks.library.selectors import document_of
from runbooks.models import Run, RunbookVersion, RunEntry
from runbooks.runs.errors import run_ended

logger = logging.getLogger(__name__)

Channel = RunEntry.Channel
Kind = RunEntry.Kind


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, and by which way; nobody for the engine."""

    user: User | None = None
    name: str = ""
    channel: RunEntry.Channel = Channel.ENGINE

    @classmethod
    def person(cls, user: User, channel: RunEntry.Channel = Channel.BROWSER) -> Writer:
        """Return the writer that an account is."""
        return cls(user, name_of(user), channel)


#: Hearthwatch itself.
ENGINE = Writer()


def name_of(user: User | None) -> str:
    """Return what people call this user, as far as the log keeps it."""
    return spelled(user)[:120] if user else ""


def locked_run(run_id: int) -> Run:
    """Read the run as it is now and keep others from changing it until COMMIT."""
    return (
        Run.objects.select_for_update(no_key=True, of=("self",))
        .select_related("site", "runbook_version__runbook", "lead", "assigned_to")
        .get(pk=run_id)
    )


def open_run(run: Run) -> Run:
    """Return `run` locked; raises RunError when it has ended."""
    current = locked_run(run.pk)
    if current.state in Run.ENDED:
        raise run_ended(current)
    return current


def write(
    run: Run,
    kind: RunEntry.Kind,
    writer: Writer,
    *,
    now: datetime,
    step_id: str = "",
    version: RunbookVersion | None = None,
    **fields: Any,
) -> RunEntry:
    """Add one entry; nothing else of the run changes."""
    return RunEntry.objects.create(
        run=run,
        kind=kind,
        step_id=step_id,
        runbook_version=version or run.runbook_version,
        channel=writer.channel,
        actor=writer.user,
        actor_name=writer.name,
        received_at=now,
        is_after_end=run.state in Run.ENDED,
        **fields,
    )


def settle(run: Run, *, now: datetime, document: RunbookDocument | None = None) -> Progress:
    """Bring the run's state in line with its log; every call is a new revision.

    The caller holds the row's lock. An ended run keeps its state.
    """
    document = document or document_of(run.runbook_version)
    progress = run_progress(run, now=now, document=document)
    changes: dict[str, Any] = {"revision": F("revision") + 1}
    if run.state not in Run.ENDED:
        changes["state"] = progress.state
        waits = progress.state == Run.State.WAITING_TIMER
        changes["timer_ends_at"] = progress.until if waits else None
        if run.started_at is None and progress.state != Run.State.CREATED:
            changes["started_at"] = now
    Run.objects.filter(pk=run.pk).update(**changes)
    run.refresh_from_db(fields=["state", "started_at", "revision"])
    tell(run)
    return progress


def change(run: Run, **fields: Any) -> None:
    """Change the open run's row; raises RunError when it has ended meanwhile."""
    still_open = Run.objects.filter(pk=run.pk).exclude(state__in=Run.ENDED)
    if not still_open.update(**fields, revision=F("revision") + 1):
        raise run_ended(locked_run(run.pk))
    run.refresh_from_db(fields=[*fields, "revision"])
    tell(run)


def tell(run: Run) -> None:
    """Tell the browsers after COMMIT that the run, and the alert it belongs to, changed."""
    publish_on_commit(LiveEvent.RUN_CHANGED, site_id=run.site_id, id=run.pk)
    if run.alert_id is not None:
        publish_on_commit(LiveEvent.ALERT_CHANGED, site_id=run.site_id, id=run.alert_id)
