"""Addresses from which calendars of others follow a schedule."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from runbooks.models.oncall import Schedule


class CalendarFeed(models.Model):
    """One address that somebody subscribes to; only its token's hash is kept."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="feeds")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="calendar_feeds"
    )
    token_hash = models.CharField(max_length=64, unique=True)
    #: The first characters, for people to tell addresses apart.
    prefix = models.CharField(max_length=12)
    created_at = models.DateTimeField()
    #: When a calendar last asked, to the hour.
    last_read_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["created_at", "pk"]

    def __str__(self) -> str:
        return f"{self.schedule} {self.prefix}"
