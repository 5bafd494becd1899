"""The auditor: looks at what the pager owes right now, and raises what does not hold.

It looks at every open alert, however old, and at the rows alone; it trusts no message and no
memory. What it finds is a BrokenPromise, mended by itself when the promise holds again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Case, Exists, F, OuterRef, QuerySet, When

from fleet.models import Site
from runbooks.escalation.plan import PlanError, read_steps
from runbooks.models import Alert, AlertEvent, BrokenPromise, Escalation, Page
from runbooks.paging.people import owners_meant, reachable
from runbooks.paging.promises import mend_all_but, report_broken
from runbooks.paging.timeline import spell_time
from telemetry.models import Finding

Code = BrokenPromise.Code

#: Rows of one kind at a time; a pager that is down as a whole is one trouble, not ten thousand.
MOST_OF_A_KIND = 100
#: A promise is broken when it is late by this many cycles of the sweep.
SLACK_CYCLES = 3

#: What is broken, by subject: a sentence each.
Broken = dict[str, str]


def audit_promises(*, now: datetime) -> list[BrokenPromise]:
    """Open, refresh and mend the rows of broken promises; return those broken now."""
    late = now - timedelta(seconds=SLACK_CYCLES * settings.HEARTHWATCH_SWEEP_SECONDS)
    rows = []
    for code, check in CHECKS.items():
        broken = check(late)
        mend_all_but(code=code, broken=broken, now=now)
        for subject, sentence in broken.items():
            rows.append(report_broken(code=code, subject=subject, sentence=sentence, now=now))
    return rows


def open_promises() -> QuerySet[BrokenPromise]:
    """Return the promises that are broken, the newest first."""
    return BrokenPromise.objects.filter(mended_at__isnull=True).order_by("-first_seen_at", "pk")


def _unanswered() -> QuerySet[Alert]:
    return Alert.objects.filter(
        response=Alert.Response.UNACKNOWLEDGED, condition=Alert.Condition.FIRING
    ).order_by("pk")


def _escalations_missing(late: datetime) -> Broken:
    under_way = [Escalation.State.RUNNING, Escalation.State.EXHAUSTED]
    alerts = _unanswered().exclude(escalation__state__in=under_way)
    return {
        f"alert {alert.pk}": f"Nobody has taken A-{alert.pk}, and no escalation runs for it. "
        "Acknowledge it and release it again to start paging anew."
        for alert in alerts[:MOST_OF_A_KIND]
    }


def _escalations_overdue(late: datetime) -> Broken:
    due = Escalation.objects.filter(
        alert__in=_unanswered(), state=Escalation.State.RUNNING, next_due_at__lte=late
    ).order_by("next_due_at")
    return {
        f"alert {row.alert_id}": f"The next step of A-{row.alert_id} was due at "
        f"{spell_time(row.next_due_at or late)} and was not taken. Check that the sweep runs."
        for row in due[:MOST_OF_A_KIND]
    }


def _pages_overdue(late: datetime) -> Broken:
    pages = Page.objects.filter(state=Page.State.PENDING, next_attempt_at__lte=late)
    return {
        f"page {page.pk}": f"The page to {page.owner.name} for A-{page.alert_id} was due at "
        f"{spell_time(page.next_attempt_at)} and was not tried. Check that the sweep runs."
        for page in pages.select_related("owner").order_by("next_attempt_at")[:MOST_OF_A_KIND]
    }


def _leases_expired(late: datetime) -> Broken:
    pages = Page.objects.filter(state=Page.State.LEASED, lease_expires_at__lte=late)
    return {
        f"page {page.pk}": f"A worker ended while it held the page to {page.owner.name} for "
        f"A-{page.alert_id}, and no other took it over. Check that the sweep runs."
        for page in pages.select_related("owner").order_by("lease_expires_at")[:MOST_OF_A_KIND]
    }


def _intake_overdue(late: datetime) -> Broken:
    findings = (
        Finding.objects.filter(revision__gt=F("taken_in_revision"))
        .annotate(
            # Detectors may touch a finding at every evaluation; what was never taken in is owed
            # since it was first detected.
            owed_since=Case(
                When(taken_in_revision=0, then=F("detected_at")), default=F("updated_at")
            )
        )
        .filter(owed_since__lte=late)
        .select_related("site")
        .order_by("pk")
    )
    return {
        f"finding {finding.pk}": f"“{finding.summary[:150]}” at {finding.site} is not taken in: no "
        "alert speaks of it. The log says why under intake.failed."
        for finding in findings[:MOST_OF_A_KIND]
    }


def _nobody_reachable(late: datetime) -> Broken:
    """Sites with an unanswered alert of which a step could reach nobody, and still could not."""
    told = AlertEvent.objects.filter(alert=OuterRef("pk"), kind=AlertEvent.Kind.NOBODY_REACHABLE)
    alerts = (
        _unanswered()
        .filter(Exists(told))
        .select_related("site", "policy_version__policy")
        .order_by("site_id", "policy_version_id")
        .distinct("site_id", "policy_version_id")
    )
    broken: Broken = {}
    for alert in alerts[:MOST_OF_A_KIND]:
        number = _unreachable_step(alert, alert.site, late)
        if number:
            broken[f"site {alert.site.slug}"] = (
                f"{alert.site}: nobody of step {number} of {alert.policy_version.policy} can be "
                "reached. Give these people a working contact."
            )
    return broken


def _unreachable_step(alert: Alert, site: Site, now: datetime) -> int | None:
    try:
        steps = read_steps(alert.policy_version.steps)
    except PlanError:
        return 1  # Nobody is reached by a policy that cannot be read.
    for number, step in enumerate(steps, start=1):
        if not reachable(owners_meant(step.notify, site=site, at=now)):
            return number
    return None


CHECKS: dict[BrokenPromise.Code, Callable[[datetime], Broken]] = {
    Code.ESCALATION_MISSING: _escalations_missing,
    Code.ESCALATION_OVERDUE: _escalations_overdue,
    Code.PAGE_OVERDUE: _pages_overdue,
    Code.LEASE_EXPIRED: _leases_expired,
    Code.INTAKE_OVERDUE: _intake_overdue,
    Code.NOBODY_REACHABLE: _nobody_reachable,
}
