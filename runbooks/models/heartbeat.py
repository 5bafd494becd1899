"""Signs of life: of what others run, and of our own engine."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from fleet.models import Node, Site


class Heartbeat(models.Model):
    """One thing of others that must call us every so often; only its key's hash is kept."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="heartbeats")
    node = models.ForeignKey(Node, null=True, blank=True, on_delete=models.CASCADE)
    name = models.CharField(max_length=120)
    key_hash = models.CharField(max_length=64, unique=True)
    #: The first characters, for people to tell keys apart.
    prefix = models.CharField(max_length=12)
    period_seconds = models.PositiveIntegerField()
    grace_seconds = models.PositiveIntegerField()
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    last_seen_at = models.DateTimeField(null=True, blank=True)
    #: When it is late, seen before or never.
    late_at = models.DateTimeField()
    is_late = models.BooleanField(default=False)
    #: Since when nobody expects it, by whom and why; empty: it is expected.
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    pause_reason = models.CharField(max_length=300, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["site", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["site", "name"],
                condition=models.Q(revoked_at__isnull=True),
                name="one_heartbeat_per_name_at_a_site",
            ),
            models.CheckConstraint(
                condition=models.Q(paused_at__isnull=True)
                | (models.Q(is_late=False) & ~models.Q(pause_reason="")),
                name="a_paused_heartbeat_says_why_and_is_not_late",
            ),
        ]
        indexes = [
            models.Index(
                fields=["late_at"],
                condition=models.Q(is_late=False, paused_at__isnull=True, revoked_at__isnull=True),
                name="heartbeats_by_late_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} at {self.site}"


class EngineBeat(models.Model):
    """One part of our own engine, and when it last went round."""

    class Part(models.TextChoices):
        DETECT = "sweep.detect", "Sweep, detecting"
        DECIDE = "sweep.decide", "Sweep, deciding"
        DELIVER = "sweep.deliver", "Sweep, delivering"
        ASK = "sweep.ask", "Sweep, asking"
        AUDIT = "auditor", "Auditor"

    part = models.CharField(max_length=20, choices=Part.choices, unique=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["part"]

    def __str__(self) -> str:
        return f"{self.part} at {self.at:%F %T} UTC"
