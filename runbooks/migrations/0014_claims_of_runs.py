"""A claim makes keys to its run and is none itself."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
<<<<<<< HEAD:runbooks/migrations/0014_claims_of_runs.py
    dependencies = [
        ("runbooks", "0013_drafts_keep_pictures"),
    ]

=======
    dependencies = [("runbooks", "0006_logs_of_runs_only_grow")]
>>>>>>> runs:runbooks/migrations/0060_claims_of_runs.py
    operations = [
        migrations.AddField(
            model_name="runtoken",
            name="claim_hash",
            field=models.CharField(blank=True, max_length=64, null=True, unique=True),
        ),
    ]
