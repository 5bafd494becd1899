"""Announcements: what is told to a person and is about no alert, a row before it is a request."""

from __future__ import annotations

import uuid

from django.db import models

from fleet.models import Owner


class Announcement(models.Model):
    """One notice to one person of what they asked for, hold or answer for."""

    class Kind(models.TextChoices):
        SILENCE_ENDING = "silence.ending", "A silence ends soon"
        MAINTENANCE_ENDING = "maintenance.ending", "Maintenance ends soon"
        RUN_WAITING = "run.waiting", "A run waits for somebody"
        RUN_DISPATCHED = "run.dispatched", "Somebody is sent to do a run"
        RUN_LATE_ENTRIES = "run.late_entries", "Entries came after the end of a run"
        RUN_KEPT_ASIDE = "run.kept_aside", "Entries of a run are kept aside"
        REVIEW_OVERDUE = "review.overdue", "A runbook is overdue for review"

    class State(models.TextChoices):
        PENDING = "pending"
        SENT = "sent"
        CANCELLED = "cancelled"
        DEAD = "dead"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(Owner, on_delete=models.CASCADE, related_name="announcements")
    kind = models.CharField(max_length=30, choices=Kind.choices)
    #: What it is about: `silence <id>`, `maintenance <id>`, `run <id>`, `runbook <slug>`,
    #: `run <id> dispatch <entry id>`, `run <id> late`, `run <id> aside`.
    source = models.CharField(max_length=80)
    #: When the silence or maintenance ends; for what waits, when it is told of anew; for
    #: a dispatch, when it is told as a run that waits; for entries, when others are told of.
    ends_at = models.DateTimeField()
    summary = models.CharField(max_length=1000)
    #: Where to look at it.
    path = models.CharField(max_length=100)

    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    created_at = models.DateTimeField()
    #: Also how long whoever sends it just now may take; after that another sends it once more.
    next_attempt_at = models.DateTimeField()
    attempts_made = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "ends_at"], name="one_announcement_per_end"),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(state="pending"),
                name="announcements_waiting",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.owner}"
