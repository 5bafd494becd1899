"""Background jobs of the runbooks: each reads the clock, calls one service, says what it did."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from fleet.queue import Job
from runbooks.alertmanager import intake as external
from runbooks.alerts import replies
from runbooks.alerts.flapping import settle_flapping
from runbooks.alerts.intake import follow_findings
from runbooks.alerts.intake import take_in_findings as take_in
from runbooks.alerts.timeouts import expire_acknowledgements
from runbooks.auditor import audit_promises as audit
from runbooks.escalation.services import advance_due_escalations
from runbooks.heartbeats import services as heartbeats
from runbooks.paging.services import deliver_due_pages
from runbooks.runs.verify import end_waits, verify_due_steps
from runbooks.suppression import cycle
from runbooks.suppression.endings import warn_of_endings


@shared_task(name=Job.CHECK_HEARTBEATS)
def check_heartbeats() -> str:
    """Record what has not called in time."""
    return f"found {heartbeats.check_heartbeats(now=timezone.now())} heartbeats late"


@shared_task(name=Job.EXPIRE_EXTERNAL)
def expire_external() -> str:
    """Clear the alerts of other systems that were not repeated."""
    return f"expired {external.expire_external(now=timezone.now())} external alerts"


@shared_task(name=Job.TAKE_IN_FINDINGS)
def take_in_findings() -> str:
    """Open, change and clear alerts after the findings that are owed to intake."""
    now = timezone.now()
    taken = take_in(now=now)
    return f"took in {taken} findings, {follow_findings(now=now)} alerts follow theirs"


@shared_task(name=Job.APPLY_SUPPRESSIONS)
def apply_suppressions() -> str:
    """Hold back the alerts that must be, let go those that may, warn of what ends soon."""
    now = timezone.now()
    changed = cycle.apply_suppressions(now=now)
    return f"changed {changed} suppressed alerts, warned of {warn_of_endings(now=now)} endings"


@shared_task(name=Job.TAKE_IN_REPLIES)
def take_in_replies() -> str:
    """Acknowledge what receivers of pages asked to acknowledge."""
    return f"took in {replies.take_in_replies(now=timezone.now())} replies"


@shared_task(name=Job.SETTLE_ALERTS)
def settle_alerts() -> str:
    """End acknowledgements that ran out, and let alerts settle that came and went."""
    now = timezone.now()
    ended = expire_acknowledgements(now=now)
    return f"ended {ended} acknowledgements, settled {settle_flapping(now=now)} alerts"


@shared_task(name=Job.ESCALATE_DUE)
def escalate_due() -> str:
    """Carry out the escalation steps that are due."""
    return f"advanced {advance_due_escalations(now=timezone.now())} escalations"


@shared_task(name=Job.DELIVER_PAGES)
def deliver_pages() -> str:
    """Send the pages that are due."""
    delivery = deliver_due_pages(now=timezone.now())
    return (
        f"delivered {delivery.sent} pages, {delivery.failed} attempts failed, "
        f"{delivery.cancelled} were not wanted any more"
    )


@shared_task(name=Job.VERIFY_STEPS)
def verify_steps() -> str:
    """Verify steps of runs by the live readings, and end the waits that are over."""
    now = timezone.now()
    return f"looked at {verify_due_steps(now=now)} steps, ended {end_waits(now=now)} waits"


@shared_task(name=Job.AUDIT_PROMISES)
def audit_promises() -> str:
    """Check that everything the pager owes is under way."""
    return f"found {len(audit(now=timezone.now()))} broken promises"
