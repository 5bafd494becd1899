"""Tells people of a run by their own contact: whoever is sent to do it, and whoever leads it.

The row is made with what it tells of, in one transaction; another process sends it. So nothing
here holds up a run, and no page waits behind it.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import User
from django.db.models import Max, QuerySet

from fleet.models import Owner
from fleet.queue import Job, enqueue_on_commit
from runbooks.models import Alert, Announcement, Run, RunEntry
from runbooks.paging.announcements import first_to_tell
from runbooks.paging.content import SEVERITY_WORDS
from runbooks.paging.timeline import clip
from runbooks.runs.log import name_of
from runbooks.runs.waits import longest_wait

logger = logging.getLogger(__name__)

Kind = Announcement.Kind

#: What came is told of once within so long, unless somebody looked at it before.
TOLD_EVERY: Final = timedelta(days=1)
_LONGEST_SUMMARY: Final = 1000
_LONGEST_NAME: Final = 300


def person_to_tell(user: User) -> Owner | None:
    """Return the person of the fleet that an account is, where a contact of theirs works."""
    return first_to_tell(Owner.objects.filter(user=user))


def tell_of_dispatch(*, run: Run, entry: RunEntry, person: Owner, by: User, now: datetime) -> None:
    """Write down that `person` is told of the dispatch that `entry` is, once."""
    Announcement.objects.create(
        owner=person,
        kind=Kind.RUN_DISPATCHED,
        source=f"{_dispatches_of(run)}{entry.pk}",
        # From then on whoever holds a run that nobody moves is told that it waits.
        ends_at=now + longest_wait(),
        summary=clip(_dispatch_words(run, by), _LONGEST_SUMMARY),
        path=f"/runs/{run.pk}/",
        created_at=now,
        next_attempt_at=now,
    )
    enqueue_on_commit(Job.TELL_AUTHORS)


def call_off_dispatch(run: Run) -> None:
    """Tell nobody any more that they were sent: somebody else is, or the run has ended."""
    _call_off(Announcement.objects.filter(source__startswith=_dispatches_of(run)))


def tell_of_late_entries(*, run: Run, now: datetime) -> None:
    """Tell the lead that entries came after the end of a run, which the caller holds."""
    ended = f", which ended {run.ended_at:%F %H:%M} UTC" if run.ended_at else ""
    words = (
        f"Entries came after the end of {_run_words(run)}{ended}. They are in its log and change "
        "nothing by themselves. Read them: something may still be to do."
    )
    _tell_lead(run, Kind.RUN_LATE_ENTRIES, words, seen_until=run.late_seen_until, now=now)


def call_off_late_entries(run: Run) -> None:
    """Tell nobody any more of what came after the end: somebody looked at it."""
    _call_off(Announcement.objects.filter(source=_source_of(run, Kind.RUN_LATE_ENTRIES)))


def tell_of_kept_aside(*, run: Run, why: str, now: datetime) -> None:
    """Tell the lead that entries of a run, which the caller holds, wait beside its log."""
    words = (
        f"Entries of {_run_words(run)} are kept aside, not in its log. Of the first: "
        f"{clip(why, _LONGEST_NAME)} Take them in or set them aside."
    )
    settled = run.quarantine.aggregate(last=Max("settled_at"))["last"]
    _tell_lead(run, Kind.RUN_KEPT_ASIDE, words, seen_until=settled, now=now)


def call_off_kept_aside(run: Run) -> None:
    """Tell nobody any more of what was kept aside, once nothing of it waits."""
    if not run.quarantine.filter(settlement="").exists():
        _call_off(Announcement.objects.filter(source=_source_of(run, Kind.RUN_KEPT_ASIDE)))


def _tell_lead(
    run: Run, kind: Announcement.Kind, words: str, *, seen_until: datetime | None, now: datetime
) -> None:
    """Write down whom to tell: the lead, else the owner of the site; nobody told already."""
    source = _source_of(run, kind)
    told = Announcement.objects.filter(source=source, ends_at__gt=now)
    if (told.filter(created_at__gt=seen_until) if seen_until else told).exists():
        return
    person = first_to_tell((*Owner.objects.filter(user=run.lead), run.site.owner))
    logger.info(kind.value, extra={"run_id": run.pk, "is_told": person is not None})
    if person is None:
        return
    one = Announcement(
        owner=person,
        kind=kind,
        source=source,
        ends_at=now + TOLD_EVERY,
        summary=clip(words, _LONGEST_SUMMARY),
        path=f"/runs/{run.pk}/watch/",
        created_at=now,
        next_attempt_at=now,
    )
    # Of two at one moment there is one: entries are never refused because of a notice.
    Announcement.objects.bulk_create([one], ignore_conflicts=True)
    enqueue_on_commit(Job.TELL_AUTHORS)


def _call_off(told: QuerySet[Announcement]) -> None:
    told.filter(state=Announcement.State.PENDING).update(state=Announcement.State.CANCELLED)


def _source_of(run: Run, kind: Announcement.Kind) -> str:
    return f"run {run.pk} {'late' if kind == Kind.RUN_LATE_ENTRIES else 'aside'}"


def _run_words(run: Run) -> str:
    return f"R-{run.pk} {run.runbook_version.runbook.title} at {run.site.name}"


def _dispatches_of(run: Run) -> str:
    return f"run {run.pk} dispatch "


def _dispatch_words(run: Run, by: User) -> str:
    site = run.site
    place = f" ({clip(site.place.rstrip('.'), _LONGEST_NAME)})" if site.place else ""
    why = f" It is for {_alert_words(run.alert)}." if run.alert else ""
    return (
        f"{name_of(by)} sends you to do {_run_words(run)}{place}.{why} Open it on the tablet or "
        "phone that you take along."
    )


def _alert_words(alert: Alert) -> str:
    severity = SEVERITY_WORDS.get(alert.severity, "unknown")
    return f"A-{alert.pk} {severity}: {clip(alert.summary.rstrip('.'), _LONGEST_NAME)}"
