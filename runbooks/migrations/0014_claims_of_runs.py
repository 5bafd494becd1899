"""A claim makes keys to its run and is none itself."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runbooks", "0013_drafts_keep_pictures")]
    operations = [
        migrations.AddField(
            model_name="runtoken",
            name="claim_hash",
            field=models.CharField(blank=True, max_length=64, null=True, unique=True),
        ),
    ]
