"""Alerts for the eyes of one user; everything begins at the sites they may see."""

from __future__ import annotations

from django.db.models import Count, QuerySet
from django.http import Http404

from fleet.access import AnyUser, sites_visible_to
from runbooks.models import Alert, AlertEvent
from telemetry.models import Finding


def alerts_visible_to(user: AnyUser) -> QuerySet[Alert]:
    """Return the alerts of the sites that `user` may look at, open and closed."""
    return Alert.objects.filter(site__in=sites_visible_to(user))


def alert_for(user: AnyUser, alert_id: int) -> Alert:
    """Return the alert, or 404 where it is hidden or does not exist.

    What few readers need (its finding, who closed it, the text of its runbook) is read when asked
    for: planning a join of all of it takes longer than acknowledging.
    """
    alerts = (
        alerts_visible_to(user)
        .select_related("site__owner", "node", "runbook_version__runbook", "escalation")
        .defer("runbook_version__source", "runbook_version__document")
    )
    alert = alerts.filter(pk=alert_id).first()
    if alert is None:
        raise Http404("There is no such alert, or you may not see it.")
    return alert


def open_alerts_for(user: AnyUser) -> QuerySet[Alert]:
    """Return the alerts that are not closed, worst first, the longest open first among equals."""
    return (
        alerts_visible_to(user)
        .exclude(response=Alert.Response.CLOSED)
        .select_related(
            "site__owner",
            "node",
            "acknowledged_by",
            "acknowledged_owner",
            "runbook_version__runbook",
            "escalation",
        )
        # A list shows an edition's name, not its text of some 40 kB.
        .defer("runbook_version__source", "runbook_version__document")
        .order_by("severity", "opened_at", "pk")
    )


def timeline_of(alert: Alert) -> QuerySet[AlertEvent]:
    """Return the alert's timeline, oldest first."""
    return (
        AlertEvent.objects.filter(alert=alert).select_related("actor", "owner").order_by("at", "pk")
    )


def counts_for(user: AnyUser) -> dict[int, int]:
    """Return how many open alerts there are by severity; every severity is a key."""
    rows = (
        alerts_visible_to(user)
        .exclude(response=Alert.Response.CLOSED)
        .order_by()
        .values_list("severity")
        .annotate(count=Count("pk"))
    )
    return dict.fromkeys(Finding.Severity.values, 0) | dict(rows)
