"""Announcements of runs that wait and of reviews that are overdue; timelines say so too."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runbooks", "0015_clocks_of_entries_kept_aside")]
    operations = [
        migrations.AlterField(
            model_name="alertevent",
            name="kind",
            field=models.CharField(
                choices=[
                    ("opened", "Opened"),
                    ("severity_rose", "Severity rose"),
                    ("changed", "Changed"),
                    ("cleared", "Cleared"),
                    ("fired_again", "Fired again"),
                    ("paged", "Paged"),
                    ("page_sent", "Page delivered"),
                    ("page_failed", "Page failed"),
                    ("nobody_reachable", "Nobody reachable"),
                    ("exhausted", "Escalation exhausted"),
                    ("acknowledged", "Acknowledged"),
                    ("released", "Released"),
                    ("closed", "Closed"),
                    ("commented", "Commented"),
                    ("escalated", "Escalated"),
                    ("handed_over", "Handed over"),
                    ("acknowledgement_ended", "Acknowledgement ran out"),
                    ("suppressed", "Suppressed"),
                    ("suppression_ended", "No longer suppressed"),
                    ("flapping", "Flapping"),
                    ("settled", "Settled"),
                    ("storm_grew", "Storm grew"),
                    ("redelivered", "Redelivered"),
                    ("receipt", "Receipt"),
                    ("run_waiting", "Run waits"),
                ],
                max_length=30,
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
                    ("review.overdue", "A runbook is overdue for review"),
                ],
                max_length=30,
            ),
        ),
    ]
