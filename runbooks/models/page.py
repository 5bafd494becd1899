"""Pages: an urgent notice to one person, a row before it is a request."""

from __future__ import annotations

import uuid

from django.db import models

from fleet.models import Contact, Owner
from runbooks.models.alert import Alert


class Page(models.Model):
    """One urgent notice to one contact; its id is the `webhook-id` of every attempt."""

    class State(models.TextChoices):
        PENDING = "pending"
        LEASED = "leased"
        SENT = "sent"
        CANCELLED = "cancelled"
        DEAD = "dead"

    class Purpose(models.TextChoices):
        """What it tells: that somebody must act, or that they need not any more."""

        PAGE = "page"
        ACKNOWLEDGED = "acknowledged"
        RESOLVED = "resolved"

    class Receipt(models.TextChoices):
        """What the receiver said later, each later than the one before."""

        NONE = "", "No receipt"
        QUEUED = "queued"
        DELIVERED = "delivered"
        READ = "read"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="pages")
    owner = models.ForeignKey(Owner, on_delete=models.PROTECT, related_name="pages")
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="pages")
    purpose = models.CharField(max_length=12, choices=Purpose.choices, default=Purpose.PAGE)
    #: Whose turn it is among equally bad alerts: 0 a site's first page, 1 other pages, 2 notices.
    priority = models.PositiveSmallIntegerField(default=1)
    #: The page in whose request this one travels, when its receiver has too many.
    bundle = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="bundled"
    )
    #: The escalation's `sequence` and step that asked for it.
    sequence = models.PositiveIntegerField()
    step_index = models.PositiveSmallIntegerField()
    #: Why this person, in words: "site owner", "step 2 of Europe".
    reason = models.CharField(max_length=200)

    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    created_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()
    #: No attempt after this; then the next contact is tried.
    give_up_at = models.DateTimeField()
    attempts_made = models.PositiveSmallIntegerField(default=0)
    lease_token = models.UUIDField(null=True)
    lease_expires_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    last_status = models.PositiveSmallIntegerField(null=True)
    last_error = models.CharField(max_length=300, blank=True)
    receipt = models.CharField(
        max_length=10, choices=Receipt.choices, default=Receipt.NONE, blank=True
    )
    #: The receiver's own count; a receipt with a lower one came late and is passed over.
    receipt_seq = models.PositiveBigIntegerField(default=0)
    receipt_at = models.DateTimeField(null=True, blank=True)
    #: Whether the receiver said that it can be asked what became of the page, and when it was.
    is_askable = models.BooleanField(default=False)
    asked_at = models.DateTimeField(null=True, blank=True)
    #: When the owner's next contact was tried because nothing said that this page arrived.
    failed_over_at = models.DateTimeField(null=True, blank=True)
    #: Whether it failed while its alert was held back: who is next is tried when that ends.
    is_follow_up_owed = models.BooleanField(default=False)
    #: When the receiver's answer asked to acknowledge the alert; done once `link_used_at` is set.
    replied_at = models.DateTimeField(null=True, blank=True)
    #: When somebody acknowledged by the link in this page; the link works once.
    link_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["alert", "sequence", "contact", "purpose"],
                name="one_page_per_step_contact_and_purpose",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="leased") | models.Q(lease_expires_at__isnull=False),
                name="a_leased_page_has_an_expiry",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(state__in=["pending", "leased"]),
                name="pages_by_next_attempt",
            ),
            models.Index(
                fields=["contact", "sent_at"],
                condition=models.Q(state="sent"),
                name="pages_sent_by_contact",
            ),
            models.Index(
                fields=["sent_at"],
                condition=models.Q(state="sent", receipt="queued"),
                name="pages_queued_by_receivers",
            ),
            models.Index(
                fields=["receipt_at"],
                condition=models.Q(is_follow_up_owed=True),
                name="pages_owed_a_follow_up",
            ),
            models.Index(
                fields=["replied_at"],
                condition=models.Q(replied_at__isnull=False, link_used_at__isnull=True),
                name="replies_not_taken_in",
            ),
            models.Index(
                fields=["-created_at"], condition=models.Q(state="dead"), name="dead_pages"
            ),
        ]

    def __str__(self) -> str:
        return f"page to {self.owner} for alert {self.alert_id}"


class PageAttempt(models.Model):
    """One HTTP try of one page: what was answered, how long it took; no secrets."""

    page = models.ForeignKey(Page, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=300, blank=True)
    body_head = models.CharField(max_length=1000, blank=True)

    class Meta:
        ordering = ["page", "number", "id"]

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.status or self.error}"
