"""What is left of the runbook when somebody closes an alert: reads runs, changes nothing.

Only a run that was started and has not ended counts. A run that was done left nothing; one that
was abandoned or failed has said why; and where nobody started one, a reason would be asked of
everybody who closes an alert that is over, and be worth nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from runbooks.library.document import RunbookError
from runbooks.library.run_log import names_of, run_progress
from runbooks.library.selectors import document_of
from runbooks.models import Run


def steps_left(*, alert_ids: Collection[int], now: datetime) -> dict[int, str]:
    """Return by alert which mandatory steps of its open runs are undone, in words.

    One query for the runs of all the alerts, one more for each open run.
    """
    runs = Run.objects.filter(alert__in=alert_ids).exclude(state__in=Run.ENDED)
    left: dict[int, str] = {}
    for run in runs.select_related("runbook_version").order_by("pk"):
        words = _words(run, now)
        if words and run.alert_id is not None:
            left[run.alert_id] = words
    return left


def _words(run: Run, now: datetime) -> str:
    try:
        document = document_of(run.runbook_version)
    except RunbookError:
        return ""  # An edition that cannot be read keeps nobody from closing the alert.
    undone = run_progress(run, now=now, document=document).undone
    return f"{names_of(document, undone, run.values)} of R-{run.pk}" if undone else ""
