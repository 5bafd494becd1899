"""What should run on the nodes, and what they say runs there."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from fleet.models.site import Node, Site


class ItemKind(models.TextChoices):
    """What kind of thing has a digest."""

    MODEL = "model"
    CONFIG = "config"


class DesiredState(models.Model):
    """One immutable version of what one item should be, for a site or (empty) the whole fleet.

    The newest version of the most specific scope counts; a change is a new row.
    """

    site = models.ForeignKey(
        Site, null=True, blank=True, on_delete=models.CASCADE, related_name="desired_states"
    )
    role = models.CharField(max_length=20, choices=Node.Role.choices, blank=True)
    kind = models.CharField(max_length=10, choices=ItemKind.choices)
    name = models.CharField(max_length=200)
    number = models.PositiveIntegerField()
    #: What people call the content, such as a model's tag; the digest decides.
    version = models.CharField(max_length=60, blank=True)
    digest = models.CharField(max_length=80)
    is_pinned = models.BooleanField(default=True, help_text="Must be loaded at all times.")
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )

    class Meta:
        ordering = ["kind", "name", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["site", "role", "kind", "name", "number"],
                nulls_distinct=False,
                name="one_desired_state_per_number",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version or self.number}"


class ReportedState(models.Model):
    """One item as one node last reported it."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="reported_states")
    kind = models.CharField(max_length=10, choices=ItemKind.choices)
    name = models.CharField(max_length=200)
    digest = models.CharField(max_length=80, blank=True)
    version = models.CharField(max_length=60, blank=True)
    state = models.CharField(max_length=20)
    detail = models.CharField(max_length=300, blank=True)
    observed_at = models.DateTimeField()

    class Meta:
        ordering = ["node", "kind", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["node", "kind", "name"], name="one_report_per_item_of_a_node"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} on {self.node}"
