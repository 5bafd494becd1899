"""A holiday counts from the moment it is named, so that past days show who was on call."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runbooks", "0018_failed_pages_of_alerts_held_back")]

    operations = [
        migrations.RemoveConstraint(
            model_name="holiday",
            name="one_holiday_per_day_of_a_schedule",
        ),
        migrations.AlterModelOptions(
            name="holiday",
            options={"ordering": ["schedule", "day", "id"]},
        ),
        migrations.AddField(
            model_name="holiday",
            name="counts_from",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="holiday",
            name="counts_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddConstraint(
            model_name="holiday",
            constraint=models.UniqueConstraint(
                condition=models.Q(("counts_until__isnull", True)),
                fields=("schedule", "day"),
                name="one_holiday_per_day_of_a_schedule",
            ),
        ),
    ]
