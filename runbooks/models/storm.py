"""What a storm alert stands for."""

from __future__ import annotations

from django.db import models

from runbooks.models.alert import Alert
from telemetry.models import Finding


class StormMember(models.Model):
    """One finding that a storm alert stands for."""

    storm = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="members")
    finding = models.ForeignKey(Finding, on_delete=models.CASCADE, related_name="+")
    joined_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["storm", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["storm", "finding"], name="one_membership_per_storm_and_finding"
            ),
        ]

    def __str__(self) -> str:
        return f"finding {self.finding_id} in storm {self.storm_id}"
