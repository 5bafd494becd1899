"""Leads are told of what came after the end of their runs, and say when they looked at it."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runbooks", "0025_dispatches_are_told")]
    operations = [
        migrations.AddField(
            model_name="run",
            name="late_seen_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="runentry",
            index=models.Index(
                fields=["run"],
                condition=models.Q(is_after_end=True),
                name="late_entries_by_run",
            ),
        ),
        migrations.AlterField(
            model_name="announcement",
            name="kind",
            field=models.CharField(
                choices=[
                    ("silence.ending", "A silence ends soon"),
                    ("maintenance.ending", "Maintenance ends soon"),
                    ("run.waiting", "A run waits for somebody"),
                    ("run.dispatched", "Somebody is sent to do a run"),
                    ("run.late_entries", "Entries came after the end of a run"),
                    ("run.kept_aside", "Entries of a run are kept aside"),
                    ("review.overdue", "A runbook is overdue for review"),
                ],
                max_length=30,
            ),
        ),
    ]
