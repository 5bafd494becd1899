"""The tablets that write runs: their keys, what they hold, and entries that were refused."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from fleet.models import Site
from runbooks.models.run import Run, RunEntry


class RunToken(models.Model):
    """One secret with which a device appends to one run without a login; only its hash is kept."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="tokens")
    #: The first characters, for people to tell tokens apart.
    prefix = models.CharField(max_length=12)
    token_hash = models.CharField(max_length=64, unique=True)
    #: For a claim, the hash of its code: no key itself, it makes one for the first device.
    claim_hash = models.CharField(max_length=64, unique=True, null=True, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    device_id = models.CharField(max_length=36, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["run", "created_at"]

    def __str__(self) -> str:
        return f"R-{self.run_id} {self.prefix}…"


class RunQuarantine(models.Model):
    """One entry that could not be taken into its run's log as it came; kept until settled."""

    class Settlement(models.TextChoices):
        ACCEPTED = "accepted"
        SET_ASIDE = "set_aside", "Set aside"

    run = models.ForeignKey(
        Run, null=True, blank=True, on_delete=models.PROTECT, related_name="quarantine"
    )
    received_at = models.DateTimeField()
    code = models.CharField(max_length=40)
    sentence = models.CharField(max_length=300)
    #: The entry as it came, as text; it may be anything.
    body = models.TextField()
    device_id = models.CharField(max_length=36, blank=True)
    counter = models.PositiveBigIntegerField(null=True, blank=True)
    token = models.ForeignKey(RunToken, null=True, on_delete=models.SET_NULL, related_name="+")
    #: How far the device's clock was ahead when it came.
    skew_seconds = models.FloatField(null=True, blank=True)
    settlement = models.CharField(max_length=10, choices=Settlement.choices, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    #: The entry it became.
    entry = models.ForeignKey(
        RunEntry, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-received_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["device_id", "counter"],
                condition=models.Q(counter__isnull=False),
                name="one_quarantined_entry_per_count_of_a_device",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} from {self.device_id or 'an unknown device'}"


class Tablet(models.Model):
    """One device that was made ready for a site's runs, as it said of itself last.

    It stands once for each site; its name, and what it has to send, are the same in all of them.
    """

    device_id = models.CharField(max_length=36)
    label = models.CharField(max_length=80, blank=True)
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="tablets")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    #: The pack it holds, and how much of it.
    manifest_hash = models.CharField(max_length=64, blank=True)
    file_count = models.PositiveIntegerField(default=0)
    ready_count = models.PositiveIntegerField(default=0)
    checked_at = models.DateTimeField(null=True, blank=True)
    is_storage_persistent = models.BooleanField(default=False)
    #: Entries written and not yet sent, when it was last heard.
    waiting_count = models.PositiveIntegerField(default=0)
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ["site", "label", "device_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["device_id", "site"], name="one_row_of_a_tablet_per_site"
            ),
        ]

    def __str__(self) -> str:
        return self.label or self.device_id[:8]


class RunPresence(models.Model):
    """Somebody who has a run on the screen of a device, and at which step; as last heard."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="present")
    #: The device, or the account where no device has a key.
    who = models.CharField(max_length=60)
    name = models.CharField(max_length=120)
    step_id = models.CharField(max_length=60, blank=True)
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["run", "name", "who"]
        constraints = [
            models.UniqueConstraint(fields=["run", "who"], name="one_presence_per_device_of_a_run"),
        ]

    def __str__(self) -> str:
        return f"{self.name} on R-{self.run_id}"
