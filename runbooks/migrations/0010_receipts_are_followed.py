"""A page may stay queued at its receiver; it is asked, and the next contact is tried."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("fleet", "0005_engine_modules"),
        ("runbooks", "0009_rotations_keep_what_was"),
    ]

    operations = [
        migrations.AddField(
            model_name="page",
            name="asked_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="page",
            name="failed_over_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="page",
            name="is_askable",
            field=models.BooleanField(default=False),
        ),
        migrations.AddIndex(
            model_name="page",
            index=models.Index(
                condition=models.Q(("receipt", "queued"), ("state", "sent")),
                fields=["sent_at"],
                name="pages_queued_by_receivers",
            ),
        ),
    ]
