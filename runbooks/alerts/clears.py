"""Findings that simply end what their alerts opened with, taken in many at once.

What is more than plain, be it a member of a storm, one of several of its key, or an alert that
somebody holds right now, is left to be taken in by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.db.models import F

from runbooks.alerts.lifecycle import clear_alerts
from runbooks.alerts.newcomers import owed_findings
from runbooks.models import Alert, StormMember
from telemetry.models import Finding


def take_in_clears(findings: Sequence[Finding], *, now: datetime) -> int:
    """Clear the alerts of those that are plainly over; return how many, and leave the others.

    The caller holds the locks of the findings and of their sites, in one transaction. The number
    of statements does not grow with the findings.
    """
    over = _plainly_over(findings)
    if not over:
        return 0
    still_open = Alert.objects.filter(finding__in=list(over)).exclude(
        response=Alert.Response.CLOSED
    )
    locked = still_open.select_for_update(skip_locked=True, no_key=True, of=("self",))
    alerts = {alert.finding_id: alert for alert in locked.select_related("site").order_by("pk")}
    busy = set(still_open.values_list("finding_id", flat=True)) - alerts.keys()
    clear_alerts([(alerts[pk], finding) for pk, finding in over.items() if pk in alerts], now=now)
    taken = Finding.objects.filter(pk__in=over.keys() - busy)
    return taken.update(taken_in_revision=F("revision"))


def _plainly_over(findings: Sequence[Finding]) -> dict[int, Finding]:
    """Return by id those that were told of while they fired and are over, outside of storms."""
    over = {
        finding.pk: finding
        for finding in findings
        if finding.cleared_at is not None and finding.taken_in_revision > 0
    }
    if not over:
        return {}
    members = StormMember.objects.filter(finding__in=list(over)).order_by()
    in_storms = set(members.values_list("finding_id", flat=True))
    # Of several findings of one key the order counts.
    owed = owed_findings().filter(site__in={finding.site_id for finding in over.values()})
    keys = Counter(owed.order_by().values_list("site_id", "fingerprint"))
    return {
        pk: finding
        for pk, finding in over.items()
        if pk not in in_storms and keys[finding.site_id, finding.fingerprint] == 1
    }
