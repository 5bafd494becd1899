"""Background jobs of the runbooks: each reads the clock, calls one service, says what it did."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from fleet.queue import Job
from runbooks.alerts.intake import follow_findings
from runbooks.alerts.intake import take_in_findings as take_in
from runbooks.auditor import audit_promises as audit
from runbooks.escalation.services import advance_due_escalations
from runbooks.paging.services import deliver_due_pages


@shared_task(name=Job.TAKE_IN_FINDINGS)
def take_in_findings() -> str:
    """Open, change and clear alerts after the findings that are owed to intake."""
    now = timezone.now()
    taken = take_in(now=now)
    return f"took in {taken} findings, {follow_findings(now=now)} alerts follow theirs"


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


@shared_task(name=Job.AUDIT_PROMISES)
def audit_promises() -> str:
    """Check that everything the pager owes is under way."""
    return f"found {len(audit(now=timezone.now()))} broken promises"
