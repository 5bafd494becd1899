"""Announcements to those who are sent to do a run."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runbooks", "0024_the_door_is_watched")]
    operations = [
        migrations.AlterField(
            model_name="announcement",
            name="kind",
            field=models.CharField(
                choices=[
                    ("silence.ending", "A silence ends soon"),
                    ("maintenance.ending", "Maintenance ends soon"),
                    ("run.waiting", "A run waits for somebody"),
                    ("run.dispatched", "Somebody is sent to do a run"),
                    ("review.overdue", "A runbook is overdue for review"),
                ],
                max_length=30,
            ),
        ),
    ]
