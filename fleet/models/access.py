"""Who may do what where: people's memberships and agents' tokens."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from fleet.models.site import Site


class Membership(models.Model):
    """One role that one user has, at one site or (site empty) everywhere."""

    class Role(models.TextChoices):
        ADMIN = "admin"
        ENGINEER = "engineer"
        OPERATOR = "operator"
        OWNER = "owner"
        REMOTE_HANDS = "remote_hands", "Remote hands"
        VIEWER = "viewer"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=20, choices=Role.choices)
    site = models.ForeignKey(
        Site, null=True, blank=True, on_delete=models.CASCADE, related_name="memberships"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "role", "site"],
                nulls_distinct=False,
                name="one_membership_per_role_and_scope",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.get_role_display().lower()} at {self.site or 'all sites'}"


class ApiToken(models.Model):
    """One secret with which a program acts for a user, within scopes; only its hash is kept."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    label = models.CharField(max_length=80)
    #: The first characters, for people to tell tokens apart.
    prefix = models.CharField(max_length=12)
    token_hash = models.CharField(max_length=64, unique=True)
    #: What it may do: `alerts:read`, `alerts:write`, `silences:write`.
    scopes = models.JSONField(default=list)
    #: Where alerts without a `site` label belong.
    site = models.ForeignKey(
        Site, null=True, blank=True, on_delete=models.CASCADE, related_name="api_tokens"
    )
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["user", "created_at"]

    def __str__(self) -> str:
        return f"{self.label} ({self.prefix}…)"


class AgentToken(models.Model):
    """One secret with which the agents of one site sign on; only its hash is kept."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="agent_tokens")
    label = models.CharField(max_length=80)
    #: The first characters, for people to tell tokens apart.
    prefix = models.CharField(max_length=12)
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["site", "created_at"]

    def __str__(self) -> str:
        return f"{self.label} ({self.prefix}…)"
