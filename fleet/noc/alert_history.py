"""The same trouble before: how often, how long it lasted, and which step it ended at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from fleet.lengths import duration_words
from runbooks.library.document import RunbookError, fill
from runbooks.library.selectors import document_of
from runbooks.models import Alert, RunEntry
from runbooks.runs.sheet import written_at

_HISTORY: Final = timedelta(days=90)
_SHOWN: Final = 3
_ORDINALS: Final = ("", "First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh")


@dataclass(frozen=True, slots=True)
class EarlierAlert:
    """One alert of the same trouble.

    `lasted` is empty while nobody knows how long; `step` is the last that was done before it was
    over, such as `step 4, Change the filter`, empty where nobody followed its runbook.
    """

    alert: Alert
    lasted: str
    step: str


@dataclass(frozen=True, slots=True)
class Earlier:
    """The same trouble before: a sentence, and the newest few."""

    sentence: str
    alerts: list[EarlierAlert]


def earlier_alerts(alert: Alert, now: datetime) -> Earlier:
    """Return what came before an alert at its site; the same three queries for any history."""
    same = Alert.objects.filter(site=alert.site, dedup_key=alert.dedup_key, pk__lt=alert.pk)
    recent = same.filter(opened_at__gt=now - _HISTORY).count()
    related = same.select_related("closed_by", "closed_owner")
    newest = list(related.order_by("-opened_at")[:_SHOWN])
    steps = _last_steps(newest)
    return Earlier(
        sentence=_times_words(recent + 1),
        alerts=[EarlierAlert(old, _lasted(old), steps.get(old.pk, "")) for old in newest],
    )


def _lasted(alert: Alert) -> str:
    over = alert.cleared_at or alert.closed_at
    return duration_words((over - alert.opened_at).total_seconds()) if over else ""


def _last_steps(alerts: Sequence[Alert]) -> dict[int | None, str]:
    """Return the last step that was done before each alert was over."""
    done = RunEntry.objects.filter(
        run__alert__in=alerts, kind__in=[RunEntry.Kind.STEP_DONE, RunEntry.Kind.VERIFIED]
    ).select_related("run", "runbook_version")
    over: dict[int | None, datetime | None] = {
        alert.pk: alert.cleared_at or alert.closed_at for alert in alerts
    }
    last = {
        entry.run.alert_id: entry
        for entry in done.defer("runbook_version__source").order_by("pk")
        if (end := over[entry.run.alert_id]) is None or written_at(entry) <= end
    }
    return {alert_id: _step_words(entry) for alert_id, entry in last.items()}


def _step_words(entry: RunEntry) -> str:
    try:
        steps = document_of(entry.runbook_version).steps
    except RunbookError:
        return ""
    step = next((one for one in steps if one.id == entry.step_id), None)
    return f"step {step.number}, {fill(step.title, entry.run.values)}" if step else ""


def _times_words(times: int) -> str:
    """Return `First time in 90 days.`, `12 times in 90 days.`"""
    days = _HISTORY.days
    if times < len(_ORDINALS):
        return f"{_ORDINALS[times]} time in {days} days."
    return f"{times} times in {days} days."
