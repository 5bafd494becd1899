"""What is told to the author of a silence before it ends is a row first."""

from __future__ import annotations

import uuid

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("fleet", "0005_engine_modules"),
        ("runbooks", "0010_receipts_are_followed"),
    ]

    operations = [
        migrations.CreateModel(
            name="Announcement",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("silence.ending", "A silence ends soon"),
                            ("maintenance.ending", "Maintenance ends soon"),
                        ],
                        max_length=30,
                    ),
                ),
                ("source", models.CharField(max_length=80)),
                ("ends_at", models.DateTimeField()),
                ("summary", models.CharField(max_length=1000)),
                ("path", models.CharField(max_length=100)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("sent", "Sent"),
                            ("cancelled", "Cancelled"),
                            ("dead", "Dead"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("next_attempt_at", models.DateTimeField()),
                ("attempts_made", models.PositiveSmallIntegerField(default=0)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("last_error", models.CharField(blank=True, max_length=300)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="announcements",
                        to="fleet.owner",
                    ),
                ),
            ],
            options={
                "ordering": ["created_at", "id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "pending")),
                        fields=["next_attempt_at"],
                        name="announcements_waiting",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("source", "ends_at"), name="one_announcement_per_end"
                    )
                ],
            },
        ),
    ]
