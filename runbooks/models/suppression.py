"""What holds alerts back for a while: silences, inhibition rules, and what they hold right now."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from fleet.models import MaintenanceWindow, Site
from runbooks.models.alert import Alert


class Silence(models.Model):
    """One span in which alerts that match page nobody; an edit ends it and makes another."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    #: `[{"name": "kind", "value": "thermal.*", "is_regex": true, "is_equal": true}, ...]`; an
    #: alert must match all of them.
    matchers = models.JSONField()
    #: Its author's scope: it holds back alerts of this site alone; empty means every site.
    site = models.ForeignKey(
        Site, null=True, blank=True, on_delete=models.CASCADE, related_name="silences"
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=300)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    #: The name a program gave for whoever asked through it.
    author_name = models.CharField(max_length=120, blank=True)
    #: When somebody ended it before its time.
    ended_at = models.DateTimeField(null=True, blank=True)
    #: The silence this one took over from.
    replaces = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL)
    #: When its author was told that it ends soon.
    warned_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["ends_at", "id"]
        constraints = [
            models.CheckConstraint(condition=~models.Q(reason=""), name="a_silence_has_a_reason"),
            models.CheckConstraint(
                condition=~models.Q(matchers=[]), name="a_silence_has_a_matcher"
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")),
                name="a_silence_ends_after_it_starts",
            ),
            models.CheckConstraint(
                condition=models.Q(created_by__isnull=False) | ~models.Q(author_name=""),
                name="a_silence_has_an_author",
            ),
        ]

    def __str__(self) -> str:
        return f"silence until {self.ends_at:%F %H:%M} UTC: {self.reason}"


class InhibitionRule(models.Model):
    """One rule by which an alert that fires holds others back that follow from it."""

    name = models.CharField(max_length=120, unique=True)
    source_matchers = models.JSONField()
    target_matchers = models.JSONField()
    #: Labels in which the two must agree, such as `["site"]`.
    equal = models.JSONField(default=list, blank=True)
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Suppression(models.Model):
    """One reason why one alert is held back, from when until when, and who wanted it."""

    class Kind(models.TextChoices):
        SILENCED = "silenced"
        MAINTENANCE = "maintenance"
        INHIBITED = "inhibited"
        SHELVED = "shelved"

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="suppressions")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    #: What it comes from, as `silence <id>`, `maintenance <id>`, `alert <id>`, `shelf`.
    source = models.CharField(max_length=80)
    silence = models.ForeignKey(Silence, null=True, blank=True, on_delete=models.SET_NULL)
    maintenance = models.ForeignKey(
        MaintenanceWindow, null=True, blank=True, on_delete=models.SET_NULL
    )
    inhibited_by = models.ForeignKey(
        Alert, null=True, blank=True, on_delete=models.SET_NULL, related_name="inhibits"
    )
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reason = models.CharField(max_length=300)
    began_at = models.DateTimeField()
    #: When it is over by itself; empty for an inhibition, which ends with its cause.
    until = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["began_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["alert", "source"],
                condition=models.Q(ended_at__isnull=True),
                name="one_suppression_per_alert_and_source",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="inhibited") | models.Q(until__isnull=False),
                name="a_suppression_by_people_has_an_end",
            ),
        ]
        indexes = [
            models.Index(
                fields=["until"],
                condition=models.Q(ended_at__isnull=True),
                name="suppressions_by_end",
            ),
        ]

    def __str__(self) -> str:
        return f"alert {self.alert_id} {self.kind}: {self.reason}"
