"""Background jobs of the runbooks: each reads the clock, calls one service, says what it did."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from fleet.queue import Job
from fleet.services.engine import EngineMismatch
from runbooks.alertmanager import intake as external
from runbooks.alerts import replies
from runbooks.alerts.flapping import settle_flapping
from runbooks.alerts.intake import follow_findings
from runbooks.alerts.intake import take_in_findings as take_in
from runbooks.alerts.timeouts import expire_acknowledgements
from runbooks.auditor import audit_promises as audit
from runbooks.escalation.services import advance_due_escalations, next_move
from runbooks.heartbeats import services as heartbeats
from runbooks.paging.announcements import deliver_announcements
from runbooks.paging.failing import fail_over_failing
from runbooks.paging.queued import ask_receivers, fail_over_queued, follow_up_released
from runbooks.paging.services import deliver_due_pages
from runbooks.reminders.reviews import remind_of_reviews
from runbooks.reminders.waits import remind_of_waits
from runbooks.runs.verify import end_waits, verify_due_steps
from runbooks.suppression import cycle
from runbooks.suppression.authors import announce_endings
from runbooks.suppression.endings import warn_of_endings

#: What is logged where it happens, in a sentence; a traceback would add nothing.
_SAID = (EngineMismatch,)


@shared_task(name=Job.CHECK_HEARTBEATS, throws=_SAID)
def check_heartbeats() -> str:
    """Record what has not called in time."""
    return f"found {heartbeats.check_heartbeats(now=timezone.now())} heartbeats late"


@shared_task(name=Job.EXPIRE_EXTERNAL, throws=_SAID)
def expire_external() -> str:
    """Clear the alerts of other systems that were not repeated."""
    return f"expired {external.expire_external(now=timezone.now())} external alerts"


@shared_task(name=Job.TAKE_IN_FINDINGS, throws=_SAID)
def take_in_findings() -> str:
    """Open, change and clear alerts after the findings that are owed to intake."""
    return f"took in {take_in(now=timezone.now())} findings"


@shared_task(name=Job.APPLY_SUPPRESSIONS, throws=_SAID)
def apply_suppressions() -> str:
    """Hold back the alerts that must be, let go those that may, warn of what ends soon."""
    now = timezone.now()
    changed = cycle.apply_suppressions(now=now)
    return f"changed {changed} suppressed alerts, warned of {warn_of_endings(now=now)} endings"


@shared_task(name=Job.TAKE_IN_REPLIES, throws=_SAID)
def take_in_replies() -> str:
    """Acknowledge what receivers of pages asked to acknowledge."""
    return f"took in {replies.take_in_replies(now=timezone.now())} replies"


@shared_task(name=Job.SETTLE_ALERTS, throws=_SAID)
def settle_alerts() -> str:
    """End acknowledgements that ran out, settle what came and went, follow the findings.

    Nobody asks for it by a hint: none of this need happen sooner than the next tick.
    """
    now = timezone.now()
    ended = expire_acknowledgements(now=now)
    settled = settle_flapping(now=now)
    return (
        f"ended {ended} acknowledgements, settled {settled} alerts, "
        f"{follow_findings(now=now)} alerts follow their findings"
    )


@shared_task(name=Job.ESCALATE_DUE, throws=_SAID)
def escalate_due() -> str:
    """Carry out the escalation steps that are due."""
    return f"advanced {advance_due_escalations(now=timezone.now())} escalations"


@shared_task(name=Job.DELIVER_PAGES, throws=_SAID)
def deliver_pages() -> str:
    """Send the pages that are due."""
    delivery = deliver_due_pages(now=timezone.now(), next_of=next_move)
    return (
        f"delivered {delivery.sent} pages, {delivery.failed} attempts failed, "
        f"{delivery.cancelled} were not wanted any more"
    )


@shared_task(name=Job.FOLLOW_RECEIPTS, throws=_SAID)
def follow_receipts() -> str:
    """Try the next contact where pages stay queued or fail, and ask where the others are."""
    now = timezone.now()
    failed_over = fail_over_queued(now=now) + fail_over_failing(now=now)
    failed_over += follow_up_released(now=now)
    return f"failed over {failed_over} pages, asked about {ask_receivers(now=now)}"


@shared_task(name=Job.TELL_AUTHORS, throws=_SAID)
def tell_authors() -> str:
    """Tell people what of theirs ends soon, waits or is overdue."""
    now = timezone.now()
    announced = announce_endings(now=now) + remind_of_waits(now=now) + remind_of_reviews(now=now)
    return f"announced {announced} things, tried to tell {deliver_announcements(now=now)} people"


@shared_task(name=Job.VERIFY_STEPS, throws=_SAID)
def verify_steps() -> str:
    """Verify steps of runs by the live readings, and end the waits that are over."""
    now = timezone.now()
    return f"looked at {verify_due_steps(now=now)} steps, ended {end_waits(now=now)} waits"


@shared_task(name=Job.AUDIT_PROMISES, throws=_SAID)
def audit_promises() -> str:
    """Check that everything the pager owes is under way."""
    return f"found {len(audit(now=timezone.now()))} broken promises"
