"""A wait for hours is known as one, so that it is worked out anew after a suspension."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("runbooks", "0006_logs_of_runs_only_grow"),
    ]
    operations = [
        migrations.AddField(
            model_name="escalation",
            name="hours_begin_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
