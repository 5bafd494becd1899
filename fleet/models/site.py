"""Sites, the nodes in them, and the named people who answer for them."""

from __future__ import annotations

from zoneinfo import available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models


def validate_time_zone(name: str) -> None:
    """Refuse a name that is no IANA time zone."""
    if name not in available_timezones():
        raise ValidationError(f"{name!r} is no time zone: write one like 'Europe/Paris'.")


class Owner(models.Model):
    """One named person who answers for sites."""

    name = models.CharField(max_length=120)
    time_zone = models.CharField(max_length=64, validators=[validate_time_zone])
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    #: For people to call; pages go to the contacts. Empty: nobody said one.
    phone = models.CharField(max_length=30, blank=True)
    #: Paged when nobody else of a step can be reached; at most one owner is.
    is_catch_all = models.BooleanField(default=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_catch_all"],
                condition=models.Q(is_catch_all=True),
                name="one_catch_all_owner",
            ),
            models.CheckConstraint(condition=~models.Q(name=""), name="an_owner_has_a_name"),
            models.CheckConstraint(
                condition=models.Q(phone="") | models.Q(phone__regex=r"^[0-9+() -]{3,30}$"),
                name="a_phone_number_can_be_dialled",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Contact(models.Model):
    """One endpoint at which an owner can be paged; the first working one is tried first.

    It works when people left it switched on, its receiver has not gone, and a test page got
    through to it as it is now.
    """

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", "Signed webhook"
        PAGERDUTY = "pagerduty", "PagerDuty"
        ALERTMANAGER = "alertmanager", "Alertmanager"
        SLACK = "slack", "Slack"
        TEAMS = "teams", "Microsoft Teams"
        WEB_PUSH = "web_push", "Web Push"
        EMAIL = "email", "Email"
        APPRISE = "apprise", "Apprise"

    owner = models.ForeignKey(Owner, on_delete=models.CASCADE, related_name="contacts")
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.WEBHOOK)
    label = models.CharField(max_length=80)
    #: Where it is: an http(s) URL, `mailto:` for email, or an apprise URL.
    url = models.CharField(max_length=1000)
    #: What the receiver knows us by; never shown and never logged. For a webhook a Standard
    #: Webhooks secret (`whsec_` + base64), for PagerDuty the integration key, for Web Push the
    #: subscription's keys as JSON.
    secret = models.CharField(max_length=1000, blank=True)
    #: While a webhook's secret is changed, pages are signed with the old one too, until then.
    previous_secret = models.CharField(max_length=1000, blank=True)
    previous_secret_until = models.DateTimeField(null=True, blank=True)
    position = models.PositiveSmallIntegerField(default=1)
    is_enabled = models.BooleanField(default=True)
    #: Why the product itself switched it off (the receiver answered 410), empty otherwise.
    disabled_reason = models.CharField(max_length=200, blank=True)
    #: When a test page last got through; empty: it never did, or the address changed since.
    tested_at = models.DateTimeField(null=True, blank=True)
    #: When the last test was made and what came of it, in a sentence.
    last_test_at = models.DateTimeField(null=True, blank=True)
    last_test_outcome = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "position"], name="one_contact_per_position_of_an_owner"
            ),
            models.CheckConstraint(
                condition=~models.Q(kind="webhook") | models.Q(secret__startswith="whsec_"),
                name="a_webhook_contact_has_a_signing_secret",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.owner} by {self.label}"


class Site(models.Model):
    """One small data centre."""

    class Pattern(models.TextChoices):
        HUB = "hub"
        SPUR = "spur"
        MESH = "mesh"
        POD = "pod"

    class Status(models.TextChoices):
        PLANNED = "planned"
        STAGING = "staging"
        ACTIVE = "active"
        DECOMMISSIONING = "decommissioning"
        RETIRED = "retired"

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    pattern = models.CharField(max_length=10, choices=Pattern.choices)
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="spurs"
    )
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.PLANNED)
    region = models.CharField(max_length=60)
    place = models.CharField(max_length=200, help_text="Street, city, country; how to get in.")
    latitude = models.FloatField(null=True, blank=True)
    longitude = models.FloatField(null=True, blank=True)
    time_zone = models.CharField(max_length=64, validators=[validate_time_zone])
    uplink = models.CharField(max_length=120, blank=True, help_text="Provider and circuit.")
    owner = models.ForeignKey(
        Owner, null=True, blank=True, on_delete=models.PROTECT, related_name="sites"
    )
    #: Whom to call there in an emergency, each `{"label": ..., "number": ...}`, in this order.
    emergency_numbers = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["region", "name"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(pattern="spur") | models.Q(parent__isnull=False),
                name="a_spur_has_a_hub",
            ),
            models.CheckConstraint(
                condition=~models.Q(parent=models.F("id")), name="a_site_is_not_its_own_parent"
            ),
            models.CheckConstraint(
                condition=~models.Q(status="active") | models.Q(owner__isnull=False),
                name="an_active_site_has_an_owner",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Node(models.Model):
    """One machine with an agent, at one site."""

    class Role(models.TextChoices):
        GATEWAY = "gateway"
        INFERENCE = "inference"
        STORAGE = "storage"
        CONTROL = "control"

    class AshraeClass(models.TextChoices):
        A1 = "A1"
        A2 = "A2"
        A3 = "A3"
        A4 = "A4"

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="nodes")
    name = models.SlugField(max_length=60)
    role = models.CharField(max_length=20, choices=Role.choices, default=Role.INFERENCE)
    hardware_class = models.CharField(max_length=60, blank=True)
    #: A2 is assumed where nobody said otherwise; pages that use a limit say so.
    ashrae_class = models.CharField(
        max_length=2, choices=AshraeClass.choices, default=AshraeClass.A2
    )
    is_ashrae_class_assumed = models.BooleanField(default=True)
    out_of_band = models.CharField(
        max_length=200, blank=True, help_text="Address of the BMC or console server."
    )
    is_watched = models.BooleanField(default=True)

    # Written by the ingest door in the same transaction as the windows.
    boot_id = models.CharField(max_length=64, blank=True)
    window_seconds = models.FloatField(default=60.0)
    #: When the server last received a live window; silence is judged by this.
    last_received_at = models.DateTimeField(null=True, blank=True)
    #: Event time of the newest live window's end.
    last_window_end = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["site", "name"]
        constraints = [
            models.UniqueConstraint(fields=["site", "name"], name="one_node_per_name_at_a_site"),
        ]

    def __str__(self) -> str:
        return f"{self.site} {self.name}"
