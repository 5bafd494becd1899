"""The auditor notices when no web process takes anything in."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("runbooks", "0023_who_is_on_a_run"),
    ]

    operations = [
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
    ]
