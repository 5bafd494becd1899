"""Alerts: something is wrong and a person must act."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from fleet.models import Node, Owner, Site
from runbooks.models.escalation import EscalationPolicyVersion
from runbooks.models.runbook import RunbookVersion
from telemetry.models import Finding


class Alert(models.Model):
    """One problem at one site that a human must act on."""

    class Condition(models.TextChoices):
        FIRING = "firing"
        CLEARED = "cleared"

    class Response(models.TextChoices):
        UNACKNOWLEDGED = "unacknowledged"
        ACKNOWLEDGED = "acknowledged"
        CLOSED = "closed"

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="alerts")
    node = models.ForeignKey(
        Node, null=True, blank=True, on_delete=models.SET_NULL, related_name="alerts"
    )
    finding = models.ForeignKey(Finding, null=True, on_delete=models.SET_NULL, related_name="+")
    dedup_key = models.CharField(max_length=300)
    kind = models.CharField(max_length=40, choices=Finding.Kind.choices)
    severity = models.PositiveSmallIntegerField(choices=Finding.Severity.choices)
    summary = models.CharField(max_length=300)
    evidence = models.JSONField(default=dict)

    condition = models.CharField(max_length=10, choices=Condition.choices, default=Condition.FIRING)
    response = models.CharField(
        max_length=20, choices=Response.choices, default=Response.UNACKNOWLEDGED
    )
    #: Event time at which the trouble began.
    began_at = models.DateTimeField()
    opened_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    #: How often the condition fired while this alert was open.
    fired_count = models.PositiveIntegerField(default=1)
    cleared_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    #: The owner who took it from a page, by link or by reply; they may have no account.
    acknowledged_owner = models.ForeignKey(
        Owner, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    #: When the acknowledgement runs out and paging begins anew; empty: never.
    acknowledgement_ends_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    #: The owner who closed it from a page; they may have no account.
    closed_owner = models.ForeignKey(
        Owner, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    close_reason = models.CharField(max_length=300, blank=True)

    runbook_version = models.ForeignKey(RunbookVersion, on_delete=models.PROTECT)
    policy_version = models.ForeignKey(EscalationPolicyVersion, on_delete=models.PROTECT)
    #: The alert this one comes back from, closed before.
    previous = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL)
    #: Whether an overlay holds it back right now; `runbooks.Suppression` says which and why.
    is_suppressed = models.BooleanField(default=False)
    #: Whether it comes and goes too often for each change to mean something.
    is_flapping = models.BooleanField(default=False)
    #: Whether it stands for many findings of one kind at its site; `members` are the first.
    is_storm = models.BooleanField(default=False)
    #: A storm's findings so far, and those that still fire.
    member_count = models.PositiveIntegerField(default=0)
    firing_member_count = models.PositiveIntegerField(default=0)
    #: Rises with every change, so that a stale screen can be told.
    revision = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ["severity", "opened_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["site", "dedup_key"],
                condition=~models.Q(response="closed"),
                name="one_open_alert_per_dedup_key",
            ),
            models.CheckConstraint(
                condition=~models.Q(response="acknowledged")
                | models.Q(acknowledged_at__isnull=False),
                name="an_acknowledged_alert_says_when",
            ),
            models.CheckConstraint(
                condition=~models.Q(response="closed") | models.Q(closed_at__isnull=False),
                name="a_closed_alert_says_when",
            ),
        ]
        indexes = [
            models.Index(
                fields=["severity", "opened_at"],
                condition=~models.Q(response="closed"),
                name="open_alerts_worst_first",
            ),
            models.Index(
                fields=["acknowledgement_ends_at"],
                condition=models.Q(response="acknowledged", acknowledgement_ends_at__isnull=False),
                name="acknowledgements_by_end",
            ),
            models.Index(
                fields=["site", "kind", "opened_at"],
                condition=~models.Q(response="closed"),
                name="open_alerts_by_site_and_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"A-{self.pk} {self.summary}"


class AlertEvent(models.Model):
    """One entry in an alert's timeline; only ever added."""

    class Kind(models.TextChoices):
        OPENED = "opened"
        SEVERITY_ROSE = "severity_rose", "Severity rose"
        CHANGED = "changed"
        CLEARED = "cleared"
        FIRED_AGAIN = "fired_again", "Fired again"
        PAGED = "paged"
        PAGE_SENT = "page_sent", "Page delivered"
        PAGE_FAILED = "page_failed", "Page failed"
        NOBODY_REACHABLE = "nobody_reachable", "Nobody reachable"
        EXHAUSTED = "exhausted", "Escalation exhausted"
        ACKNOWLEDGED = "acknowledged"
        RELEASED = "released"
        CLOSED = "closed"
        COMMENTED = "commented"
        ESCALATED = "escalated"
        HANDED_OVER = "handed_over", "Handed over"
        ACKNOWLEDGEMENT_ENDED = "acknowledgement_ended", "Acknowledgement ran out"
        SUPPRESSED = "suppressed"
        SUPPRESSION_ENDED = "suppression_ended", "No longer suppressed"
        FLAPPING = "flapping"
        SETTLED = "settled"
        STORM_GREW = "storm_grew", "Storm grew"
        REDELIVERED = "redelivered"
        RECEIPT = "receipt"
        RUN_WAITING = "run_waiting", "Run waits"

    class Channel(models.TextChoices):
        """The way an action came in."""

        ENGINE = "engine", "Hearthwatch"
        BROWSER = "browser"
        LINK = "link", "Link in a page"
        REPLY = "reply", "Reply of a receiver"
        API = "api", "API"

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=30, choices=Kind.choices)
    channel = models.CharField(max_length=10, choices=Channel.choices, default=Channel.ENGINE)
    at = models.DateTimeField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    #: The owner who acted from a page, where they have no account.
    owner = models.ForeignKey(
        Owner, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    #: One plain sentence, ready to show.
    sentence = models.CharField(max_length=400)
    #: Chosen by the acting device, so that an action sent twice happens once.
    client_action_id = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 - NULLs do not collide in the unique constraint, empty strings would

    class Meta:
        ordering = ["at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["alert", "client_action_id"], name="one_event_per_client_action"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.at:%F %T}Z {self.sentence}"
