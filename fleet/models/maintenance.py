"""Planned work: when what happens at a site is expected and pages nobody."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from fleet.models.site import Node, Site, validate_time_zone


class MaintenanceWindow(models.Model):
    """One planned span of work at one site or one of its nodes, once or again and again."""

    class Every(models.TextChoices):
        ONCE = "once"
        DAY = "day"
        WEEK = "week"
        MONTH = "month"

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="maintenance_windows")
    node = models.ForeignKey(
        Node, null=True, blank=True, on_delete=models.CASCADE, related_name="maintenance_windows"
    )
    #: Which alerts it holds back, as `runbooks.suppression.matchers` reads them; empty means all.
    matchers = models.JSONField(default=list, blank=True)
    reason = models.CharField(max_length=300)
    #: The first span; later ones keep its local times of day and its length.
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    every = models.CharField(max_length=10, choices=Every.choices, default=Every.ONCE)
    #: The last local day on which a span may begin; empty means without end.
    last_day = models.DateField(null=True, blank=True)
    #: Whose clocks the repetition follows.
    time_zone = models.CharField(max_length=64, validators=[validate_time_zone])
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    #: When somebody called the whole of it off.
    cancelled_at = models.DateTimeField(null=True, blank=True)
    #: When its author was told that the present span ends soon.
    warned_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["starts_at", "id"]
        constraints = [
            models.CheckConstraint(condition=~models.Q(reason=""), name="maintenance_has_a_reason"),
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")),
                name="maintenance_ends_after_it_starts",
            ),
        ]

    def __str__(self) -> str:
        return f"maintenance at {self.site}: {self.reason}"
