"""Runbooks and their immutable editions."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Runbook(models.Model):
    """One document that says what to do about one kind of trouble."""

    slug = models.SlugField(max_length=60, unique=True)
    title = models.CharField(max_length=120)
    category = models.CharField(max_length=30)

    class Meta:
        ordering = ["category", "title"]

    def __str__(self) -> str:
        return self.title


class RunbookVersion(models.Model):
    """One published edition; the database refuses any later change to it."""

    runbook = models.ForeignKey(Runbook, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    content_hash = models.CharField(max_length=64)
    source = models.TextField()
    #: The parsed document, as `library.parse.document_to_json` writes it.
    document = models.JSONField()
    note = models.CharField(max_length=200, blank=True)
    published_at = models.DateTimeField()
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT
    )

    class Meta:
        ordering = ["runbook", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["runbook", "number"], name="one_edition_per_number_of_a_runbook"
            ),
            models.UniqueConstraint(
                fields=["runbook", "content_hash"], name="one_edition_per_content_of_a_runbook"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.runbook} v{self.number}"
