"""A run keeps when its timer ends, so that those that are over are found among all that wait."""

from __future__ import annotations

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("fleet", "0005_engine_modules"),
        ("runbooks", "0021_the_asking_lane_beats"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="timer_ends_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("state", "waiting_timer")),
                fields=["timer_ends_at"],
                name="runs_by_end_of_timer",
            ),
        ),
    ]
