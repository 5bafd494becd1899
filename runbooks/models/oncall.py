"""Who is on call when: schedules made of rotations, exceptions to them, groups of people."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from fleet.models import Owner
from fleet.models.site import validate_time_zone


class PagingGroup(models.Model):
    """One set of people who are paged together."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    owners = models.ManyToManyField(Owner, related_name="paging_groups", blank=True)
    #: Rises with every change, so that a stale screen can be told.
    revision = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Schedule(models.Model):
    """One plan of who is on call at every moment."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    #: Whose clocks its hours and days follow.
    time_zone = models.CharField(max_length=64, validators=[validate_time_zone])

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Rotation(models.Model):
    """One layer of a schedule: people who take turns; the lowest position that covers counts.

    One that was replaced or taken out stays, for what has been: it counts until then.
    """

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="rotations")
    name = models.CharField(max_length=120)
    position = models.PositiveSmallIntegerField(default=1)
    #: The local day of the first hand-over, and the local time of each.
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True)
    hands_over_at = models.TimeField()
    #: How many local days one turn lasts: 1 daily, 7 weekly.
    turn_days = models.PositiveSmallIntegerField(default=7)
    #: Local weekdays on which this layer covers, Monday 0; empty means every day.
    weekdays = models.JSONField(default=list, blank=True)
    #: Local hours between which it covers, across midnight where `until` is not later; both
    #: empty means all day.
    covers_from = models.TimeField(null=True, blank=True)
    covers_until = models.TimeField(null=True, blank=True)
    #: Whether it leaves the schedule's holidays to the layers below.
    rests_on_holidays = models.BooleanField(default=False)
    #: Since when it counts, empty for since ever; until when, empty while it stands.
    counts_from = models.DateTimeField(null=True, blank=True)
    counts_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["schedule", "position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["schedule", "position"],
                condition=models.Q(counts_until__isnull=True),
                name="one_rotation_per_position_of_a_schedule",
            ),
            models.CheckConstraint(
                condition=models.Q(turn_days__gte=1), name="a_turn_lasts_a_day_or_more"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.schedule}: {self.name}"


class RotationMember(models.Model):
    """One person's place in the order of a rotation; the same person may have several."""

    rotation = models.ForeignKey(Rotation, on_delete=models.CASCADE, related_name="members")
    owner = models.ForeignKey(Owner, on_delete=models.PROTECT, related_name="rotations")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["rotation", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["rotation", "position"], name="one_person_per_place_of_a_rotation"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.owner}"


class ScheduleOverride(models.Model):
    """One span in which somebody is on call instead of whoever the rotations name."""

    class Origin(models.TextChoices):
        OVERRIDE = "override"
        SWAP = "swap"
        IMPORT = "import", "Imported calendar"

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="overrides")
    owner = models.ForeignKey(Owner, on_delete=models.PROTECT, related_name="overrides")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.OVERRIDE)
    #: The calendar event it came from.
    uid = models.CharField(max_length=255, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["schedule", "starts_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")),
                name="an_override_ends_after_it_starts",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.owner} in {self.schedule}"


class Holiday(models.Model):
    """One local day on which rotations that rest on holidays do not cover.

    One that was taken back after its day began stays, for what has been: it counts until then.
    """

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="holidays")
    day = models.DateField()
    name = models.CharField(max_length=120)
    #: Since when it counts, empty for since ever; until when, empty while it stands.
    counts_from = models.DateTimeField(null=True, blank=True)
    counts_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["schedule", "day", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["schedule", "day"],
                condition=models.Q(counts_until__isnull=True),
                name="one_holiday_per_day_of_a_schedule",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} on {self.day:%F}"
