"""Who is paged when: policies in immutable versions, and the running escalation of an alert."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from fleet.models import Site


class EscalationPolicy(models.Model):
    """One named plan of whom to page, step by step."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "escalation policies"

    def __str__(self) -> str:
        return self.name


class EscalationPolicyVersion(models.Model):
    """One immutable edition of a policy; a running escalation keeps the one it began with."""

    policy = models.ForeignKey(EscalationPolicy, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    #: `[{"notify": ["site_owner", ...], "delay_seconds": 300}, ...]`: page these, then wait that
    #: long for an answer before the next step. `escalation.steps` has the words and conditions.
    steps = models.JSONField()
    #: How many more rounds through all steps after the first.
    repeat = models.PositiveSmallIntegerField(default=2)
    #: An acknowledged alert that nobody closed pages anew after so long; empty: never.
    acknowledgement_seconds = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT
    )

    class Meta:
        ordering = ["policy", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["policy", "number"], name="one_edition_per_number_of_a_policy"
            ),
            models.CheckConstraint(
                condition=~models.Q(steps=[]), name="a_policy_has_at_least_one_step"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.policy} v{self.number}"


class SiteEscalation(models.Model):
    """Which policy one site follows."""

    site = models.OneToOneField(Site, on_delete=models.CASCADE, related_name="escalation_choice")
    policy = models.ForeignKey(EscalationPolicy, on_delete=models.PROTECT, related_name="sites")

    def __str__(self) -> str:
        return f"{self.site} follows {self.policy}"


class Escalation(models.Model):
    """The running escalation of one alert; `next_due_at` is the timer, the row is the truth."""

    class State(models.TextChoices):
        RUNNING = "running"
        STOPPED = "stopped"
        EXHAUSTED = "exhausted"
        SUSPENDED = "suspended"

    alert = models.OneToOneField(
        "runbooks.Alert", on_delete=models.CASCADE, related_name="escalation"
    )
    policy_version = models.ForeignKey(EscalationPolicyVersion, on_delete=models.PROTECT)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    #: The step to carry out next, from 0.
    step_index = models.PositiveSmallIntegerField(default=0)
    rounds_left = models.PositiveSmallIntegerField()
    #: Counts steps carried out; part of each page's identity.
    sequence = models.PositiveIntegerField(default=0)
    #: `sequence` as paging last began, or a person asked for it: later pages are those of now.
    start_sequence = models.PositiveIntegerField(default=0)
    next_due_at = models.DateTimeField(null=True)
    #: When the hours begin that it waits for; while `next_due_at` says the same, it waits for them.
    hours_begin_at = models.DateTimeField(null=True, blank=True)
    last_step_at = models.DateTimeField(null=True)
    #: While it waits until anybody at all can be reached: since when.
    nobody_since = models.DateTimeField(null=True, blank=True)
    #: While suspended: how much of the wait was left.
    remaining_seconds = models.FloatField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(state="running") | models.Q(next_due_at__isnull=False),
                name="a_running_escalation_has_a_due_time",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="suspended") | models.Q(remaining_seconds__isnull=False),
                name="a_suspended_escalation_knows_what_is_left",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_due_at"],
                condition=models.Q(state="running"),
                name="escalations_by_due_time",
            ),
            models.Index(
                fields=["alert"],
                condition=models.Q(state="exhausted"),
                name="exhausted_escalations",
            ),
        ]

    def __str__(self) -> str:
        return f"escalation of alert {self.alert_id}, {self.state}"
