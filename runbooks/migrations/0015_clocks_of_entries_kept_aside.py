"""An entry that was kept aside knows how far its device's clock was ahead."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runbooks", "0014_claims_of_runs")]
    operations = [
        migrations.AddField(
            model_name="runquarantine",
            name="skew_seconds",
            field=models.FloatField(blank=True, null=True),
        ),
    ]
