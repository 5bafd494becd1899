"""What the auditor found broken in the paging machinery itself."""

from __future__ import annotations

from django.db import models


class BrokenPromise(models.Model):
    """One promise of the pager that does not hold right now, or did not for a while."""

    class Code(models.TextChoices):
        ESCALATION_OVERDUE = "escalation_overdue", "A step is overdue"
        ESCALATION_MISSING = "escalation_missing", "An unanswered alert has no escalation"
        PAGE_OVERDUE = "page_overdue", "A page was not tried in time"
        LEASE_EXPIRED = "lease_expired", "A worker died holding a page"
        INTAKE_OVERDUE = "intake_overdue", "A finding was not taken in"
        NOBODY_REACHABLE = "nobody_reachable", "Nobody of a step can be reached"
        ALERT_UNHEARD = "alert_unheard", "Nobody has heard of an alert"
        SWEEP_SILENT = "sweep_silent", "The sweep does not run"
        DOOR_SILENT = "door_silent", "Nobody can be heard"
        AUDITOR_SILENT = "auditor_silent", "The auditor does not run"
        PAGE_DEAD = "page_dead", "A page reached nobody"
        CONTACT_GONE = "contact_gone", "A receiver is gone"
        RUNBOOK_MISSING = "runbook_missing", "An alert has no runbook"
        SUPPRESSION_STALE = "suppression_stale", "A silence is over and still holds"

    code = models.CharField(max_length=30, choices=Code.choices)
    subject = models.CharField(max_length=120)
    sentence = models.CharField(max_length=300)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    mended_at = models.DateTimeField(null=True, blank=True)
    #: When the people who keep Hearthwatch running were last told of it.
    told_at = models.DateTimeField(null=True, blank=True)
    #: Whether administrators were told, who then hear that it holds again.
    is_told_widely = models.BooleanField(default=False, db_default=False)

    class Meta:
        ordering = ["-last_seen_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["code", "subject"],
                condition=models.Q(mended_at__isnull=True),
                name="one_open_row_per_broken_promise",
            ),
        ]

    def __str__(self) -> str:
        return self.sentence
