"""A tablet may begin a run without network; what it called it makes telling it twice harmless."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runbooks", "0019_holidays_keep_what_was")]

    operations = [
        migrations.AddField(
            model_name="run",
            name="begun_as",
            field=models.UUIDField(blank=True, null=True, unique=True),
        ),
    ]
