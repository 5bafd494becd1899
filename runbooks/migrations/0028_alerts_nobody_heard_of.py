"""Paging goes on until somebody has heard of an alert: since when nobody could be, what counts."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runbooks", "0027_tablets_stand_at_each_site")]

    operations = [
        migrations.AddField(
            model_name="escalation",
            name="nobody_since",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="escalation",
            name="start_sequence",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="brokenpromise",
            name="code",
            field=models.CharField(
                choices=[
                    ("escalation_overdue", "A step is overdue"),
                    ("escalation_missing", "An unanswered alert has no escalation"),
                    ("page_overdue", "A page was not tried in time"),
                    ("lease_expired", "A worker died holding a page"),
                    ("intake_overdue", "A finding was not taken in"),
                    ("nobody_reachable", "Nobody of a step can be reached"),
                    ("alert_unheard", "Nobody has heard of an alert"),
                    ("sweep_silent", "The sweep does not run"),
                    ("door_silent", "Nobody can be heard"),
                    ("auditor_silent", "The auditor does not run"),
                    ("page_dead", "A page reached nobody"),
                    ("contact_gone", "A receiver is gone"),
                    ("runbook_missing", "An alert has no runbook"),
                    ("suppression_stale", "A silence is over and still holds"),
                ],
                max_length=30,
            ),
        ),
        migrations.AddIndex(
            model_name="escalation",
            index=models.Index(
                condition=models.Q(("state", "exhausted")),
                fields=["alert"],
                name="exhausted_escalations",
            ),
        ),
    ]
