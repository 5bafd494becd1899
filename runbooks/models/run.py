"""Runs: one execution of a runbook edition, and its log that only grows."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from fleet.models import Node, Site
from runbooks.models.alert import Alert
from runbooks.models.runbook import RunbookVersion


class Run(models.Model):
    """One execution of one edition of a runbook at a site; it never changes its edition by itself.

    What was done is in its entries; the state says only what the run waits for.
    """

    class State(models.TextChoices):
        CREATED = "created"
        IN_PROGRESS = "in_progress", "In progress"
        WAITING_HUMAN = "waiting_human", "Waiting for a person"
        WAITING_APPROVAL = "waiting_approval", "Waiting for approval"
        WAITING_TIMER = "waiting_timer", "Waiting for a timer"
        DONE = "done"
        ABORTED = "aborted", "Abandoned"
        FAILED = "failed"

    #: The states that nothing leads out of.
    ENDED = (State.DONE, State.ABORTED, State.FAILED)

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="runs")
    node = models.ForeignKey(
        Node, null=True, blank=True, on_delete=models.SET_NULL, related_name="runs"
    )
    alert = models.ForeignKey(
        Alert, null=True, blank=True, on_delete=models.PROTECT, related_name="runs"
    )
    runbook_version = models.ForeignKey(
        RunbookVersion, on_delete=models.PROTECT, related_name="runs"
    )
    #: The language the steps are shown in; the edition's own where it has no such translation.
    language = models.CharField(max_length=35)
    #: What stands in place of the variables, frozen when the run was made: paper, tablet and
    #: screen say the same.
    values = models.JSONField(default=dict)
    state = models.CharField(max_length=20, choices=State.choices, default=State.CREATED)
    #: When the timer ends that an open run waits for.
    timer_ends_at = models.DateTimeField(null=True, blank=True)
    #: Held by somebody, with a reason; the state stays what it was.
    paused_at = models.DateTimeField(null=True, blank=True)
    #: Who decides where two people did one step; the one who started it, until handed over.
    lead = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    #: Whom it was dispatched to.
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()
    #: What the tablet called the run that it began without network; one is taken in once.
    begun_as = models.UUIDField(null=True, blank=True, unique=True)
    #: When the first step was entered.
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    #: What came after the end was looked at up to here, by when it was received.
    late_seen_until = models.DateTimeField(null=True, blank=True)
    #: Why it was paused, abandoned or failed.
    reason = models.CharField(max_length=300, blank=True)
    #: Rises with every change, so that a stale screen can be told.
    revision = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(state__in=["done", "aborted", "failed"])
                | models.Q(ended_at__isnull=False),
                name="an_ended_run_says_when",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["aborted", "failed"]) | ~models.Q(reason=""),
                name="a_run_given_up_says_why",
            ),
        ]
        indexes = [
            models.Index(
                fields=["site", "created_at"],
                condition=~models.Q(state__in=["done", "aborted", "failed"]),
                name="open_runs_by_site",
            ),
            models.Index(
                fields=["timer_ends_at"],
                condition=models.Q(state="waiting_timer"),
                name="runs_by_end_of_timer",
            ),
        ]

    def __str__(self) -> str:
        return f"R-{self.pk} {self.runbook_version} at {self.site}"


class RunEntry(models.Model):
    """One entry in a run's log; only ever added, by whoever did it, as they said it."""

    class Kind(models.TextChoices):
        CREATED = "created"
        DISPATCHED = "dispatched"
        STEP_DONE = "step_done", "Step done"
        STEP_CANNOT = "step_cannot", "Step cannot be done"
        STEP_SKIPPED = "step_skipped", "Step skipped"
        TAKEN_BACK = "taken_back", "Entry taken back"
        NOTED = "noted"
        APPROVAL_ASKED = "approval_asked", "Approval asked for"
        APPROVED = "approved"
        REFUSED = "refused"
        TIMER_STARTED = "timer_started", "Timer started"
        VERIFY_ASKED = "verify_asked", "Verification asked for"
        VERIFIED = "verified"
        VERIFY_FAILED = "verify_failed", "Verification failed"
        OUTCOME_UNKNOWN = "outcome_unknown", "Outcome unknown"
        COUNTED = "counted", "Entry chosen by the lead"
        HANDED_OVER = "handed_over", "Handed over"
        PAUSED = "paused"
        RESUMED = "resumed"
        EDITION_MOVED = "edition_moved", "Moved to another edition"
        DONE = "done"
        ABORTED = "aborted", "Abandoned"
        FAILED = "failed"

    class Channel(models.TextChoices):
        BROWSER = "browser"
        TABLET = "tablet"
        API = "api", "API"
        ENGINE = "engine", "Hearthwatch"

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    #: The step's id in the edition, empty for what concerns the whole run.
    step_id = models.CharField(max_length=60, blank=True)
    #: The edition that was in front of whoever wrote it.
    runbook_version = models.ForeignKey(RunbookVersion, on_delete=models.PROTECT, related_name="+")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    #: What the person is called, as it was then.
    actor_name = models.CharField(max_length=120, blank=True)
    #: The writing device and its own count; what is sent twice is kept once.
    device_id = models.CharField(max_length=36, blank=True)
    counter = models.PositiveBigIntegerField(null=True, blank=True)
    #: The device's clock when it was written; the server's when it arrived.
    client_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField()
    #: How far the device's clock was ahead of the server's when it was sent, in seconds.
    skew_seconds = models.FloatField(null=True, blank=True)
    #: What was entered: `value` and `unit`, `choice`, `code`, `note`, `reason`, `entry`, ...
    input = models.JSONField(default=dict)
    #: SHA-256 of each photo, in hex; the photo itself may come later.
    evidence = models.JSONField(default=list)
    #: Whether the run had ended on the server when it arrived.
    is_after_end = models.BooleanField(default=False)

    class Meta:
        ordering = ["run", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["device_id", "counter"],
                condition=models.Q(counter__isnull=False),
                name="one_entry_per_count_of_a_device",
            ),
        ]
        indexes = [
            models.Index(fields=["run", "step_id"], name="entries_by_step"),
            models.Index(
                fields=["run"], condition=models.Q(is_after_end=True), name="late_entries_by_run"
            ),
        ]

    def __str__(self) -> str:
        return f"R-{self.run_id} {self.get_kind_display()} {self.step_id}".strip()


class RunPhoto(models.Model):
    """One photo taken in a run, by the hash of its bytes."""

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="photos")
    sha256 = models.CharField(max_length=64)
    content_type = models.CharField(max_length=20)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    size = models.PositiveIntegerField()
    data = models.BinaryField()
    received_at = models.DateTimeField()
    device_id = models.CharField(max_length=36, blank=True)

    class Meta:
        ordering = ["run", "id"]
        constraints = [
            models.UniqueConstraint(fields=["run", "sha256"], name="one_photo_per_hash_of_a_run"),
        ]

    def __str__(self) -> str:
        return f"R-{self.run_id} photo {self.sha256[:12]}"


class RunJob(models.Model):
    """One step that a machine does; leased, and never done again while its outcome is unknown."""

    class State(models.TextChoices):
        WAITING = "waiting"
        LEASED = "leased"
        PASSED = "passed"
        FAILED = "failed"
        UNKNOWN = "unknown", "Outcome unknown"

    #: The states in which Hearthwatch is at work.
    OPEN = (State.WAITING, State.LEASED)

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="jobs")
    step_id = models.CharField(max_length=60)
    #: Unique for each wish to have it done; a repeat is a new wish of a person.
    key = models.CharField(max_length=64, unique=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    is_destructive = models.BooleanField(default=False)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    asked_at = models.DateTimeField()
    #: When it is looked at next, and when it is given up.
    due_at = models.DateTimeField()
    gives_up_at = models.DateTimeField()
    lease_token = models.CharField(max_length=32, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    #: What was measured, and a sentence.
    result = models.JSONField(default=dict)

    class Meta:
        ordering = ["run", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "step_id"],
                condition=models.Q(state__in=["waiting", "leased"]),
                name="one_open_job_per_step_of_a_run",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(state__in=["waiting", "leased"]),
                name="open_jobs_by_due",
            ),
        ]

    def __str__(self) -> str:
        return f"R-{self.run_id} {self.step_id} {self.state}"
