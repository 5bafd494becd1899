"""What must hold at any moment, one check each; all of them read rows and write none.

A check takes the time before which a thing is late, and returns what is broken.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import Case, Exists, F, Max, OuterRef, Q, QuerySet, When

from fleet.models import Contact, Site
from runbooks.auditor.beats import SILENT_AFTER, SWEEP, Part, silent_parts
from runbooks.escalation.choice import severity_name
from runbooks.escalation.heard import pages_of_now, unheard
from runbooks.escalation.plan import PlanError, facts_about, is_open, read_steps
from runbooks.escalation.timers import FOR_HOURS
from runbooks.models import (
    Alert,
    AlertEvent,
    BrokenPromise,
    Escalation,
    Page,
    RunbookVersion,
    Suppression,
)
from runbooks.paging.people import owners_meant, reachable
from runbooks.paging.timeline import spell_time
from telemetry.models import Finding, IngestDoor

Code = BrokenPromise.Code

#: Rows of one kind at a time; a pager that is down as a whole is one trouble, not ten thousand.
MOST_OF_A_KIND = 100
#: A promise is broken when it is late by this many cycles of the sweep.
SLACK_CYCLES = 3
#: For so long an alert may be paged for without a page that was delivered.
UNHEARD_AFTER = timedelta(minutes=15)

#: What is broken, by subject: a sentence each.
Broken = dict[str, str]


def _open_alerts() -> QuerySet[Alert]:
    return Alert.objects.exclude(response=Alert.Response.CLOSED)


def _unanswered() -> QuerySet[Alert]:
    """Return the alerts for which people must be paged right now."""
    return Alert.objects.filter(
        response=Alert.Response.UNACKNOWLEDGED,
        condition=Alert.Condition.FIRING,
        is_suppressed=False,
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
    live = [Page.State.PENDING, Page.State.LEASED]
    pages = (
        Page.objects.filter(state=Page.State.PENDING, next_attempt_at__lte=late)
        # What is held back waits on purpose, and what travels in a bundle waits for its leader.
        .exclude(purpose=Page.Purpose.PAGE, alert__is_suppressed=True)
        .exclude(bundle__state__in=live, bundle__alert__is_suppressed=False)
    )
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


def _pages_dead(late: datetime) -> Broken:
    """Pages that were given up while nobody has taken their alert and nobody else was reached."""
    taken = Page.objects.filter(
        alert=OuterRef("alert"), sequence__gte=OuterRef("sequence"), state=Page.State.SENT
    )
    # What a receiver still has in a queue when it fails over has reached nobody that we know of.
    reached = taken.exclude(receipt=Page.Receipt.QUEUED, failed_over_at__isnull=False)
    pages = Page.objects.filter(
        ~Exists(reached),
        alert__in=_unanswered(),
        purpose=Page.Purpose.PAGE,
        state=Page.State.DEAD,
    )
    return {
        f"page {page.pk}": f"The page to {page.owner.name} for A-{page.alert_id} was given up, and "
        "nothing says that anybody else was reached. Call somebody by phone, and mend their "
        "contact."
        for page in pages.select_related("owner").order_by("created_at")[:MOST_OF_A_KIND]
    }


def _alerts_unheard(late: datetime) -> Broken:
    """Alerts that page nobody any more, or have for long, without a page that was delivered."""
    long_ago = late - UNHEARD_AFTER
    tried = pages_of_now().exclude(state=Page.State.CANCELLED).filter(created_at__lte=long_ago)
    is_tried_for_long = Q(Exists(tried)) | Q(nobody_since__lte=long_ago)
    rows = unheard().filter(
        Q(state=Escalation.State.EXHAUSTED) | Q(is_tried_for_long, state=Escalation.State.RUNNING),
        alert__in=_unanswered(),
    )
    return {
        f"alert {row.alert_id}": f"Nobody has heard of A-{row.alert_id}: no page of it was "
        "delivered. Call somebody by phone, and look at what became of its pages."
        # What waits for the hours of a step pages nobody on purpose.
        for row in rows.exclude(FOR_HOURS).order_by("alert")[:MOST_OF_A_KIND]
    }


def _contacts_gone(late: datetime) -> Broken:
    gone = Contact.objects.filter(is_enabled=True).exclude(disabled_reason="")
    return {
        f"contact {contact.pk}": f"{contact.owner.name} cannot be paged by {contact.label} any "
        "more: its receiver said that it is gone. Change the contact, or switch it off."
        for contact in gone.select_related("owner").order_by("pk")[:MOST_OF_A_KIND]
    }


def _runbooks_missing(late: datetime) -> Broken:
    # Read as a list first: the documents are large, and the alerts many.
    empty = RunbookVersion.objects.exclude(document__steps__0__isnull=False)
    alerts = _open_alerts().filter(runbook_version__in=list(empty.values_list("pk", flat=True)))
    return {
        f"alert {alert.pk}": f"The runbook pinned to A-{alert.pk} has no step to follow. Publish "
        "it anew, and tell whoever works on the alert."
        for alert in alerts.order_by("pk")[:MOST_OF_A_KIND]
    }


def _suppressions_stale(late: datetime) -> Broken:
    """Overlays past their end that still hold, and alerts held back by nothing at all."""
    over = Suppression.objects.filter(
        alert__in=_open_alerts(), ended_at__isnull=True, until__lte=late
    ).order_by("until", "pk")
    standing = Suppression.objects.filter(alert=OuterRef("pk"), ended_at__isnull=True)
    forgotten = _open_alerts().filter(~Exists(standing), is_suppressed=True).order_by("pk")
    broken = {
        f"alert {alert.pk}": f"A-{alert.pk} pages nobody, and nothing holds it back any more. "
        "Check that the sweep runs."
        for alert in forgotten[:MOST_OF_A_KIND]
    }
    for row in over[:MOST_OF_A_KIND]:
        broken[f"alert {row.alert_id}"] = (
            f"What held back A-{row.alert_id} was over at {spell_time(row.until or late)}, and it "
            "still pages nobody. Check that the sweep runs."
        )
    return broken


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


def _sweep_silent(late: datetime) -> Broken:
    return {
        beat.part: f"{beat.get_part_display()} has not gone round since {spell_time(beat.at)}. "
        "Start manage.py sweep, or read its log."
        for beat in silent_parts(SWEEP, since=late - SILENT_AFTER)
    }


def _door_silent(late: datetime) -> Broken:
    """No web process takes in what agents and others say; one that never did is not missed."""
    last = IngestDoor.objects.aggregate(at=Max("beat_at"))["at"]
    if last is None or last > late - SILENT_AFTER:
        return {}
    return {
        "web": f"Nobody can be heard since {spell_time(last)}: no web process takes anything in. "
        "Nothing is called late or over meanwhile. Start it, or read its log."
    }


def _auditor_silent(late: datetime) -> Broken:
    return {
        beat.part: f"Nobody has audited the pager since {spell_time(beat.at)}. Start manage.py "
        "auditor, or read its log."
        for beat in silent_parts((Part.AUDIT,), since=late - SILENT_AFTER)
    }


def _nobody_reachable(late: datetime) -> Broken:
    """Sites with an unanswered alert of which a step could reach nobody, and still could not."""
    told = AlertEvent.objects.filter(alert=OuterRef("pk"), kind=AlertEvent.Kind.NOBODY_REACHABLE)
    alerts = (
        _unanswered()
        .filter(Exists(told))
        .select_related("site", "policy_version__policy")
        .order_by("site_id", "policy_version_id", "severity")
        .distinct("site_id", "policy_version_id", "severity")
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
    """Return the number of the first step that is open now and reaches nobody."""
    try:
        steps = read_steps(alert.policy_version.steps)
    except PlanError:
        return 1  # Nobody is reached by a policy that cannot be read.
    facts = facts_about(steps, severity=severity_name(alert.severity), time_zone=site.time_zone)
    for number, step in enumerate(steps, start=1):
        is_asked = is_open(step, facts=facts, at=now)
        if is_asked and not reachable(owners_meant(step.notify, site=site, at=now)):
            return number
    return None


CHECKS: dict[BrokenPromise.Code, Callable[[datetime], Broken]] = {
    Code.ESCALATION_MISSING: _escalations_missing,
    Code.ESCALATION_OVERDUE: _escalations_overdue,
    Code.PAGE_OVERDUE: _pages_overdue,
    Code.LEASE_EXPIRED: _leases_expired,
    Code.INTAKE_OVERDUE: _intake_overdue,
    Code.SUPPRESSION_STALE: _suppressions_stale,
    Code.RUNBOOK_MISSING: _runbooks_missing,
    Code.SWEEP_SILENT: _sweep_silent,
    Code.DOOR_SILENT: _door_silent,
    Code.AUDITOR_SILENT: _auditor_silent,
    Code.PAGE_DEAD: _pages_dead,
    Code.ALERT_UNHEARD: _alerts_unheard,
    Code.CONTACT_GONE: _contacts_gone,
    Code.NOBODY_REACHABLE: _nobody_reachable,
}

#: Broken for want of a person or a document rather than by the machinery: operators mend these,
#: and they are no reason to take a server away from its readers.
ABOUT_PEOPLE = frozenset(
    {
        Code.NOBODY_REACHABLE,
        Code.PAGE_DEAD,
        Code.ALERT_UNHEARD,
        Code.CONTACT_GONE,
        Code.RUNBOOK_MISSING,
    }
)
