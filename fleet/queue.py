"""Every background job by name, and how to ask for one.

Asking is a hint: it may be lost with the broker, and a sweep every few seconds finds the rows
that were meant. So nothing here may fail the caller.
"""

from __future__ import annotations

from enum import StrEnum

from celery import current_app
from django.db import transaction

from fleet.asked import mark_asked
from fleet.hints import hints


class Job(StrEnum):
    """The name of each background job, as Celery knows it."""

    EVALUATE_SITES = "telemetry.evaluate_sites"
    EVALUATE_DUE_SITES = "telemetry.evaluate_due_sites"
    MAINTAIN_PARTITIONS = "telemetry.maintain_partitions"
    CHECK_HEARTBEATS = "runbooks.check_heartbeats"
    EXPIRE_EXTERNAL = "runbooks.expire_external"
    TAKE_IN_FINDINGS = "runbooks.take_in_findings"
    APPLY_SUPPRESSIONS = "runbooks.apply_suppressions"
    TAKE_IN_REPLIES = "runbooks.take_in_replies"
    SETTLE_ALERTS = "runbooks.settle_alerts"
    ESCALATE_DUE = "runbooks.escalate_due"
    DELIVER_PAGES = "runbooks.deliver_pages"
    FOLLOW_RECEIPTS = "runbooks.follow_receipts"
    TELL_AUTHORS = "runbooks.tell_authors"
    VERIFY_STEPS = "runbooks.verify_steps"
    AUDIT_PROMISES = "runbooks.audit_promises"


def enqueue_on_commit(job: Job, **kwargs: int | str | list[int]) -> None:
    """Ask a worker for `job` once the open transaction has committed.

    Asked again before the hint was sent or a worker began, it is one hint: a job does whatever is
    due. One with arguments is asked for each time.
    """

    def send() -> None:
        if kwargs or mark_asked(job.value):
            current_app.send_task(job.value, kwargs=kwargs)

    def enqueue() -> None:
        hints.post(send, says=(job, repr(kwargs)))

    # Nested functions, no partials: Django 5.2 cannot log a failing partial (#36487).
    transaction.on_commit(enqueue, robust=True)
